//! The storages of the core keep the contract.

use std::time::Duration;

use logto_core::{EncryptedStore, EncryptionKey, MemoryStorage, MemoryStore, SessionStore};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

struct InMemory;

impl Fixture for InMemory {
    const PERSISTENT: bool = false;

    fn new() -> Self {
        Self
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
        let builder = MemoryStore::builder().idle_lifetime(idle_lifetime);
        Box::new(builder.clock(clock).build())
    }
}

logto_testing::storage_contract!(|| MemoryStorage::new());
logto_testing::session_store_contract!(InMemory);

mod encrypted {
    use logto_core::EncryptedStorage;

    use super::*;

    struct Encrypted;

    impl Fixture for Encrypted {
        const PERSISTENT: bool = false;

        fn new() -> Self {
            Self
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
            let inner = InMemory.open(idle_lifetime, clock);
            Box::new(EncryptedStore::new(inner, key()))
        }
    }

    fn key() -> EncryptionKey {
        EncryptionKey::from_bytes([7; 32])
    }

    logto_testing::storage_contract!(|| EncryptedStorage::new(MemoryStorage::new(), key()));
    logto_testing::session_store_contract!(Encrypted);
}
