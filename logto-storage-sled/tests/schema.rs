//! What kinds of directory a store opens, creates and refuses, and when.

mod common;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{PersistKey, SessionId, SessionStore, Storage, StorageError, StorageErrorKind};
use logto_storage_sled::SledStore;

use common::{Player, say};

const MARKER: &str = "logto-sessions";

#[test]
fn another_process() {
    let Some((part, database, _)) = common::part() else {
        return;
    };
    let store = SledStore::open(database).unwrap();
    let session = store.default_session();
    session
        .set(PersistKey::IdToken, Some("from another process"))
        .unwrap();
    say("open");
    if part == "stay" {
        io::read_to_string(io::stdin()).unwrap();
    }
}

#[track_caller]
fn refused(path: &Path, kind: StorageErrorKind, says: &str) -> StorageError {
    let error = SledStore::open(path).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for words in [says, &path.display().to_string()] {
        assert!(error.to_string().contains(words), "{error}");
    }
    error
}

/// The directory is refused, and is afterwards what it was before.
#[track_caller]
fn refused_and_untouched(path: &Path, kind: StorageErrorKind, says: &str) {
    let before = contents(path);
    refused(path, kind, says);
    assert!(contents(path) == before);
}

fn contents(directory: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut contents = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents.extend(self::contents(&path));
            contents.push((path, None));
        } else {
            contents.push((path.clone(), Some(fs::read(path).unwrap())));
        }
    }
    contents.sort();
    contents
}

fn start(part: &str, database: &Path) -> Player {
    let (sender, says) = mpsc::channel();
    let player = Player::start_and_hear(part, database, 0, move |line| {
        sender.send(line.to_owned()).unwrap();
    });
    assert_eq!(says.recv().unwrap(), "open");
    player
}

#[test]
fn a_new_directory_says_whose_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions");
    drop(SledStore::open(&path).unwrap());
    let marker = fs::read_to_string(path.join(MARKER)).unwrap();
    assert_eq!(marker, "logto-storage-sled 1\n");
}

#[test]
fn an_empty_directory_becomes_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path()).unwrap();
    store
        .default_session()
        .set(PersistKey::IdToken, Some("a"))
        .unwrap();
}

#[test]
fn a_process_that_died_while_it_made_the_directory_stands_in_nobodys_way() {
    for written in ["", "logto-stor"] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(MARKER), written).unwrap();
        drop(SledStore::open(directory.path()).unwrap());
        let marker = fs::read_to_string(directory.path().join(MARKER)).unwrap();
        assert_eq!(marker, "logto-storage-sled 1\n");
    }
}

/// sled takes it for the newest one, and would never open the database again.
#[test]
fn a_snapshot_that_a_killed_process_did_not_finish_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path()).unwrap();
    store
        .default_session()
        .set(PersistKey::IdToken, Some("a"))
        .unwrap();
    drop(store);
    let unfinished = directory.path().join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(&unfinished, "half").unwrap();

    let store = SledStore::open(directory.path()).unwrap();
    let value = store.default_session().get(PersistKey::IdToken).unwrap();
    assert_eq!(value.as_deref(), Some("a"));
    assert!(!unfinished.exists());
}

#[test]
fn a_newer_format_is_refused_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStore::open(directory.path()).unwrap());
    fs::write(directory.path().join(MARKER), "logto-storage-sled 2\n").unwrap();
    let kind = StorageErrorKind::NewerFormat;
    refused_and_untouched(directory.path(), kind, "newer version");
}

#[test]
fn a_sled_database_of_another_application_is_refused_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let raw = sled::open(directory.path()).unwrap();
    raw.insert("recipe", "soup").unwrap();
    drop(raw);
    let kind = StorageErrorKind::Corrupt;
    refused_and_untouched(directory.path(), kind, "something else");
}

#[test]
fn a_directory_with_other_files_is_refused_and_untouched() {
    for (file, content) in [("notes.txt", "notes"), (MARKER, "notes"), ("db", "")] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(file), content).unwrap();
        let kind = StorageErrorKind::Corrupt;
        refused_and_untouched(directory.path(), kind, "something else");
    }
}

#[test]
fn a_file_is_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "").unwrap();
    refused(&path, StorageErrorKind::PermissionDenied, "it is a file");
}

#[test]
fn a_missing_parent_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("sessions");
    let says = "parent directory does not exist";
    refused(&path, StorageErrorKind::PermissionDenied, says);
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn an_empty_path_is_refused() {
    assert!(SledStore::open("").is_err());
}

#[test]
fn a_second_process_is_refused_with_the_reason_and_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let other = start("stay", directory.path());
    let error = refused(directory.path(), StorageErrorKind::Busy, "another process");
    assert!(error.to_string().contains("SqliteStore"), "{error}");
    other.finish();
    let store = SledStore::open(directory.path()).unwrap();
    assert!(
        store
            .default_session()
            .get(PersistKey::IdToken)
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_process_that_ends_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let other = start("stay", directory.path());
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        other.kill()
    });
    SledStore::open(directory.path()).unwrap();
    killer.join().unwrap();
}

#[test]
fn stores_that_one_process_opens_share_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let first = SledStore::open(directory.path()).unwrap();
    let second = SledStore::open(directory.path().join(".")).unwrap();
    first
        .default_session()
        .set(PersistKey::IdToken, Some("a"))
        .unwrap();
    let session = second.default_session();
    assert!(session.get(PersistKey::IdToken).unwrap().is_some());

    let held = first.default_session();
    let held = held.lock(Duration::ZERO).unwrap();
    assert!(session.lock(Duration::ZERO).is_err());
    drop(held);
    drop(first);
    assert!(session.lock(Duration::ZERO).is_ok());
}

#[test]
fn a_store_can_be_closed_and_opened_again_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..30 {
        let store = SledStore::open(directory.path()).unwrap();
        let session = store.default_session();
        let value = round.to_string();
        session.set(PersistKey::IdToken, Some(&value)).unwrap();
    }
}

#[test]
fn many_threads_open_a_new_directory_at_once() {
    const THREADS: usize = 8;
    let directory = tempfile::tempdir().unwrap();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                let store = SledStore::open(directory.path()).unwrap();
                let session = store.session(&SessionId::random());
                session.set(PersistKey::IdToken, Some("a")).unwrap();
            });
        }
    });
}

#[test]
fn opening_does_not_take_long() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStore::open(directory.path()).unwrap());
    let started = Instant::now();
    drop(SledStore::open(directory.path()).unwrap());
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_created_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions");
    drop(SledStore::open(&path).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join(MARKER)), 0o600);
}
