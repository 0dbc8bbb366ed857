//! A store over a file of its own, and a clock that a test moves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use logto_core::{PersistKey, Storage};
use logto_storage_sqlite::{SqliteStore, SqliteStoreBuilder};
use logto_testing::TestClock;
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const LIFETIME: Duration = Duration::from_secs(1_000);

/// A store over a file of its own, and the clock that moves it.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) clock: TestClock,
    pub(crate) store: SqliteStore,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        clock.freeze();
        let store = builder(&directory.path().join("sessions.db"), &clock)
            .open()
            .unwrap();
        Self {
            directory,
            clock,
            store,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("sessions.db")
    }

    pub(crate) fn builder(&self) -> SqliteStoreBuilder {
        builder(&self.path(), &self.clock)
    }

    pub(crate) fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn builder(path: &Path, clock: &TestClock) -> SqliteStoreBuilder {
    SqliteStore::builder(path)
        .idle_lifetime(LIFETIME)
        .clock(clock.clone())
}

#[track_caller]
pub(crate) fn assert_value(storage: &dyn Storage, key: PersistKey, expected: Option<&str>) {
    assert!(storage.get(key).unwrap().as_deref() == expected);
}

pub(crate) fn count(raw: &Connection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    raw.query_row(&sql, [], |row| row.get(0)).unwrap()
}
