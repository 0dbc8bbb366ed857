//! A database in a directory of its own, and a clock that a test moves.

use std::path::PathBuf;
use std::time::Duration;

use logto_core::{Record, SessionId, SessionKey, Storage};
use logto_storage_sqlite::{SqliteStorage, SqliteStorageBuilder};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const LIFETIME: Duration = Duration::from_secs(1_000);

/// A directory with a database.
pub(crate) struct Sqlite(TempDir);

impl Sqlite {
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("sessions.db")
    }

    pub(crate) fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Fixture for Sqlite {
    const PERSISTENT: bool = true;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
        let builder = SqliteStorage::builder(self.path());
        let builder = builder.idle_lifetime(idle_lifetime).clock(clock);
        Box::new(builder.open().unwrap())
    }

    fn place(&self) -> Option<String> {
        self.path().to_str().map(str::to_owned)
    }

    fn open_place(place: &str) -> Box<dyn Storage> {
        Box::new(SqliteStorage::open(place).unwrap())
    }
}

/// A storage over a file of its own, and the clock that moves it.
pub(crate) struct Scene {
    pub(crate) sqlite: Sqlite,
    pub(crate) clock: TestClock,
    pub(crate) storage: SqliteStorage,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (sqlite, clock) = (Sqlite::new(), TestClock::new());
        clock.freeze();
        let storage = builder(&sqlite, &clock).open().unwrap();
        Self {
            sqlite,
            clock,
            storage,
        }
    }

    pub(crate) fn builder(&self) -> SqliteStorageBuilder {
        builder(&self.sqlite, &self.clock)
    }

    /// A new session with this data.
    pub(crate) fn session(&self, data: &str) -> (SessionKey, Record) {
        let (key, record) = (SessionId::random().key(), Record::new(None, data));
        self.storage.save(&key, &record, None).unwrap();
        (key, record)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.sqlite.0.path().read_dir().unwrap();
        files.map(|file| file.unwrap().path())
    }
}

fn builder(sqlite: &Sqlite, clock: &TestClock) -> SqliteStorageBuilder {
    SqliteStorage::builder(sqlite.path())
        .idle_lifetime(LIFETIME)
        .clock(clock.clone())
}
