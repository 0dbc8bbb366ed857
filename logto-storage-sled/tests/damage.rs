//! Files that were damaged: whatever sled makes of them is an error at most, never a panic or a hang.

mod common;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use logto_core::{Change, PersistKey, SessionStore, Storage, StorageError, StorageErrorKind};
use logto_storage_sled::SledStore;
use tempfile::TempDir;

use common::{Random, session_id};

const SESSIONS: usize = 40;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn damaged_files_give_errors() {
    let rounds = env::var("LOGTO_DAMAGE_ROUNDS").map_or(150, |rounds| rounds.parse().unwrap());
    let golden = golden();
    assert_eq!(use_all(copy(golden.path()).path()).unwrap(), 0);
    let mut random = Random::new(common::seed());
    let mut outcomes = [0; 3];
    for _ in 0..rounds {
        let directory = copy(golden.path());
        let what = damage(directory.path(), &mut random);
        let outcome = within_bound(&what, directory.path().to_owned());
        outcomes[outcome] += 1;
    }
    let [unnoticed, not_opened, not_read] = outcomes;
    println!("{unnoticed} unnoticed, {not_opened} not opened, {not_read} not read or written");
}

/// A database with a snapshot, a log and values of all lengths.
fn golden() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = SledStore::open(directory.path()).unwrap();
        for number in 0..SESSIONS {
            let long = ["a", "b", "c"][round].repeat(1 + number * 400);
            let changes = [
                Change::set(PersistKey::IdToken, &long),
                Change::set(PersistKey::RefreshToken, "short"),
            ];
            store.session(&session_id(number)).update(&changes).unwrap();
        }
    }
    directory
}

/// Old values may come back where the log was cut, but never parts of them.
fn is_of_golden(value: &str) -> bool {
    let first = value.chars().next();
    let all_same = value.chars().all(|letter| Some(letter) == first);
    value == "short" || (all_same && value.len() % 400 == 1)
}

fn copy(golden: &Path) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files(golden) {
        let name = directory.path().join(file.strip_prefix(golden).unwrap());
        fs::create_dir_all(name.parent().unwrap()).unwrap();
        fs::copy(&file, name).unwrap();
    }
    fs::create_dir_all(directory.path().join("blobs")).unwrap();
    directory
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Flips a bit, overwrites a stretch, or cuts the end of one of the files.
fn damage(directory: &Path, random: &mut Random) -> String {
    let mut files = files(directory);
    files.retain(|file| !file.ends_with("logto-sessions"));
    let file = &files[random.below(files.len() as u64) as usize];
    let mut bytes = fs::read(file).unwrap();
    let place = random.below(bytes.len() as u64) as usize;
    let kind = random.below(4);
    match kind {
        0 | 1 => bytes[place] ^= 1 << random.below(8),
        2 => {
            let end = bytes.len().min(place + 1_000);
            bytes[place..end].fill(random.below(256) as u8);
        }
        _ => bytes.truncate(place),
    }
    fs::write(file, bytes).unwrap();
    let name = file.file_name().unwrap().display();
    format!("{name}: damage of kind {kind} at {place}")
}

/// Whether there was no error, one at opening, or one later.
fn within_bound(what: &str, database: PathBuf) -> usize {
    let (sender, outcome) = mpsc::channel();
    let using = thread::spawn(move || sender.send(use_all(&database)).unwrap());
    let outcome = outcome.recv_timeout(BOUND);
    let outcome = outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
    using.join().unwrap();
    outcome.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

fn use_all(database: &Path) -> Result<usize, StorageError> {
    let store = match SledStore::open(database) {
        Ok(store) => store,
        Err(error) => return expect_corrupt(error, 1),
    };
    match read_and_write(&store) {
        Ok(()) => Ok(0),
        Err(error) => expect_corrupt(error, 2),
    }
}

fn read_and_write(store: &SledStore) -> Result<(), StorageError> {
    for number in 0..SESSIONS {
        let session = store.session(&session_id(number));
        for key in PersistKey::ALL {
            let value = session.get(key)?;
            assert!(value.is_none_or(|value| is_of_golden(&value)));
        }
        session.set(PersistKey::RefreshToken, Some("new"))?;
    }
    store.purge_expired()?;
    store.for_each_session(&mut |_| Ok(()))
}

fn expect_corrupt(error: StorageError, outcome: usize) -> Result<usize, StorageError> {
    match error.kind() {
        StorageErrorKind::Corrupt => Ok(outcome),
        _ => Err(error),
    }
}
