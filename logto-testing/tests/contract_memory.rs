//! The storages of the core keep the contract.

use std::sync::Arc;
use std::time::Duration;

use logto_core::{EncryptedStorage, EncryptionKey, MemoryStorage, Storage};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

/// A fixture in memory, within a wrapper.
macro_rules! in_memory {
    ($name:ident, $wrap:expr) => {
        mod $name {
            use super::*;

            struct InMemory;

            impl Fixture for InMemory {
                const PERSISTENT: bool = false;

                fn new() -> Self {
                    Self
                }

                fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
                    let builder = MemoryStorage::builder().idle_lifetime(idle_lifetime);
                    Box::new($wrap(builder.clock(clock).build()))
                }
            }

            logto_testing::storage_contract!(InMemory);
        }
    };
}

in_memory!(memory, |storage| storage);
in_memory!(encrypted, |storage| EncryptedStorage::new(
    storage,
    EncryptionKey::from_bytes([7; 32])
));
in_memory!(pointers, |storage| Box::new(Arc::new(storage))
    as Box<dyn Storage>);
in_memory!(faulty, logto_testing::Faulty::new);
