//! The storage and its settings.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Clock, DEFAULT_IDLE_LIFETIME, IdleLifetime, OwnerDigest, Record, SessionKey, Storage,
    StorageError, StorageLock, SystemClock, Version,
};
use sled::transaction::ConflictableTransactionError::Abort;

use crate::database::{self, Database, Step, Transaction};

/// Sessions in a sled database.
///
/// `Clone` is cheap and shares the database. All storages that one process opens over a directory share it, too.
///
/// ```
/// use logto_core::{Record, SessionKey, Storage};
/// use logto_storage_sled::SledStorage;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions");
/// let storage = SledStorage::open(path)?;
/// storage.save(&SessionKey::ONLY, &Record::new(None, "{}"), None)?;
/// assert!(storage.clone().load(&SessionKey::ONLY)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SledStorage {
    database: Arc<Database>,
    idle: IdleLifetime,
}

impl SledStorage {
    /// Opens the database at this path with the defaults of the [builder](Self::builder), and
    /// creates it if there is none. Its parent directory must exist.
    ///
    /// # Errors
    ///
    /// Same as [`SledStorageBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder(path).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(path: impl AsRef<Path>) -> SledStorageBuilder {
        SledStorageBuilder {
            path: path.as_ref().to_owned(),
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            clock: Arc::new(SystemClock),
        }
    }

    /// Compares the version of a live session.
    fn compare(
        &self,
        transaction: &Transaction<'_>,
        session: &SessionKey,
        expected: Option<Version>,
    ) -> Step<()> {
        let bytes = transaction.get(session)?;
        let found = bytes.map(|bytes| self.parse(&bytes)).transpose();
        let live = found
            .map_err(Abort)?
            .filter(|(used_at, _)| *used_at >= self.oldest_live());
        match live.map(|(_, record)| record.version()) == expected {
            true => Ok(()),
            false => Err(Abort(StorageError::conflict())),
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<(i64, Record), StorageError> {
        database::parse(bytes).ok_or_else(|| self.database.damaged())
    }

    fn oldest_live(&self) -> i64 {
        self.idle.oldest_live(self.idle.now())
    }
}

impl fmt::Debug for SledStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStorage")
            .field("path", &self.database.path())
            .finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for SledStorage {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        let Some(bytes) = self.database.get(session)? else {
            return Ok(None);
        };
        let (used_at, record) = self.parse(&bytes)?;
        let now = self.idle.now();
        if self.idle.is_over(used_at, now) {
            return Ok(None);
        }
        if self.idle.should_note(used_at, now) {
            // If another thread was faster, it has noted or saved something itself.
            let used_now = database::to_bytes(&record, now);
            if let Err(error) = self.database.exchange(session, &bytes, used_now) {
                log::warn!("the use of a session is not noted: {error}");
            }
        }
        Ok(Some(record))
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let now = self.idle.now();
        self.database.change(|transaction| {
            self.compare(transaction, session, expected)?;
            transaction.put(session, record, now)
        })
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.database
            .change(|transaction| transaction.remove(session))
    }

    /// In one step.
    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let now = self.idle.now();
        self.database.change(|transaction| {
            self.compare(transaction, from, expected)?;
            self.compare(transaction, to, None)?;
            transaction.remove(from)?;
            transaction.put(to, record, now)
        })
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        Ok(StorageLock::new(
            self.database.locks.lock(session, timeout)?,
        ))
    }

    /// Reads all sessions, and removes the expired ones, a hundred in a step. A session that cannot be read stays.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        let oldest_live = self.oldest_live();
        let is_expired = |bytes: &[u8]| is_expired(bytes, oldest_live);
        let mut purged = 0;
        for sessions in self.database.keys_where(is_expired)?.chunks(100) {
            purged += self.database.change(|transaction| {
                let mut purged = 0;
                for session in sessions {
                    // Another thread may have saved it again since.
                    let bytes = transaction.get(session)?;
                    if bytes.is_some_and(|bytes| is_expired(&bytes)) {
                        transaction.remove(session)?;
                        purged += 1;
                    }
                }
                Ok(purged)
            })?;
        }
        Ok(purged)
    }

    /// Looks the owner up in an index, which each write changes in the same step as the record.
    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let oldest_live = self.oldest_live();
        let mut found = Vec::new();
        for session in self.database.keys_of(owner)? {
            let bytes = self.database.get(&session)?;
            let stored = bytes.and_then(|bytes| database::parse(&bytes));
            if stored.is_some_and(|(used_at, record)| {
                used_at >= oldest_live && record.owner().is_some_and(|o| o.matches(owner))
            }) {
                found.push(session);
            }
        }
        Ok(found)
    }

    /// Holds the keys of all sessions meanwhile.
    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let oldest_live = self.oldest_live();
        let keys = self
            .database
            .keys_where(|bytes| !is_expired(bytes, oldest_live))?;
        keys.iter().try_for_each(visit)
    }
}

/// A session that cannot be read does not expire.
fn is_expired(bytes: &[u8], oldest_live: i64) -> bool {
    database::parse(bytes).is_some_and(|(used_at, _)| used_at < oldest_live)
}

/// Settings of a [`SledStorage`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct SledStorageBuilder {
    path: PathBuf,
    idle_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

impl SledStorageBuilder {
    /// How long a session may lie unused before it expires, in whole milliseconds. Default:
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

    /// Opens the database, and creates it if there is none. Its parent directory must exist.
    ///
    /// # Errors
    ///
    /// - [`Busy`](logto_core::StorageErrorKind::Busy) if another process has it open, and did not close
    ///   it within two seconds. If that process is to be replaced by this one, try again; if both are to
    ///   run, use the SQLite storage.
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the directory cannot be
    ///   created, read and written; the message says why.
    /// - [`Corrupt`](logto_core::StorageErrorKind::Corrupt) if the directory holds something else, which
    ///   has not been changed, or a damaged database.
    /// - [`NewerFormat`](logto_core::StorageErrorKind::NewerFormat) if a newer version of this crate
    ///   wrote it. It has not been changed.
    pub fn open(self) -> Result<SledStorage, StorageError> {
        Ok(SledStorage {
            database: Database::open(&self.path)?,
            idle: IdleLifetime::new(self.idle_lifetime, self.clock),
        })
    }
}
