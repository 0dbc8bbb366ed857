//! What kinds of file a storage opens, creates and refuses.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use logto_core::{Record, SessionId, SessionKey, Storage, StorageError, StorageErrorKind};
use logto_storage_sqlite::SqliteStorage;
use rusqlite::Connection;

fn put(storage: &SqliteStorage, data: &str) {
    let record = Record::new(None, data);
    storage.save(&SessionKey::ONLY, &record, None).unwrap();
}

#[track_caller]
fn refused(path: &Path, kind: StorageErrorKind, says: &str) -> StorageError {
    let error = SqliteStorage::open(path).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
    error
}

/// The file is refused, and is afterwards what it was before, alone in its directory.
#[track_caller]
fn refused_and_untouched(path: &Path, kind: StorageErrorKind, says: &str) {
    let before = fs::read(path).unwrap();
    refused(path, kind, says);
    assert!(fs::read(path).unwrap() == before);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

fn number(path: &Path, sql: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn schema_of_a_new_file_says_whose_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    drop(SqliteStorage::open(&path).unwrap());
    assert_eq!(number(&path, "PRAGMA application_id"), 0x4c67_744f);
    assert_eq!(number(&path, "PRAGMA user_version"), 1);
}

#[test]
fn schema_of_an_empty_file_becomes_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    fs::write(&path, "").unwrap();
    let store = SqliteStorage::open(&path).unwrap();
    put(&store, "a");
}

#[test]
fn schema_that_is_newer_is_refused_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    drop(SqliteStorage::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA user_version = 1000")
        .unwrap();
    refused_and_untouched(&path, StorageErrorKind::NewerFormat, "newer version");
}

#[test]
fn schema_of_another_application_is_refused_and_untouched() {
    for (made_by, sql) in [
        ("tables", "CREATE TABLE recipes (name TEXT)"),
        ("application id", "PRAGMA application_id = 252006674"),
        ("version", "PRAGMA user_version = 3"),
        (
            "log",
            "PRAGMA journal_mode = WAL; CREATE TABLE recipes (name TEXT)",
        ),
        (
            "our id without a version",
            "PRAGMA application_id = 0x4c67744f",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(made_by);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        refused_and_untouched(&path, StorageErrorKind::Corrupt, "another application");
    }
}

#[test]
fn schema_of_a_file_that_is_no_database_is_refused_and_untouched() {
    for content in ["xy", "just some notes\n", &"notes ".repeat(10_000)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        fs::write(&path, content).unwrap();
        refused_and_untouched(&path, StorageErrorKind::Corrupt, "not a SQLite database");
    }
}

#[test]
fn damaged_database_is_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    put(&SqliteStorage::open(&path).unwrap(), &"x".repeat(100_000));

    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    let error = storage.load(&SessionKey::ONLY).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
}

#[test]
fn path_of_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    refused(
        directory.path(),
        StorageErrorKind::PermissionDenied,
        "it is a directory",
    );
}

#[test]
fn path_with_a_missing_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("sessions.db");
    refused(
        &path,
        StorageErrorKind::PermissionDenied,
        "its directory does not exist",
    );
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn path_that_is_empty_is_refused() {
    assert!(SqliteStorage::open("").is_err());
}

#[test]
fn path_is_a_file_whatever_sqlite_makes_of_it() {
    let directory = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:sessions.db?mode=memory", "a b%20c#d?e"] {
        let path = directory.path().join(name);
        drop(SqliteStorage::open(&path).unwrap());
        assert!(path.is_file(), "{name}");
    }
}

#[test]
fn schema_is_made_once_where_many_threads_open_a_new_file_at_once() {
    const THREADS: usize = 8;
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    let store = SqliteStorage::open(&path).unwrap();
                    let key = SessionId::random().key();
                    store.save(&key, &Record::new(None, "a"), None).unwrap();
                });
            }
        });
        assert_eq!(
            number(&path, "SELECT count(*) FROM sessions"),
            THREADS as i64
        );
    }
}

#[test]
fn busy_database_that_stays_locked_is_busy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let short = Duration::from_millis(20);
    let error = SqliteStorage::builder(&path)
        .busy_timeout(short)
        .open()
        .unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Busy);

    other.execute_batch("ROLLBACK").unwrap();
    SqliteStorage::open(&path).unwrap();
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Who may write what nobody may.
    fn is_superuser(directory: &Path) -> bool {
        let probe = directory.join("probe");
        if !probe.exists() && fs::write(&probe, "").is_err() {
            return false;
        }
        set_mode(&probe, 0o000);
        fs::write(&probe, "").is_ok()
    }

    #[test]
    fn permissions_of_a_file_that_was_there_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        fs::write(&path, "").unwrap();
        set_mode(&path, 0o640);
        drop(SqliteStorage::open(&path).unwrap());
        assert_eq!(mode(&path), 0o640);
    }

    #[test]
    fn permissions_of_a_read_only_directory_are_permission_denied() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        set_mode(directory.path(), 0o500);
        if !is_superuser(directory.path()) {
            refused(
                &path,
                StorageErrorKind::PermissionDenied,
                "could not be opened",
            );
        }
        set_mode(directory.path(), 0o700);
    }

    #[test]
    fn permissions_of_a_read_only_file_are_permission_denied() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        drop(SqliteStorage::open(&path).unwrap());
        set_mode(&path, 0o400);
        if !is_superuser(directory.path()) {
            refused(
                &path,
                StorageErrorKind::PermissionDenied,
                "but not write it",
            );
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        }
        set_mode(&path, 0o000);
        if !is_superuser(directory.path()) {
            refused(
                &path,
                StorageErrorKind::PermissionDenied,
                "this process must be able to",
            );
        }
    }

    #[test]
    fn path_by_a_symbolic_link_leads_to_the_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (
            directory.path().join("sessions.db"),
            directory.path().join("link"),
        );
        let store = SqliteStorage::open(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let linked = SqliteStorage::open(&link).unwrap();

        let _held = store.lock(&SessionKey::ONLY, Duration::ZERO).unwrap();
        assert!(linked.lock(&SessionKey::ONLY, Duration::ZERO).is_err());
        put(&store, "a");
        assert!(linked.load(&SessionKey::ONLY).unwrap().is_some());
    }
}
