//! Damaged files and records: an error at most, never a panic or a hang.

use std::env;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use logto_core::{Record, SessionKey, SessionOwner, Storage, StorageError, StorageErrorKind};
use logto_storage_sled::SledStorage;
use logto_testing::TestClock;
use logto_testing::contract::Fixture as _;
use tempfile::TempDir;

use super::{InDirectory, new_key, open_raw, save};

const SESSIONS: usize = 40;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn damage_of_files_gives_errors() {
    let rounds = env::var("LOGTO_DAMAGE_ROUNDS").map_or(150, |rounds| rounds.parse().unwrap());
    let golden = golden();
    assert_eq!(use_all(copy(golden.path()).path()).unwrap(), 0);
    let mut random = Random(seed());
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
        let storage = SledStorage::open(directory.path()).unwrap();
        for number in 0..SESSIONS {
            let long = ["a", "b", "c"][round].repeat(1 + number * 400);
            save(&storage, &session(number), &long).unwrap();
        }
    }
    directory
}

/// Old values may come back where the log was cut, but never parts of them.
fn is_of_golden(value: &str) -> bool {
    let first = value.chars().next();
    let all_same = value.chars().all(|letter| Some(letter) == first);
    value == "new" || (all_same && value.len() % 400 == 1)
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
    let storage = match SledStorage::open(database) {
        Ok(storage) => storage,
        Err(error) => return expect_corrupt(error, 1),
    };
    match read_and_write(&storage) {
        Ok(()) => Ok(0),
        Err(error) => expect_corrupt(error, 2),
    }
}

fn read_and_write(storage: &SledStorage) -> Result<(), StorageError> {
    for number in 0..SESSIONS {
        let loaded = storage.load(&session(number))?;
        assert!(loaded.is_none_or(|record| is_of_golden(record.data())));
        save(storage, &session(number), "new")?;
    }
    storage.purge_expired()?;
    storage.for_each(&mut |_| Ok(()))
}

fn expect_corrupt(error: StorageError, outcome: usize) -> Result<usize, StorageError> {
    match error.kind() {
        StorageErrorKind::Corrupt => Ok(outcome),
        _ => Err(error),
    }
}

fn session(number: usize) -> SessionKey {
    SessionKey::from_bytes([number as u8 + 1; 32])
}

/// Numbers that only look random: the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The seed of the environment variable, or another one each time. It is printed with a failure.
fn seed() -> u64 {
    let given = env::var("LOGTO_DAMAGE_SEED").map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|_| RandomState::new().hash_one(0));
    println!("LOGTO_DAMAGE_SEED={seed}");
    seed
}

/// Overwrites the records of two of Alice's three sessions, and returns the key of a damaged one and of the
/// one that is left.
fn damage_records(directory: &InDirectory, owner: SessionOwner) -> [SessionKey; 2] {
    let keys = [new_key(), new_key(), new_key()];
    let storage = SledStorage::open(directory.path()).unwrap();
    for key in &keys {
        let record = Record::new(Some(owner), "data");
        storage.save(key, &record, None).unwrap();
    }
    drop(storage);
    let raw = open_raw(directory.path()).open_tree("sessions").unwrap();
    raw.insert(keys[0].as_bytes(), b"no record").unwrap();
    raw.insert(keys[1].as_bytes(), b"").unwrap();
    [keys[0], keys[2]]
}

#[test]
fn damage_of_a_record_is_corrupt_and_never_overwritten() {
    let directory = InDirectory::new();
    let owner = SessionOwner::new("https://issuer", "alice", None);
    let [damaged, good] = damage_records(&directory, owner);
    let storage = SledStorage::open(directory.path()).unwrap();
    let record = Record::new(None, "new");
    let good_version = storage.load(&good).unwrap().map(|record| record.version());
    let outcomes = [
        storage.load(&damaged).map(drop),
        storage.save(&damaged, &record, None),
        storage.save(&damaged, &record, Some(record.version())),
        storage.replace(&damaged, None, &new_key(), &record),
        storage.replace(&good, good_version, &damaged, &record),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind(), StorageErrorKind::Corrupt);
    }
    storage.remove(&damaged).unwrap();
    assert_eq!(storage.load(&damaged).unwrap(), None);
    storage.save(&damaged, &record, None).unwrap();
}

#[test]
fn damage_of_a_record_stops_no_other_method() {
    let directory = InDirectory::new();
    let owner = SessionOwner::new("https://issuer", "alice", None);
    let [damaged, good] = damage_records(&directory, owner);
    let storage = SledStorage::open(directory.path()).unwrap();
    assert_eq!(storage.find(&owner.user()).unwrap(), [good]);
    let mut visited = Vec::new();
    let visit = storage.for_each(&mut |key| {
        visited.push(*key);
        Ok(())
    });
    visit.unwrap();
    assert_eq!(visited.len(), 3);
    drop(storage);

    let clock = TestClock::new();
    clock.advance(Duration::from_secs(3600));
    let storage = directory.open(Duration::from_secs(60), clock);
    assert_eq!(storage.purge_expired().unwrap(), 1);
    assert!(storage.load(&damaged).is_err());
}
