//! The contract of a storage: a test of every promise that [`Storage`] makes, for authors of backends.
//!
//! [`storage_contract!`](crate::storage_contract) makes a test of each promise, named after it. It is given a type
//! that implements [`Fixture`]. Here it tests a whole backend over a map:
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
//!         f.write_str("MyStorage")
//!     }
//! }
//!
//! struct InMyMap;
//!
//! impl Fixture for InMyMap {
//!     const EXPIRES: bool = false;
//!     const LOCKS: bool = false;
//!     const FINDS_OWNERS: bool = false;
//!     const LISTS_SESSIONS: bool = false;
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
//! logto_testing::storage_contract!(InMyMap);
//! # fn main() {
//! #     for (name, check) in logto_testing::contract::all::<InMyMap>() {
//! #         println!("{name}");
//! #         check("");
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
//! The contract does not see whether a record survives a power failure, nor whether data or keys can be found
//! in files.

pub mod cas;
pub mod crash;
pub mod idle;
pub mod locks;
pub mod owners;
pub mod processes;
pub mod records;
pub mod replace;
mod support;
pub mod visits;

use std::time::Duration;

use logto_core::Storage;

use crate::TestClock;

/// Tests what a [`Storage`](logto_core::Storage) promises, by a [`Fixture`](crate::contract::Fixture). See the
/// [module](crate::contract).
#[macro_export]
macro_rules! storage_contract {
    ($fixture:ty $(,)?) => {
        /// What `Storage` promises.
        mod storage_contract {
            #[allow(unused_imports)]
            use super::*;

            $crate::__promises!(__tests_of_promises($fixture));

            /// Does nothing unless another test started this process.
            #[test]
            fn plays_a_process() {
                $crate::contract::processes::play::<$fixture>();
            }
        }
    };
}

/// Names every promise to another macro, by the module that checks it.
#[doc(hidden)]
#[macro_export]
macro_rules! __promises {
    ($then:ident ($($arguments:tt)*)) => {
        $crate::$then! {
            ($($arguments)*)
            records [
                record_comes_back_byte_for_byte
                record_survives_reopening
                record_of_the_only_session_is_apart
                record_is_gone_after_a_removal
                remove_of_an_absent_session_is_no_error
                load_of_an_absent_session_is_none
                load_sees_whole_records_while_others_save
                debug_shows_neither_data_nor_keys
            ]
            cas [
                cas_of_a_new_session_expects_none
                cas_of_another_version_is_a_conflict
                cas_of_an_absent_session_is_a_conflict
                cas_tells_a_remade_session_from_the_removed_one
                cas_conflict_changes_nothing
                cas_lets_one_of_many_win
                cas_loses_no_count
                cas_holds_among_storages_over_one_place
            ]
            replace [
                replace_moves_the_session_and_its_owner
                replace_of_an_absent_session_expects_none
                replace_of_another_version_changes_nothing
                replace_onto_a_session_changes_nothing
                replace_lets_one_of_many_win
            ]
            idle [
                idle_session_is_absent_to_every_method
                idle_session_can_be_made_again
                idle_session_lives_for_its_lifetime
                idle_time_begins_anew_with_each_load
                idle_time_begins_anew_with_frequent_loads
                idle_time_begins_anew_with_a_save
                idle_use_changes_no_version
                idle_lifetime_without_end_never_ends
                purge_counts_the_expired_and_leaves_the_living
            ]
            owners [
                find_returns_the_sessions_of_a_user
                find_returns_the_sessions_of_a_server_session
                find_follows_the_owner_of_each_save
                find_forgets_a_removed_session
                find_is_no_use
                find_agrees_with_records_while_others_save
            ]
            visits [
                for_each_visits_every_session_once
                for_each_may_call_every_method
                for_each_stops_at_an_error
                for_each_is_no_use
            ]
            locks [
                lock_is_held_by_one
                lock_is_released_by_a_panic
                lock_keeps_no_load_and_no_save_waiting
                lock_is_handed_to_each_of_many
            ]
            processes [
                processes_see_the_same_records
                processes_lose_no_count
                processes_exclude_each_other_by_the_lock
                processes_that_are_killed_release_the_lock
            ]
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of_promises {
    (($fixture:ty) $($module:ident [$($promise:ident)*])*) => {$($(
        #[test]
        fn $promise() {
            $crate::contract::$module::$promise::<$fixture>(::core::module_path!());
        }
    )*)*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __list_of_promises {
    (($fixture:ident) $($module:ident [$($promise:ident)*])*) => {
        vec![$($((stringify!($promise), $crate::contract::$module::$promise::<$fixture> as Check)),*),*]
    };
}

/// A check of one promise. It panics if the promise is not kept. It is given the path of the module that has the test
/// `plays_a_process`.
pub type Check = fn(&str);

/// Every check, by its name.
pub fn all<F: Fixture>() -> Vec<(&'static str, Check)> {
    crate::__promises!(__list_of_promises(F))
}

/// A place where a storage keeps sessions, and how to open it: what
/// [`storage_contract!`](crate::storage_contract) tests a backend by.
pub trait Fixture: Send + Sync + 'static {
    /// Whether sessions are still in the place when all storages over it were dropped. Default: no.
    const PERSISTENT: bool = false;

    /// Whether several processes may have the [`place`](Self::place) open at once. Default: yes.
    const SHARED: bool = true;

    /// Whether sessions expire when they lie unused. Default: yes.
    const EXPIRES: bool = true;

    /// Whether [`lock`](Storage::lock) excludes other storages over the place. Default: yes.
    const LOCKS: bool = true;

    /// Whether the storage [finds](Storage::find) sessions by their owner. Default: yes. If not, it
    /// must return an error of the kind [`Unsupported`](logto_core::StorageErrorKind::Unsupported).
    const FINDS_OWNERS: bool = true;

    /// Whether the storage [lists](Storage::for_each) its sessions. Default: yes. If not, it must return an error of
    /// the kind [`Unsupported`](logto_core::StorageErrorKind::Unsupported).
    const LISTS_SESSIONS: bool = true;

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

    /// How long it takes at most until the lock of a process that was killed is free. Default: 10
    /// seconds.
    fn lock_recovery() -> Duration {
        Duration::from_secs(10)
    }
}
