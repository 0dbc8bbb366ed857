//! Sessions in SQLite: the contract, and what only this backend promises.

mod concurrency;
mod damage;
mod fixture;
mod idle;
mod schema;
mod secrets;

use std::time::Duration;

use logto_core::{EncryptedStorage, EncryptionKey, Storage};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use logto_testing::contract::crash::Moment;
use rusqlite::Connection;

use fixture::Sqlite;

logto_testing::storage_contract!(Sqlite);

logto_testing::crash_contract!(Sqlite, |sqlite, moment| {
    if matches!(moment, Moment::Closed | Moment::Emptied) {
        let raw = Connection::open(sqlite.path()).unwrap();
        let verdict = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        let verdict: String = verdict.unwrap();
        assert_eq!(verdict, "ok");
    }
});

mod encrypted {
    use super::*;

    /// The same, with sealed records.
    struct Encrypted(Sqlite);

    impl Fixture for Encrypted {
        const PERSISTENT: bool = true;

        fn new() -> Self {
            Self(Sqlite::new())
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
            encrypted(self.0.open(idle_lifetime, clock))
        }

        fn place(&self) -> Option<String> {
            self.0.place()
        }

        fn open_place(place: &str) -> Box<dyn Storage> {
            encrypted(Sqlite::open_place(place))
        }
    }

    fn encrypted(inner: Box<dyn Storage>) -> Box<dyn Storage> {
        let key = EncryptionKey::from_bytes([7; 32]);
        Box::new(EncryptedStorage::new(inner, key))
    }

    logto_testing::storage_contract!(Encrypted);
}
