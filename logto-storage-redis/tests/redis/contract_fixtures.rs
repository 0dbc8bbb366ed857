//! What the contract is tested with: one server and one cluster for all tests of a process, each of
//! which has a prefix of its own.
#![allow(dead_code)]

use std::time::Duration;

use logto_core::{EncryptedStorage, EncryptionKey, Storage};
use logto_storage_redis::{RedisStorage, RedisStorageBuilder};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

use crate::server::{shared, shared_cluster, unique_prefix};

/// A URL with a prefix that nobody else has. The lease, in milliseconds, is shorter than the default, so
/// that the lock of a killed process is had soon.
pub struct OneServer<const LEASE: u64 = 2_000>(String);

/// The same in a cluster.
pub struct InCluster<const LEASE: u64 = 2_000>(String);

/// Either of them, with sealed records.
pub struct Encrypted<F>(F);

fn builder(place: &str, lease: u64) -> RedisStorageBuilder {
    RedisStorage::builder(place).lease(Duration::from_millis(lease))
}

fn with_prefix(url: &str) -> String {
    format!("{url}?prefix={}", unique_prefix())
}

macro_rules! fixture {
    ($name:ident, $shared:ident) => {
        impl<const LEASE: u64> Fixture for $name<LEASE> {
            const PERSISTENT: bool = true;
            const REPLACES_IN_ONE_STEP: bool = false;

            fn new() -> Self {
                Self(with_prefix(&$shared().url()))
            }

            fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
                let builder = builder(&self.0, LEASE)
                    .idle_lifetime(idle_lifetime)
                    .clock(clock);
                Box::new(builder.open().unwrap())
            }

            fn place(&self) -> Option<String> {
                Some(self.0.clone())
            }

            fn open_place(place: &str) -> Box<dyn Storage> {
                Box::new(builder(place, LEASE).open().unwrap())
            }

            /// A lease, and some time to notice.
            fn lock_recovery() -> Duration {
                Duration::from_millis(LEASE) + Duration::from_secs(10)
            }
        }
    };
}

fixture!(OneServer, shared);
fixture!(InCluster, shared_cluster);

impl<F: Fixture> Fixture for Encrypted<F> {
    const PERSISTENT: bool = true;
    const REPLACES_IN_ONE_STEP: bool = false;

    fn new() -> Self {
        Self(F::new())
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
        encrypted(self.0.open(idle_lifetime, clock))
    }

    fn place(&self) -> Option<String> {
        self.0.place()
    }

    fn open_place(place: &str) -> Box<dyn Storage> {
        encrypted(F::open_place(place))
    }

    fn lock_recovery() -> Duration {
        F::lock_recovery()
    }
}

fn encrypted(inner: Box<dyn Storage>) -> Box<dyn Storage> {
    let key = EncryptionKey::from_bytes([7; 32]);
    Box::new(EncryptedStorage::new(inner, key))
}
