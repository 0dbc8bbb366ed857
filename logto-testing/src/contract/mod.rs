//! The contract of a storage: tests of every promise that [`Storage`] and [`SessionStore`] make, for
//! whoever writes a backend.
//!
//! One macro call makes a test of each promise, named after it. For a storage of one session,
//! [`storage_contract!`](crate::storage_contract) is given a closure that makes an empty one:
//!
//! ```
//! use logto_core::MemoryStorage;
//!
//! logto_testing::storage_contract!(|| MemoryStorage::new());
//! # fn main() {}
//! ```
//!
//! For a store of many sessions, [`session_store_contract!`](crate::session_store_contract) is given
//! a type that implements [`Fixture`]:
//!
//! ```
//! use logto_core::{MemoryStore, SessionStore};
//! use logto_testing::TestClock;
//! use logto_testing::contract::Fixture;
//! use std::time::Duration;
//!
//! struct InMemory;
//!
//! impl Fixture for InMemory {
//!     const PERSISTENT: bool = false;
//!
//!     fn new() -> Self {
//!         Self
//!     }
//!
//!     fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
//!         let builder = MemoryStore::builder().idle_lifetime(idle_lifetime);
//!         Box::new(builder.clock(clock).build())
//!     }
//! }
//!
//! logto_testing::session_store_contract!(InMemory);
//! # fn main() {}
//! ```
//!
//! For a backend that keeps sessions longer than its process lives,
//! [`crash_contract!`](crate::crash_contract) kills processes that write, and looks at what they left:
//! see [`crash`].
//!
//! The calls stand in an integration test or in a `#[cfg(test)]` module. Each makes a module, so two of
//! a kind need modules around them.
//!
//! What the tests do not see: whether a value survives a power failure, what a failed call has
//! changed, and whether values or ids can be found in files.

pub mod all_sessions;
pub mod crash;
pub mod owners;
pub mod processes;
pub mod session_store;
pub mod storage;
mod support;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{Change, PersistKey, SessionId, SessionStore, Storage, StorageError, StorageLock};

use crate::TestClock;

/// Tests a [`Storage`](logto_core::Storage) of one session. The closure makes an empty one that shares
/// nothing with those it made before. See the [module](crate::contract).
#[macro_export]
macro_rules! storage_contract {
    ($new:expr $(,)?) => {
        /// What `Storage` promises.
        mod storage_contract {
            #[allow(unused_imports)]
            use super::*;

            $crate::__storage_promises!(__tests_of_a_storage($new));
        }
    };
}

/// Tests a [`SessionStore`](logto_core::SessionStore), and each session of it as a
/// [`Storage`](logto_core::Storage), by a [`Fixture`](crate::contract::Fixture). See the
/// [module](crate::contract).
#[macro_export]
macro_rules! session_store_contract {
    ($fixture:ty $(,)?) => {
        /// What `SessionStore` promises.
        mod session_store_contract {
            #[allow(unused_imports)]
            use super::*;

            $crate::__session_store_promises!(__tests_of_a_store $fixture);
            $crate::__owner_promises!(__tests_of_owners $fixture);
            $crate::__all_sessions_promises!(__tests_of_all_sessions $fixture);
            $crate::__process_promises!(__tests_of_processes $fixture);

            /// Does nothing unless another test started this process.
            #[test]
            fn plays_a_process() {
                $crate::contract::processes::play::<$fixture>();
            }

            /// What `Storage` promises, of one session of the store.
            mod each_session {
                #[allow(unused_imports)]
                use super::*;

                $crate::__storage_promises!(
                    __tests_of_a_storage (|| $crate::contract::a_session_of::<$fixture>())
                );
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_a_storage {
    ([($new:expr)] [$($promise:ident)*]) => {
        $(
            #[test]
            fn $promise() {
                let new = $new;
                $crate::contract::storage::$promise(&new());
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_a_store {
    ([$fixture:ty] [$($promise:ident)*]) => {
        $(
            #[test]
            fn $promise() {
                $crate::contract::session_store::$promise::<$fixture>();
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_owners {
    ([$fixture:ty] [$($promise:ident)*]) => {
        $(
            #[test]
            fn $promise() {
                $crate::contract::owners::$promise::<$fixture>();
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_all_sessions {
    ([$fixture:ty] [$($promise:ident)*]) => {
        $(
            #[test]
            fn $promise() {
                $crate::contract::all_sessions::$promise::<$fixture>();
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_processes {
    ([$fixture:ty] [$($promise:ident)*]) => {
        $(
            #[test]
            fn $promise() {
                $crate::contract::processes::$promise::<$fixture>(::core::module_path!());
            }
        )*
    };
}

/// The names and the checks of one list.
#[doc(hidden)]
#[macro_export]
macro_rules! __list {
    ([as $check:ty] [$($promise:ident)*]) => {
        &[$((stringify!($promise), $promise as $check)),*]
    };
    ([<$fixture:ident> as $check:ty] [$($promise:ident)*]) => {
        [$((stringify!($promise), $promise::<$fixture> as $check)),*]
    };
}

/// A place where the sessions of a store are, and how to open it: what
/// [`session_store_contract!`](crate::session_store_contract) tests a backend by.
pub trait Fixture: Send + Sync + 'static {
    /// Whether sessions are still in the place when all stores over it were dropped.
    const PERSISTENT: bool;

    /// Whether several processes may have the [`place`](Self::place) open at once. Default: yes.
    const SHARED: bool = true;

    /// Whether the store finds [the sessions of a user](SessionStore::sessions_of). Default: yes. If
    /// not, it must say so with an error of the kind
    /// [`Unsupported`](logto_core::StorageErrorKind::Unsupported).
    const FINDS_OWNERS: bool = true;

    /// Whether the store lists [all of its sessions](SessionStore::for_each_session), and gives one
    /// [by its digest](SessionStore::session_by_digest). Default: yes. If not, it must say so to both
    /// with an error of the kind [`Unsupported`](logto_core::StorageErrorKind::Unsupported).
    const LISTS_SESSIONS: bool = true;

    /// A new place, without sessions.
    fn new() -> Self;

    /// A store over the place, which goes by this clock. `Duration::MAX` is a lifetime that does not
    /// end.
    ///
    /// It is called again for the same place when the earlier stores were dropped, if the backend
    /// is [`PERSISTENT`](Self::PERSISTENT), and while they are open, if it has a
    /// [`place`](Self::place) that is [`SHARED`](Self::SHARED).
    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore>;

    /// The place in words, such as a path, if other processes can open it; `None`, the default, if it
    /// is within this process.
    fn place(&self) -> Option<String> {
        None
    }

    /// A store over the place of another process's fixture, with the backend's usual lifetime and
    /// the system's clock. A backend that has a [`place`](Self::place) overrides it.
    fn open_place(place: &str) -> Box<dyn SessionStore> {
        panic!("`open_place` of the fixture is to open {place:?}");
    }

    /// How long it takes at most until the lock of a process that was killed is had. Default: 10
    /// seconds.
    fn lock_recovery() -> Duration {
        Duration::from_secs(10)
    }
}

/// One session of a store in a new place.
pub fn a_session_of<F: Fixture>() -> impl Storage {
    SessionInPlace::new(F::new(), &SessionId::random())
}

/// A session, with the place that it is in.
struct SessionInPlace<F> {
    // Dropped in this order.
    session: Arc<dyn Storage>,
    _store: Box<dyn SessionStore>,
    _fixture: F,
}

impl<F: Fixture> SessionInPlace<F> {
    fn new(fixture: F, id: &SessionId) -> Self {
        let store = fixture.open(logto_core::DEFAULT_IDLE_LIFETIME, TestClock::new());
        Self {
            session: store.session(id),
            _store: store,
            _fixture: fixture,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<F: Fixture> Storage for SessionInPlace<F> {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.session.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.session.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.session.update(changes)
    }

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.session.update_unsynced(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.session.lock(timeout)
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.session.lock_to_write(timeout)
    }
}

impl<F> fmt::Debug for SessionInPlace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}
