//! The store: many sessions in one file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Change, Clock, DEFAULT_IDLE_LIFETIME, FoundSession, IdleLifetime, OwnerDigest, SessionId,
    SessionStore, Storage, StorageError, SystemClock,
};
use rusqlite::Transaction;

use crate::database::Database;
use crate::owners;
use crate::pool::Synchronous;
use crate::purge;
use crate::storage::{self, SqliteStorage};

/// How long a call waits for another writer, unless the store is told otherwise.
const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a lock is left to a holder of whom nothing is heard, unless the store is told otherwise.
/// Under the lock of a session the client asks the server up to four times: for its configuration, its
/// keys and tokens, and for tokens again if the first answer is lost. Each takes up to 15 seconds.
const DEFAULT_LEASE: Duration = Duration::from_secs(2 * 60);

/// The sessions of many users in one SQLite file.
///
/// `Clone` is cheap and shares the connections to the file. Stores that were opened apart, in this
/// process or in others, see the same sessions.
///
/// ```
/// use logto_core::{PersistKey, SessionStore, Storage};
/// use logto_storage_sqlite::SqliteStore;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions.db");
/// let store = SqliteStore::open(path)?;
/// let session = store.default_session();
/// session.set(PersistKey::IdToken, Some("…"))?;
/// assert!(store.clone().default_session().get(PersistKey::IdToken)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    database: Arc<Database>,
}

impl SqliteStore {
    /// Opens the database at this path with the defaults of the [builder](Self::builder), and
    /// creates it if there is none. Its directory must exist.
    ///
    /// # Errors
    ///
    /// As [`SqliteStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder(path).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            path: path.as_ref().to_owned(),
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            busy_timeout: DEFAULT_BUSY_TIMEOUT,
            lease: DEFAULT_LEASE,
            clock: Arc::new(SystemClock),
        }
    }

    fn storage(&self, session: [u8; 32]) -> Arc<dyn Storage> {
        Arc::new(SqliteStorage::new(Arc::clone(&self.database), session))
    }

    /// The digests of the next live sessions behind this one.
    fn page(&self, behind: &[u8]) -> Result<Vec<[u8; 32]>, StorageError> {
        let idle = self.database.idle();
        let oldest = idle.oldest_live(idle.now());
        self.database
            .read(|connection| storage::page(connection, behind, oldest))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.database.path())
            .finish_non_exhaustive()
    }
}

impl SessionStore for SqliteStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.storage(id.digest())
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        let (from, to) = (from.digest(), to.digest());
        let idle = self.database.idle();
        let work = |transaction: &Transaction<'_>| {
            let now = idle.now();
            let Some(number) = storage::live_session(transaction, idle, &from, now)? else {
                return Ok(());
            };
            if from != to {
                storage::remove(transaction, &to)?;
                owners::rename(transaction, &from, &to, number)?;
            }
            storage::rename(transaction, &from, &to, now)
        };
        self.database
            .write_as_expected(&from, Synchronous::Full, work)
    }

    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        let (from, to) = (from.digest(), to.digest());
        let idle = self.database.idle();
        let work = |transaction: &Transaction<'_>| {
            if from != to {
                storage::remove(transaction, &to)?;
            }
            let now = idle.now();
            let Some(number) = storage::live_session(transaction, idle, &from, now)? else {
                return storage::apply(transaction, idle, &to, changes);
            };
            // What comes in their place lies where the old values lay, and fewer pages change.
            storage::remove_values(transaction, &from, number)?;
            storage::rename(transaction, &from, &to, now)?;
            storage::change(transaction, &to, number, changes)
        };
        self.database.write_session(&from, Synchronous::Full, work)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        let session = id.digest();
        let work = |transaction: &Transaction<'_>| storage::remove(transaction, &session);
        self.database
            .write_as_expected(&session, Synchronous::Full, work)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        purge::purge_expired(&self.database)
    }

    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let idle = self.database.idle();
        let oldest = idle.oldest_live(idle.now());
        let digests = self
            .database
            .read(|connection| owners::find(connection, owner, oldest))?;
        let found = |digest| FoundSession::new(digest, self.storage(digest));
        Ok(digests.into_iter().map(found).collect())
    }

    /// In the order of their digests, a page at a time, so that none is visited twice.
    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut page = self.page(&[])?;
        while let Some(last) = page.last().copied() {
            for digest in page {
                visit(FoundSession::new(digest, self.storage(digest)))?;
            }
            page = self.page(&last)?;
        }
        Ok(())
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(self.storage(*digest))
    }
}

/// Settings of a [`SqliteStore`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct SqliteStoreBuilder {
    path: PathBuf,
    idle_lifetime: Duration,
    busy_timeout: Duration,
    lease: Duration,
    clock: Arc<dyn Clock>,
}

impl SqliteStoreBuilder {
    /// How long a session may lie unused before it is gone, in whole milliseconds. Default:
    /// [`DEFAULT_IDLE_LIFETIME`].
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle_lifetime = lifetime;
        self
    }

    /// The clock that idle time is measured by. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How long a call waits while others write, before it fails with
    /// [`Busy`](logto_core::StorageErrorKind::Busy). Default: 5 seconds. A lock adds it to the timeout
    /// that it is given, and its release waits for 10 seconds at least.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How long other processes leave a [lock](crate#the-lock-of-a-session) of this store to a holder
    /// that hangs. Default: 2 minutes. [`Duration::MAX`] is until its process ends.
    ///
    /// A holder that was killed is not waited for. Make it longer than all that is done under the lock,
    /// the timeouts of its requests together: a holder that is merely slow does not notice that it has
    /// lost the lock.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Opens the database, and creates it if there is none. Its directory must exist.
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the file cannot be
    ///   created, read and written; the message says why.
    /// - [`Corrupt`](logto_core::StorageErrorKind::Corrupt) if it is no SQLite database, a damaged
    ///   one, or another application's. It has not been changed.
    /// - [`NewerFormat`](logto_core::StorageErrorKind::NewerFormat) if a newer version of this crate
    ///   wrote it. It has not been changed.
    /// - [`Busy`](logto_core::StorageErrorKind::Busy) if another process held it for too long.
    pub fn open(self) -> Result<SqliteStore, StorageError> {
        let idle = IdleLifetime::new(self.idle_lifetime, self.clock);
        let database = Database::open(&self.path, self.busy_timeout, self.lease, idle)?;
        Ok(SqliteStore {
            database: Arc::new(database),
        })
    }
}
