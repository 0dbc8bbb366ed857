//! The store keeps the contract, among processes too.

mod common;

use std::time::Duration;

use logto_core::{EncryptedStore, EncryptionKey, SessionStore};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

use common::Sqlite;

logto_testing::session_store_contract!(Sqlite);

mod encrypted {
    use super::*;

    /// The same, with sealed values.
    struct Encrypted(Sqlite);

    impl Fixture for Encrypted {
        const PERSISTENT: bool = true;

        fn new() -> Self {
            Self(Sqlite::new())
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
            encrypted(self.0.open(idle_lifetime, clock))
        }

        fn place(&self) -> Option<String> {
            self.0.place()
        }

        fn open_place(place: &str) -> Box<dyn SessionStore> {
            encrypted(Sqlite::open_place(place))
        }

        fn lock_recovery() -> Duration {
            Sqlite::lock_recovery()
        }
    }

    fn encrypted(inner: Box<dyn SessionStore>) -> Box<dyn SessionStore> {
        let key = EncryptionKey::from_bytes([7; 32]);
        Box::new(EncryptedStore::new(inner, key))
    }

    logto_testing::session_store_contract!(Encrypted);
}
