//! The storages of the core keep the contract.

use std::sync::Arc;
use std::time::Duration;

use logto_core::{EncryptedStorage, EncryptionKey, MemoryStorage, Storage};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

/// A place in this process: storages that are opened over it share their sessions no longer than it lives.
struct InMemory;

impl Fixture for InMemory {
    fn new() -> Self {
        Self
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
        let builder = MemoryStorage::builder().idle_lifetime(idle_lifetime);
        Box::new(builder.clock(clock).build())
    }
}

logto_testing::storage_contract!(InMemory);

mod encrypted {
    use super::*;

    struct Encrypted;

    impl Fixture for Encrypted {
        fn new() -> Self {
            Self
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
            // Behind a pointer, which must hand on every method.
            let inner: Arc<dyn Storage> = InMemory.open(idle_lifetime, clock).into();
            let key = EncryptionKey::from_bytes([7; 32]);
            Box::new(EncryptedStorage::new(inner, key))
        }
    }

    logto_testing::storage_contract!(Encrypted);
}
