//! Tests of the sled storage.

mod contract;
mod crash;
mod damage;
mod directory;

use std::path::Path;
use std::thread;
use std::time::Duration;

use logto_core::{Record, SessionId, SessionKey, Storage, StorageError};
use logto_storage_sled::SledStorage;
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use tempfile::TempDir;

/// A directory with a database.
struct InDirectory(TempDir);

impl InDirectory {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Fixture for InDirectory {
    const PERSISTENT: bool = true;
    const SHARED: bool = false;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
        let builder = SledStorage::builder(self.path()).idle_lifetime(idle_lifetime);
        Box::new(builder.clock(clock).open().unwrap())
    }

    fn place(&self) -> Option<String> {
        self.path().to_str().map(str::to_owned)
    }

    fn open_place(place: &str) -> Box<dyn Storage> {
        Box::new(SledStorage::open(place).unwrap())
    }
}

fn new_key() -> SessionKey {
    SessionId::random().key()
}

/// Saves data without an owner over whatever is there.
fn save(storage: &impl Storage, session: &SessionKey, data: &str) -> Result<(), StorageError> {
    let expected = storage.load(session)?.map(|record| record.version());
    storage.save(session, &Record::new(None, data), expected)
}

fn data(storage: &impl Storage, session: &SessionKey) -> Option<String> {
    let record = storage.load(session).unwrap();
    record.map(|record| record.data().to_owned())
}

/// The database without the storage, which must be closed. sled's threads keep its lock a little longer.
fn open_raw(database: &Path) -> sled::Db {
    for _ in 0..200 {
        if let Ok(raw) = sled::open(database) {
            return raw;
        }
        thread::sleep(Duration::from_millis(10));
    }
    sled::open(database).unwrap()
}
