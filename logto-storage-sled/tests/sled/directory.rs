//! Which directories a storage opens, creates and refuses.

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{SessionKey, Storage, StorageError, StorageErrorKind};
use logto_storage_sled::SledStorage;

use super::{data, new_key, save};

const MARKER: &str = "logto-sessions";
const OURS: &str = "logto-storage-sled 1\n";

/// The database that the test `another_process` opens, if another test started it.
const DATABASE: &str = "LOGTO_SLED_TEST_DATABASE";

#[test]
fn another_process() {
    let Some(database) = env::var_os(DATABASE) else {
        return;
    };
    let storage = SledStorage::open(PathBuf::from(database)).unwrap();
    save(&storage, &SessionKey::ONLY, "from another process").unwrap();
    println!("\nopen");
    io::read_to_string(io::stdin()).unwrap();
}

/// Another process that has the database open, until its standard input is closed.
fn start(database: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["directory::another_process", "--exact", "--nocapture"])
        .env(DATABASE, database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "open"));
    // The harness writes to it at the end.
    thread::spawn(move || lines.count());
    child
}

#[track_caller]
fn refused(path: &Path, kind: StorageErrorKind, says: &str) -> StorageError {
    let error = SledStorage::open(path).unwrap_err();
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

#[test]
fn directory_that_is_created_is_marked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions");
    drop(SledStorage::open(&path).unwrap());
    let marker = fs::read_to_string(path.join(MARKER)).unwrap();
    assert_eq!(marker, OURS);
}

#[test]
fn directory_that_is_empty_becomes_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let storage = SledStorage::open(directory.path()).unwrap();
    save(&storage, &SessionKey::ONLY, "a").unwrap();
}

#[test]
fn directory_with_an_unfinished_marker_is_opened() {
    for written in ["", "logto-stor"] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(MARKER), written).unwrap();
        drop(SledStorage::open(directory.path()).unwrap());
        let marker = fs::read_to_string(directory.path().join(MARKER)).unwrap();
        assert_eq!(marker, OURS);
    }
}

/// sled takes it for the newest one, and would never open the database again.
#[test]
fn snapshot_that_is_unfinished_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let storage = SledStorage::open(directory.path()).unwrap();
    save(&storage, &SessionKey::ONLY, "a").unwrap();
    drop(storage);
    let unfinished = directory.path().join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(&unfinished, "half").unwrap();

    let storage = SledStorage::open(directory.path()).unwrap();
    assert_eq!(data(&storage, &SessionKey::ONLY).as_deref(), Some("a"));
    assert!(!unfinished.exists());
}

#[test]
fn format_that_is_newer_is_refused_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStorage::open(directory.path()).unwrap());
    fs::write(directory.path().join(MARKER), "logto-storage-sled 2\n").unwrap();
    let kind = StorageErrorKind::NewerFormat;
    refused_and_untouched(directory.path(), kind, "newer version");
}

#[test]
fn foreign_database_is_refused_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let raw = sled::open(directory.path()).unwrap();
    raw.insert("recipe", "soup").unwrap();
    drop(raw);
    let kind = StorageErrorKind::Corrupt;
    refused_and_untouched(directory.path(), kind, "something else");
}

#[test]
fn foreign_directory_is_refused_and_untouched() {
    for (file, content) in [("notes.txt", "notes"), (MARKER, "notes"), ("db", "")] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(file), content).unwrap();
        let kind = StorageErrorKind::Corrupt;
        refused_and_untouched(directory.path(), kind, "something else");
    }
}

#[test]
fn path_of_a_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "").unwrap();
    refused(&path, StorageErrorKind::PermissionDenied, "it is a file");
}

#[test]
fn path_without_a_parent_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("sessions");
    let says = "parent directory does not exist";
    refused(&path, StorageErrorKind::PermissionDenied, says);
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn path_that_is_empty_is_refused() {
    assert!(SledStorage::open("").is_err());
}

#[test]
fn process_that_is_second_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut other = start(directory.path());
    let error = refused(directory.path(), StorageErrorKind::Busy, "another process");
    assert!(error.to_string().contains("SqliteStorage"), "{error}");
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    let storage = SledStorage::open(directory.path()).unwrap();
    assert!(data(&storage, &SessionKey::ONLY).is_some());
}

#[test]
fn process_that_ends_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut other = start(directory.path());
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        other.kill().unwrap();
        other.wait().unwrap()
    });
    SledStorage::open(directory.path()).unwrap();
    killer.join().unwrap();
}

#[test]
fn open_twice_in_one_process_shares_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let first = SledStorage::open(directory.path()).unwrap();
    let second = SledStorage::open(directory.path().join(".")).unwrap();
    save(&first, &SessionKey::ONLY, "a").unwrap();
    assert!(data(&second, &SessionKey::ONLY).is_some());

    let lock = |storage: &SledStorage| storage.lock(&SessionKey::ONLY, Duration::ZERO).is_ok();
    let held = first.lock(&SessionKey::ONLY, Duration::ZERO).unwrap();
    assert!(!lock(&second));
    drop(held);
    drop(first);
    assert!(lock(&second));
}

#[test]
fn open_again_after_a_close_succeeds_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..30 {
        let storage = SledStorage::open(directory.path()).unwrap();
        save(&storage, &SessionKey::ONLY, &round.to_string()).unwrap();
    }
}

#[test]
fn open_by_many_threads_at_once_succeeds() {
    const THREADS: usize = 8;
    let directory = tempfile::tempdir().unwrap();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                let storage = SledStorage::open(directory.path()).unwrap();
                save(&storage, &new_key(), "a").unwrap();
            });
        }
    });
}

#[test]
fn open_does_not_take_long() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStorage::open(directory.path()).unwrap());
    let started = Instant::now();
    drop(SledStorage::open(directory.path()).unwrap());
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[cfg(unix)]
#[test]
fn permissions_of_a_created_directory_are_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions");
    drop(SledStorage::open(&path).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join(MARKER)), 0o600);
}
