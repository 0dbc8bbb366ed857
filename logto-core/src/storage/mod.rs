//! Where sessions live: the traits that a backend implements, and memory.

mod encrypted;
mod forward;
mod idle;
mod lock;
mod memory;
mod migrate;
mod persist_key;
mod session_id;
mod session_owner;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

pub use encrypted::{EncryptedStorage, EncryptedStore};
pub use idle::IdleLifetime;
pub use lock::{LocalLock, LocalLocks, StorageLock};
pub use memory::{MemoryStorage, MemoryStore, MemoryStoreBuilder};
pub use migrate::{Migration, MigrationCounts, MigrationError, migrate};
pub use persist_key::PersistKey;
pub use session_id::{InvalidSessionId, SessionId};
pub use session_owner::{FoundSession, InvalidSessionOwner, OwnerDigest, SessionOwner};

use crate::error::{StorageError, StorageErrorKind};

/// How long a session may lie unused before it is gone, unless a store is told otherwise: 14 days,
/// the life of a Logto refresh token.
pub const DEFAULT_IDLE_LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The values of **one** session.
///
/// Two methods make a working storage. A backend for real use also overrides
/// [`update`](Self::update) and [`lock`](Self::lock); the defaults say what is lost without.
///
/// What a backend promises, and what `contract` of the crate `logto-testing` tests:
///
/// - A value that was set is there, byte for byte, for every later `get` through any handle of the
///   same session, until it is set again or the session is removed or lies idle for too long.
///   Values are UTF-8 of any content, up to 1 MiB at least; the empty one is not absent.
/// - Threads may call it at once. Each sees whole values.
/// - When a call has returned, its change is durable as far as the backend is at all; after
///   [`update_unsynced`](Self::update_unsynced), as far as that says.
/// - A failed call has changed nothing.
/// - Absent is `Ok(None)`; *failed* is an error, never "absent".
/// - Values are secrets: they are not logged and not part of an error or of `Debug`.
///
/// ```
/// # use logto_core as logto;
/// use logto::{PersistKey, Storage, StorageError};
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct MyStorage(Mutex<HashMap<PersistKey, String>>);
///
/// impl std::fmt::Debug for MyStorage {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str("MyStorage") // never the values
///     }
/// }
///
/// impl Storage for MyStorage {
///     fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
///         Ok(self.0.lock().unwrap().get(&key).cloned())
///     }
///
///     fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
///         let mut values = self.0.lock().unwrap();
///         match value {
///             Some(value) => values.insert(key, value.to_owned()),
///             None => values.remove(&key),
///         };
///         Ok(())
///     }
/// }
///
/// let storage = MyStorage::default();
/// storage.set(PersistKey::IdToken, Some("…"))?;
/// assert_eq!(storage.get(PersistKey::IdToken)?.as_deref(), Some("…"));
/// # Ok::<(), StorageError>(())
/// ```
pub trait Storage: Debug + Send + Sync {
    /// The value of this key; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the backend cannot tell.
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError>;

    /// Sets the value of this key, or removes it with `None`. Removing what is not there is no error.
    ///
    /// # Errors
    ///
    /// If the backend could not write; then the value is what it was.
    #[doc(alias = "delete")]
    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError>;

    /// Makes all of these changes or none, in one durable step. Where a key is named twice, the
    /// last change counts. Who reads meanwhile sees what was before or what is after. No changes are
    /// no error.
    ///
    /// The default makes one change after the other: a new owner first, so that a session with tokens is
    /// always found; a new refresh token, because its loss signs the user out; then what is removed, then
    /// what is set; and a refresh token and the owner are removed last. A crash or an error in between
    /// leaves the rest undone.
    ///
    /// # Errors
    ///
    /// If the backend could not write; a backend that overrides this has then changed nothing.
    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let rank = |change: &Change<'_>| match (change.key, change.value) {
            (PersistKey::Owner, Some(_)) => 0,
            (PersistKey::RefreshToken, Some(_)) => 1,
            (_, Some(_)) => 3,
            (PersistKey::RefreshToken, None) => 4,
            (PersistKey::Owner, None) => 5,
            (_, None) => 2,
        };
        let is_last = |(n, change): &(usize, &Change<'_>)| {
            changes[n + 1..].iter().all(|later| later.key != change.key)
        };
        let last = changes.iter().enumerate().filter(is_last);
        let mut changes: Vec<_> = last.map(|(_, change)| *change).collect();
        changes.sort_by_key(rank);
        for change in changes {
            self.set(change.key, change.value)?;
        }
        Ok(())
    }

    /// As [`update`](Self::update), at once for all who read and all or nothing, but the changes need not
    /// survive a failure of the *machine*. That of the process they do. A durable write to the store
    /// after it, of this session or of another, makes them durable too: a machine that fails keeps no later
    /// change without them.
    ///
    /// The default is [`update`](Self::update). A backend overrides it where not to wait for the disk is
    /// cheaper.
    ///
    /// # Errors
    ///
    /// As of [`update`](Self::update).
    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.update(changes)
    }

    /// Waits for sole use of this session among all threads and processes that share the store.
    /// It is released on drop, and by itself when the holder panics or its process is killed. Reads and writes do not need
    /// it; other sessions never wait for it.
    ///
    /// The default excludes nobody.
    ///
    /// # Errors
    ///
    /// [`Busy`](crate::StorageErrorKind::Busy) if somebody else still has it after `timeout`.
    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let _ = timeout;
        Ok(StorageLock::none())
    }

    /// As [`lock`](Self::lock), for who then reads the session, and writes it once by
    /// [`last_write`](StorageLock::last_write), or not at all.
    ///
    /// The default is [`lock`](Self::lock). A backend overrides it where it is cheaper to let other processes in
    /// until the write, and to see then whether any came: whether the session is another one than it was, or
    /// somebody has locked it. The write then changes nothing, and fails with
    /// [`Conflict`](StorageErrorKind::Conflict): begin anew, with [`lock`](Self::lock), which lets nobody in. A session
    /// that was not there, and is not there again, counts as unchanged.
    ///
    /// Such a backend holds every write of the session to that which comes from the lock's thread while that
    /// has the lock: [`set`](Self::set), and [`remove`](SessionStore::remove), [`rename`](SessionStore::rename) and
    /// [`replace`](SessionStore::replace) of it too. So a wrapper hands on the lock as it is, and may split one
    /// write into several calls.
    ///
    /// ```
    /// # use logto_core as logto;
    /// use logto::{Change, PersistKey, Storage, StorageError, StorageErrorKind, StorageLock};
    /// use std::time::Duration;
    ///
    /// const PATIENCE: Duration = Duration::from_secs(5);
    ///
    /// fn add_one(storage: &dyn Storage) -> Result<(), StorageError> {
    ///     match add_one_under(&storage.lock_to_write(PATIENCE)?, storage) {
    ///         Err(error) if error.kind() == StorageErrorKind::Conflict => {
    ///             add_one_under(&storage.lock(PATIENCE)?, storage)
    ///         }
    ///         done => done,
    ///     }
    /// }
    ///
    /// fn add_one_under(lock: &StorageLock<'_>, storage: &dyn Storage) -> Result<(), StorageError> {
    ///     let count = storage.get(PersistKey::IdToken)?.map_or(0, |text| text.len());
    ///     let text = "1".repeat(count + 1);
    ///     lock.last_write(|| storage.update(&[Change::set(PersistKey::IdToken, &text)]))
    /// }
    /// # let storage = logto::MemoryStorage::new();
    /// # add_one(&storage)?;
    /// # add_one(&storage)?;
    /// # assert_eq!(storage.get(PersistKey::IdToken)?.as_deref(), Some("11"));
    /// # Ok::<(), StorageError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`lock`](Self::lock).
    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.lock(timeout)
    }
}

/// One change of a session, for [`Storage::update`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// What changes.
    pub key: PersistKey,
    /// The new value; `None` removes it.
    pub value: Option<&'a str>,
}

impl<'a> Change<'a> {
    /// Sets the key to this value.
    pub const fn set(key: PersistKey, value: &'a str) -> Self {
        Self {
            key,
            value: Some(value),
        }
    }

    /// Removes the key.
    pub const fn remove(key: PersistKey) -> Self {
        Self { key, value: None }
    }
}

impl Debug for Change<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change")
            .field("key", &self.key)
            .field("value", &self.value.map(|_| "***"))
            .finish()
    }
}

/// The sessions of **many** users.
///
/// A store is not a [`Storage`]: a session is always named, so that a forgotten id does not
/// compile, instead of putting all users into one session.
///
/// What a backend promises, beside what [`Storage`] promises for each session:
///
/// - Sessions do not see each other's values.
/// - Idle lifetime holds *on read*: a session that lay unused for longer is absent, whether or not
///   [`purge_expired`](Self::purge_expired) ran. Reading and writing a session is use; a backend may
///   note a read late, by at most a twentieth of the lifetime. A session that is written after its
///   lifetime is a new one. [`Duration::MAX`] does not end.
/// - It writes the [digest](SessionId::digest) of a session's id, never the id. `Debug` of the store
///   and of a session shows neither.
///
/// Four methods make a working store. [`replace`](Self::replace) has a default in two steps, and others have
/// defaults that say
/// [`Unsupported`](StorageErrorKind::Unsupported): [`sessions_of`](Self::sessions_of), which back-channel
/// logout stands on, and [`for_each_session`](Self::for_each_session) and
/// [`session_by_digest`](Self::session_by_digest), by which [`migrate`] moves sessions from one store to
/// another.
pub trait SessionStore: Debug + Send + Sync {
    /// The session of this id. Does no I/O; the session need not exist.
    fn session(&self, id: &SessionId) -> Arc<dyn Storage>;

    /// Gives a session a new id, in one step: what was stored under `from` is then under `to` and
    /// nowhere else. What was under `to` is gone. If there is nothing under `from`, or its idle
    /// lifetime is over, or `from` is `to`, nothing changes.
    ///
    /// Whoever renames a session that may be in use holds its lock meanwhile, so that a refresh under
    /// way does not write to `from` afterwards; a backend does not take the lock here. To give a session
    /// a new id at a sign-in, call [`Logto::finish_sign_in`](crate::Logto::finish_sign_in) instead.
    ///
    /// # Errors
    ///
    /// If the backend could not write; then nothing has changed.
    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError>;

    /// Puts a new session in the place of another: afterwards `to` holds what these changes make of an
    /// empty session, so that what was under `to` is gone, and there is nothing under `from`, whether or not
    /// there was. If `from` is `to`, the session holds what the changes make of an empty one.
    ///
    /// Whoever replaces a session that may be in use holds the lock of `from` meanwhile; a backend takes
    /// no lock here.
    ///
    /// The default writes `to` by one [`update`](Storage::update), and then removes `from`. A crash in between
    /// leaves both. A backend that can overrides it, and does all in one durable step.
    ///
    /// # Errors
    ///
    /// If the backend could not write; a backend that overrides this has then changed nothing. By
    /// default `from` is then what it was, and where it could not be removed, `to` is removed as far as
    /// that succeeds.
    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        let mut all = PersistKey::ALL.map(Change::remove).to_vec();
        all.retain(|removed| changes.iter().all(|change| change.key != removed.key));
        all.extend(changes);
        self.session(to).update(&all)?;
        if from == to {
            return Ok(());
        }
        self.remove(from).inspect_err(|_| {
            let _ = self.remove(to);
        })
    }

    /// Removes a session with all of its values. Removing what is not there is no error.
    ///
    /// # Errors
    ///
    /// If the backend could not write; then nothing has changed.
    fn remove(&self, id: &SessionId) -> Result<(), StorageError>;

    /// Frees the space of sessions whose idle lifetime is over, and returns how many they were.
    ///
    /// # Errors
    ///
    /// If the backend could not write.
    fn purge_expired(&self) -> Result<u64, StorageError>;

    /// The sessions of a user, or of one session that the user has at the server: all that are there and
    /// whose [`PersistKey::Owner`] is the text of a [`SessionOwner`] with this digest. None is no error.
    ///
    /// Finding a session is no use of it. What is found may be renamed or written before the caller has its
    /// lock: who ends sessions locks each, reads its owner again, and asks again until none is found.
    ///
    /// The default finds nothing, and says so. A backend that overrides it holds the index to the
    /// session: a change of the owner, a rename and a removal count for it at the moment that they are
    /// made, and a session whose idle lifetime is over is not found. It finds what it writes by
    /// [`SessionOwner::of_value`]; a value that is none is stored like any other.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StorageErrorKind::Unsupported) by default; else, if the backend cannot tell.
    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let _ = owner;
        Err(StorageError::new(
            StorageErrorKind::Unsupported,
            "this store cannot find sessions by their user",
        ))
    }

    /// Visits every session that is there, one after the other and in no order to rely on: to count them, or
    /// to [`migrate`](crate::migrate) them.
    ///
    /// The default visits none, and says so. A backend that overrides it visits
    ///
    /// - each session that is there from the beginning to the end, at least once. One that is renamed
    ///   meanwhile may be visited under either id, under both, or not at all; one that is made meanwhile, once
    ///   or not at all. Whether another one may be visited twice is the backend's to say; none here does.
    /// - none whose idle lifetime was over when it was found. One that is damaged, so that nobody can tell,
    ///   is visited: reading it gives the error.
    ///
    /// A visit is no use of a session, unless `visit` reads or writes it. It may take long, and may do
    /// anything with any session of the store: the backend holds no lock and no transaction meanwhile, and
    /// no more in memory than a page of sessions, or the digests of all.
    ///
    /// ```
    /// # use logto_core as logto;
    /// use logto::{MemoryStore, PersistKey, SessionId, SessionStore, Storage};
    ///
    /// let store = MemoryStore::new();
    /// store.session(&SessionId::random()).set(PersistKey::IdToken, Some("…"))?;
    ///
    /// let mut sessions = 0;
    /// store.for_each_session(&mut |_| {
    ///     sessions += 1;
    ///     Ok(())
    /// })?;
    /// assert_eq!(sessions, 1);
    /// # Ok::<(), logto_core::StorageError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StorageErrorKind::Unsupported) by default; else, if the backend cannot tell, or what
    /// `visit` returned, after which no other session is visited.
    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let _ = visit;
        Err(StorageError::new(
            StorageErrorKind::Unsupported,
            "this store cannot list its sessions",
        ))
    }

    /// The session whose id has this [digest](SessionId::digest), which is all that a store knows of an id:
    /// for one that was [found](FoundSession::digest), in this store or in another. Does no I/O; the session
    /// need not exist. [`session`](Self::session) with the id gives the same session.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StorageErrorKind::Unsupported) by default. A backend that overrides it returns none.
    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        let _ = digest;
        Err(StorageError::new(
            StorageErrorKind::Unsupported,
            "this store cannot give a session by the digest of its id",
        ))
    }

    /// The one session of a program with one user, such as a desktop or command-line application:
    /// the same each time. No cookie can name it.
    fn default_session(&self) -> Arc<dyn Storage> {
        self.session(&SessionId::of_the_only_session())
    }
}
