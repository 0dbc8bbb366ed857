//! Where sessions live: the [`Storage`] trait, memory, encryption, and what backends share.

mod encrypted;
pub mod files;
mod idle;
mod lock;
mod memory;
mod migrate;
mod owner;
mod record;
mod session_id;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

pub use encrypted::EncryptedStorage;
pub use idle::{DEFAULT_IDLE_LIFETIME, IdleLifetime};
pub use lock::{LocalLock, LocalLocks, StorageLock};
pub use memory::{MemoryStorage, MemoryStorageBuilder};
pub use migrate::{Migration, MigrationCounts, MigrationError, migrate};
pub use owner::{InvalidSessionOwner, OwnerDigest, SessionOwner};
pub use record::{Record, Version};
pub use session_id::{InvalidSessionId, SessionId, SessionKey};

use crate::error::{StorageError, StorageErrorKind};

/// Keeps sessions. A session is one [`Record`] under one [`SessionKey`].
///
/// Every write compares and swaps: [`save`](Self::save) names the version that it replaces, and fails
/// with [`Conflict`](StorageErrorKind::Conflict) if another version is there. The client then loads
/// the session again and repeats its change.
///
/// Three methods make a working storage. The others have defaults; each says what the default costs.
///
/// # Contract
///
/// The crate `logto-testing` tests each of these promises.
///
/// - A saved record is returned by every later [`load`](Self::load), through every handle over the same
///   place, with the same version, owner and data, until it is replaced, removed or expires. Data is UTF-8 of
///   any content, up to 1 MiB at least.
/// - Two saves that expect the same version never both succeed.
/// - When a write returns, it is durable as far as the backend is at all. A failed write has changed
///   nothing.
/// - A missing session is `Ok(None)`. A backend that cannot tell returns an error, never `Ok(None)`.
/// - A record that the backend cannot read is an error
///   ([`Corrupt`](StorageErrorKind::Corrupt), [`NewerFormat`](StorageErrorKind::NewerFormat)), and no `save` overwrites it.
///   [`remove`](Self::remove) removes it.
/// - The idle lifetime holds on read: a session that was unused for longer is absent to every method,
///   whether or not [`purge_expired`](Self::purge_expired) ran. Loading and saving are uses. A backend may
///   note a load late, by a twentieth of the lifetime at most, and noting it changes no version.
/// - Threads may call every method at once.
/// - Data is secret. It is in no log, no error and no `Debug`, and neither is a session key.
///
/// # Example
///
/// A whole storage over a map:
///
/// ```
/// # use logto_core as logto;
/// use logto::{Record, SessionKey, Storage, StorageError, Version};
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct MyStorage(Mutex<HashMap<SessionKey, Record>>);
///
/// impl Storage for MyStorage {
///     fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
///         Ok(self.0.lock().unwrap().get(session).cloned())
///     }
///
///     fn save(
///         &self,
///         session: &SessionKey,
///         record: &Record,
///         expected: Option<Version>,
///     ) -> Result<(), StorageError> {
///         let mut records = self.0.lock().unwrap();
///         if records.get(session).map(Record::version) != expected {
///             return Err(StorageError::conflict());
///         }
///         records.insert(*session, record.clone());
///         Ok(())
///     }
///
///     fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
///         self.0.lock().unwrap().remove(session);
///         Ok(())
///     }
/// }
///
/// impl std::fmt::Debug for MyStorage {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str("MyStorage") // never the records
///     }
/// }
///
/// let storage = MyStorage::default();
/// let record = Record::new(None, "{}");
/// storage.save(&SessionKey::ONLY, &record, None)?;
/// assert!(storage.save(&SessionKey::ONLY, &Record::new(None, "{}"), None).is_err());
/// assert_eq!(storage.load(&SessionKey::ONLY)?.unwrap().version(), record.version());
/// # Ok::<(), StorageError>(())
/// ```
pub trait Storage: Debug + Send + Sync {
    /// Returns the record of this session; `None` if there is none or it has expired.
    ///
    /// # Errors
    ///
    /// If the backend cannot tell, or cannot read the record.
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError>;

    /// Puts a record in the place of the one whose version is `expected`, atomically and durably.
    /// `None` expects that there is no record, or an expired one.
    ///
    /// # Errors
    ///
    /// [`Conflict`](StorageErrorKind::Conflict) if another version is there, or none where one is
    /// expected. Else, if the backend cannot write, or cannot read what is there.
    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError>;

    /// Removes the session, whatever its version, and also if it cannot be read. Removing a session
    /// that is not there is no error.
    ///
    /// # Errors
    ///
    /// If the backend cannot write.
    fn remove(&self, session: &SessionKey) -> Result<(), StorageError>;

    /// Puts a new session in the place of another, so that a sign-in gets a new id: `record` is then under
    /// `to`, which must be unused, and nothing is under `from`, whose version must be `expected` (`None`: no
    /// record).
    ///
    /// The default compares, saves `to`, compares again and then removes `from`. A crash before the removal leaves
    /// both sessions. Backends that can do it in one step override it.
    ///
    /// # Errors
    ///
    /// Same as [`save`](Self::save), for `from`. If `from` has changed or cannot be removed, the default removes `to` again,
    /// as far as that succeeds.
    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let compare = || match self.load(from)?.map(|record| record.version()) == expected {
            true => Ok(()),
            false => Err(StorageError::conflict()),
        };
        compare()?;
        self.save(to, record, None)?;
        let removed = compare().and_then(|()| expected.map_or(Ok(()), |_| self.remove(from)));
        if removed.is_err() {
            let _ = self.remove(to);
        }
        removed
    }

    /// Waits for sole use of this session among all processes that share the storage. The lock is
    /// released on drop, and by itself when the process ends. Loads and saves do not need it and do not
    /// wait for it. The client holds it around a refresh and around the exchange of a code, and one at a
    /// time: a backend may map several sessions to one lock.
    ///
    /// The default excludes nobody: two processes, or two [`Logto`](crate::Logto) objects, may then send one
    /// refresh token at once. The client excludes the threads that share one `Logto` by itself.
    ///
    /// # Errors
    ///
    /// [`Busy`](StorageErrorKind::Busy) if another holder still has the lock after `timeout`.
    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        let _ = (session, timeout);
        Ok(StorageLock::none())
    }

    /// Frees the space of expired sessions, and returns how many there were.
    ///
    /// The default does nothing and returns 0: for a backend without an idle lifetime, or one that
    /// frees the space itself.
    ///
    /// # Errors
    ///
    /// If the backend cannot write.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        Ok(0)
    }

    /// Returns the keys of all sessions whose [owner](Record::owner) has this digest; an empty list if there
    /// are none. Back-channel logout and "sign out everywhere" need it. Finding a session is no use of it.
    ///
    /// The index never lags behind the records: a session is found from the moment that its save
    /// returns. A key whose session has ended or has another owner by now may be among them, so the caller
    /// loads each.
    ///
    /// The default finds nothing and says so.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StorageErrorKind::Unsupported) by default. Else, if the backend cannot tell.
    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let _ = owner;
        Err(StorageError::new(
            StorageErrorKind::Unsupported,
            "this storage cannot find sessions by their user",
        ))
    }

    /// Visits the key of every session, in no particular order: to count sessions or to
    /// [`migrate`] them. It visits each session that is there from the beginning to the end exactly once, and one
    /// that is made meanwhile once or not at all. It visits no expired session, and it does visit one that cannot
    /// be read. A visit is no use.
    ///
    /// `visit` may take long and may call every method of the storage: the backend holds no lock
    /// and no transaction meanwhile.
    ///
    /// The default visits nothing and says so.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StorageErrorKind::Unsupported) by default. Else, if the backend cannot tell, or what
    /// `visit` returned; no further session is visited then.
    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let _ = visit;
        Err(StorageError::new(
            StorageErrorKind::Unsupported,
            "this storage cannot list its sessions",
        ))
    }
}

macro_rules! forward_to_inner {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<S: Storage + ?Sized> Storage for $pointer {
            fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
                (**self).load(session)
            }

            fn save(
                &self,
                session: &SessionKey,
                record: &Record,
                expected: Option<Version>,
            ) -> Result<(), StorageError> {
                (**self).save(session, record, expected)
            }

            fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
                (**self).remove(session)
            }

            fn replace(
                &self,
                from: &SessionKey,
                expected: Option<Version>,
                to: &SessionKey,
                record: &Record,
            ) -> Result<(), StorageError> {
                (**self).replace(from, expected, to, record)
            }

            fn lock(
                &self,
                session: &SessionKey,
                timeout: Duration,
            ) -> Result<StorageLock<'_>, StorageError> {
                (**self).lock(session, timeout)
            }

            fn purge_expired(&self) -> Result<u64, StorageError> {
                (**self).purge_expired()
            }

            fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
                (**self).find(owner)
            }

            fn for_each(
                &self,
                visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
            ) -> Result<(), StorageError> {
                (**self).for_each(visit)
            }
        }
    )*};
}

forward_to_inner!(&S, Box<S>, Arc<S>);
