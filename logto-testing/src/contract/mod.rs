//! The contract of a storage: a test of every promise that [`Storage`] makes, for whoever writes a backend.
//!
//! [`storage_contract!`](crate::storage_contract) is given a type that implements [`Fixture`], which opens
//! the backend. A whole backend of three methods, and its tests:
//!
//! ```
//! use logto_core::{Record, SessionKey, Storage, StorageError, Version};
//! use logto_testing::TestClock;
//! use logto_testing::contract::Fixture;
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//! use std::time::Duration;
//!
//! #[derive(Default)]
//! struct MyStorage(Mutex<HashMap<SessionKey, Record>>);
//!
//! impl Storage for MyStorage {
//!     fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
//!         Ok(self.0.lock().unwrap().get(session).cloned())
//!     }
//!
//!     fn save(
//!         &self,
//!         session: &SessionKey,
//!         record: &Record,
//!         expected: Option<Version>,
//!     ) -> Result<(), StorageError> {
//!         let mut records = self.0.lock().unwrap();
//!         if records.get(session).map(Record::version) != expected {
//!             return Err(StorageError::conflict());
//!         }
//!         records.insert(*session, record.clone());
//!         Ok(())
//!     }
//!
//!     fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
//!         self.0.lock().unwrap().remove(session);
//!         Ok(())
//!     }
//! }
//!
//! impl std::fmt::Debug for MyStorage {
//!     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
//!         f.write_str("MyStorage") // never the records
//!     }
//! }
//!
//! struct InMap;
//!
//! impl Fixture for InMap {
//!     const PERSISTENT: bool = false;
//!     const EXPIRES: bool = false;
//!     const FINDS_OWNERS: bool = false;
//!     const LISTS_SESSIONS: bool = false;
//!     const LOCKS: bool = false;
//!     const REPLACES_IN_ONE_STEP: bool = false;
//!
//!     fn new() -> Self {
//!         Self
//!     }
//!
//!     fn open(&self, _: Duration, _: TestClock) -> Box<dyn Storage> {
//!         Box::new(MyStorage::default())
//!     }
//! }
//!
//! logto_testing::storage_contract!(InMap); // stands in an integration test
//! # // A documentation test is a program, in which no `#[test]` runs.
//! # fn main() {
//! #     for (name, check) in logto_testing::contract::all::<InMap>() {
//! #         println!("{name}");
//! #         check(&logto_testing::contract::Stage::new(""));
//! #     }
//! # }
//! ```
//!
//! For a backend that keeps sessions longer than its process lives,
//! [`crash_contract!`](crate::crash_contract) kills processes that write, and looks at what they left:
//! see [`crash`].
//!
//! The calls stand in an integration test or in a `#[cfg(test)]` module. Each makes a module, so two of
//! a kind need modules around them.
//!
//! A check of something that the fixture's constants say the backend does not do passes at once, such as those with
//! several processes for a backend without a [`place`](Fixture::place).
//!
//! What the tests do not see: whether a record survives a power failure, what is done about a record
//! that cannot be read, and whether data or keys can be found in files.

pub mod crash;
mod idle;
mod lock;
pub mod processes;
mod records;
mod search;
mod support;

use std::time::Duration;

use logto_core::Storage;

pub use support::Stage;

use crate::TestClock;

/// The checks, one for each promise: each panics if its promise is not kept.
pub mod checks {
    pub use super::idle::*;
    pub use super::lock::*;
    pub use super::records::*;
    pub use super::search::*;
}

/// A check of one promise.
pub type Check<F> = fn(&Stage<F>);

/// Every check, by its name.
pub fn all<F: Fixture>() -> Vec<(&'static str, Check<F>)> {
    crate::__storage_promises!(__list F).to_vec()
}

/// Tests a [`Storage`], by a [`Fixture`](crate::contract::Fixture). See the
/// [module](crate::contract).
#[macro_export]
macro_rules! storage_contract {
    ($fixture:ty $(,)?) => {
        /// What `Storage` promises.
        mod storage_contract {
            #[allow(unused_imports)]
            use super::*;

            $crate::__storage_promises!(__tests $fixture);

            /// Does nothing unless another test started this process.
            #[test]
            fn plays_a_process() {
                $crate::contract::processes::play::<$fixture>();
            }
        }
    };
}

/// Names the checks to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __storage_promises {
    ($then:ident $fixture:ty) => {
        $crate::$then! {
            [$fixture]
            [
                record_comes_back_whole
                record_data_is_any_utf_8
                record_data_is_up_to_a_mebibyte
                record_is_never_seen_in_part
                cas_expecting_none_conflicts_with_a_session
                cas_expecting_an_old_version_conflicts
                cas_expecting_a_version_conflicts_with_none
                cas_tells_a_remade_session_from_the_old_one
                cas_conflict_changes_nothing
                cas_race_has_one_winner
                cas_counts_of_threads_are_not_lost
                remove_ends_a_session
                remove_of_an_absent_session_is_no_error
                replace_moves_a_session
                replace_of_no_session_makes_one
                replace_of_another_version_is_a_conflict
                replace_by_a_used_session_is_a_conflict
                replace_race_has_one_winner
                session_is_apart_from_all_others
                session_only_is_apart_from_all_others
                threads_use_their_sessions_at_once
                debug_shows_neither_data_nor_keys
                reopened_storage_has_all
                idle_session_lives_for_its_lifetime
                idle_session_is_absent_on_read
                idle_session_is_absent_to_a_save
                idle_session_is_absent_to_a_replacement
                idle_session_is_not_found
                idle_session_is_not_visited
                idle_session_is_renewed_by_a_load
                idle_session_is_renewed_by_frequent_loads
                idle_session_is_renewed_by_a_save
                idle_session_is_not_renewed_by_a_search
                idle_lifetime_may_be_endless
                purge_counts_the_expired_and_leaves_the_living
                find_by_user_and_by_server_session
                find_all_sessions_of_a_user
                find_follows_a_save
                find_follows_a_replacement
                find_never_lags_behind_saves
                for_each_visits_every_session_once
                for_each_lets_a_visit_use_the_storage
                for_each_visits_what_stays_once
                for_each_stops_at_an_error
                lock_excludes_other_threads
                lock_is_waited_for_until_the_timeout
                lock_is_released_on_drop_and_on_panic
                lock_blocks_no_loads_and_saves
                lock_excludes_another_storage_over_the_place
                shared_place_has_the_same_sessions
                shared_place_has_one_winner
                processes_have_the_same_sessions
                processes_lose_no_count
                lock_excludes_other_processes
                lock_is_released_when_its_process_is_killed
            ]
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ([$fixture:ty] [$($promise:ident)*]) => {
        $(
            #[test]
            fn $promise() {
                let stage = $crate::contract::Stage::<$fixture>::new(::core::module_path!());
                $crate::contract::checks::$promise(&stage);
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __list {
    ([$fixture:ty] [$($promise:ident)*]) => {
        [$((stringify!($promise), checks::$promise::<$fixture> as Check<$fixture>)),*]
    };
}

/// A place where sessions are, and how to open it: what
/// [`storage_contract!`](crate::storage_contract) tests a backend by.
pub trait Fixture: Send + Sync + 'static {
    /// Whether sessions are still in the place when all storages over it were dropped.
    const PERSISTENT: bool;

    /// Whether several storages and processes may have the [`place`](Self::place) open at once. Default: yes.
    const SHARED: bool = true;

    /// Whether sessions expire. Default: yes.
    const EXPIRES: bool = true;

    /// Whether [`Storage::purge_expired`] frees and counts what has expired. Default: yes. If not, it must
    /// return 0.
    const PURGES: bool = true;

    /// Whether the storage [finds](Storage::find) the sessions of a user. Default: yes. If not, it must say so
    /// with an error of the kind [`Unsupported`](logto_core::StorageErrorKind::Unsupported).
    const FINDS_OWNERS: bool = true;

    /// Whether the storage [lists](Storage::for_each) its sessions. Default: yes. If not, it must say so
    /// with an error of the kind [`Unsupported`](logto_core::StorageErrorKind::Unsupported).
    const LISTS_SESSIONS: bool = true;

    /// Whether [`Storage::lock`] excludes others. Default: yes.
    const LOCKS: bool = true;

    /// Whether [`Storage::replace`] is one step, in which nothing comes between and which no crash parts.
    /// Default: yes. The replacement that the trait provides is none.
    const REPLACES_IN_ONE_STEP: bool = true;

    /// A new place, without sessions.
    fn new() -> Self;

    /// A storage over the place, which goes by this clock. `Duration::MAX` is a lifetime that does not
    /// end.
    ///
    /// It is called again for the same place when the earlier storages were dropped, if the backend
    /// is [`PERSISTENT`](Self::PERSISTENT), and while they are open, if it has a
    /// [`place`](Self::place) that is [`SHARED`](Self::SHARED).
    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage>;

    /// The place in words, such as a path, if other processes can open it; `None`, the default, if it
    /// is within this process.
    fn place(&self) -> Option<String> {
        None
    }

    /// A storage over the place of another process's fixture, with the backend's usual lifetime and
    /// the system's clock. A backend that has a [`place`](Self::place) overrides it.
    fn open_place(place: &str) -> Box<dyn Storage> {
        panic!("`open_place` of the fixture is to open {place:?}");
    }

    /// How long it takes at most until the lock of a process that was killed is had. Default: 10
    /// seconds.
    fn lock_recovery() -> Duration {
        Duration::from_secs(10)
    }
}
