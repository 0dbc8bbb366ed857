//! The sessions in one file.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::files::LockFiles;
use logto_core::{
    Clock, DEFAULT_IDLE_LIFETIME, IdleLifetime, OwnerDigest, Record, SessionKey, Storage,
    StorageError, StorageLock, SystemClock, Version,
};

use crate::connections::Connections;
use crate::rows::{self, Times};

/// How long a call waits for another writer by default.
const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a load may be held up to note it.
const NOTE_TIMEOUT: Duration = Duration::from_millis(100);

/// How many keys are listed in one go.
const PAGE: i64 = 500;

/// How many sessions one step of a purge removes at most, and for how long, however large they are. Other writers
/// wait for a step and for its pages to reach the disk.
const PURGED_AT_ONCE: u64 = 50;
const PURGE_STEP: Duration = Duration::from_millis(10);

/// The longest time that a purge leaves to other writers between two of its steps.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Sessions in one SQLite file.
///
/// `Clone` is cheap and shares the connections to the file. Storages that were opened apart, in this
/// process or in others, see the same sessions.
///
/// ```
/// use logto_core::{Record, SessionKey, Storage};
/// use logto_storage_sqlite::SqliteStorage;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions.db");
/// let storage = SqliteStorage::open(path)?;
/// let record = Record::new(None, "{}");
/// storage.save(&SessionKey::ONLY, &record, None)?;
/// assert_eq!(storage.clone().load(&SessionKey::ONLY)?, Some(record));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStorage {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Connections,
    locks: LockFiles,
    idle: IdleLifetime,
}

impl SqliteStorage {
    /// Opens the database at this path with the defaults of the [builder](Self::builder), and
    /// creates it if there is none. Its directory must exist.
    ///
    /// # Errors
    ///
    /// Same as [`SqliteStorageBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder(path).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStorageBuilder {
        SqliteStorageBuilder {
            path: path.as_ref().to_owned(),
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            busy_timeout: DEFAULT_BUSY_TIMEOUT,
            clock: Arc::new(SystemClock),
        }
    }

    fn times(&self) -> Times {
        let now = self.inner.idle.now();
        let oldest_live = self.inner.idle.oldest_live(now);
        Times { now, oldest_live }
    }

    /// Failing to note a use fails no load.
    fn note_use(&self, session: &SessionKey, last_used: i64, now: i64) {
        let connections = &self.inner.connections;
        let noted = connections.write_within(NOTE_TIMEOUT, |transaction| {
            rows::note_use(transaction, session, last_used, now)
        });
        if let Err(error) = noted {
            log::debug!("the use of a session could not be noted: {error}");
        }
    }

    /// Removes some expired sessions, and returns how many, and whether there may be more.
    fn purge_some(&self, oldest_live: i64) -> Result<(u64, bool), StorageError> {
        self.inner.connections.write(|transaction| {
            let (started, mut purged) = (Instant::now(), 0);
            while purged < PURGED_AT_ONCE && started.elapsed() < PURGE_STEP {
                if !rows::remove_expired(transaction, oldest_live)? {
                    return Ok((purged, false));
                }
                purged += 1;
            }
            Ok((purged, true))
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for SqliteStorage {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        let Times { now, oldest_live } = self.times();
        let connections = &self.inner.connections;
        let found = connections.read(|connection| rows::find(connection, session, oldest_live))?;
        let Some((last_used, record)) = found.and_then(|row| Some((row.last_used, row.record?)))
        else {
            return Ok(None);
        };
        if self.inner.idle.should_note(last_used, now) {
            self.note_use(session, last_used, now);
        }
        Ok(Some(record))
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.replace(session, expected, session, record)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        let connections = &self.inner.connections;
        connections.write(|transaction| rows::remove(transaction, session))
    }

    /// One transaction.
    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let times = self.times();
        let replaced = self.inner.connections.write(|transaction| {
            rows::replace(transaction, (from, expected), (to, record), times)
        })?;
        replaced.then_some(()).ok_or_else(StorageError::conflict)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        Ok(StorageLock::new(self.inner.locks.lock(session, timeout)?))
    }

    /// Removes some sessions at a time, and leaves other writers as much time as that took.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        let (oldest_live, mut purged) = (self.times().oldest_live, 0);
        loop {
            let started = Instant::now();
            let (removed, is_unfinished) = self.purge_some(oldest_live)?;
            purged += removed;
            if !is_unfinished {
                return Ok(purged);
            }
            thread::sleep(started.elapsed().min(LONGEST_PAUSE));
        }
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let Times { oldest_live, .. } = self.times();
        let connections = &self.inner.connections;
        connections.read(|connection| rows::of_owner(connection, owner, oldest_live))
    }

    /// In the order of the keys, a page at a time. A damaged key names no session and is left out.
    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut behind = Vec::new();
        loop {
            let Times { oldest_live, .. } = self.times();
            let page = self
                .inner
                .connections
                .read(|connection| rows::page(connection, &behind, oldest_live, PAGE))?;
            for key in page.iter().filter_map(|key| rows::parse_key(key)) {
                visit(&key)?;
            }
            match page.into_iter().next_back() {
                Some(last) => behind = last,
                None => return Ok(()),
            }
        }
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage")
            .field("path", &self.inner.connections.path())
            .finish_non_exhaustive()
    }
}

/// Settings of a [`SqliteStorage`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct SqliteStorageBuilder {
    path: PathBuf,
    idle_lifetime: Duration,
    busy_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl SqliteStorageBuilder {
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

    /// How long a write waits while others write, before it fails with
    /// [`Busy`](logto_core::StorageErrorKind::Busy). Default: 5 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
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
    pub fn open(self) -> Result<SqliteStorage, StorageError> {
        let connections = Connections::open(&self.path, self.busy_timeout)?;
        // A symbolic link leads to the locks of the one file.
        let path = connections.path();
        let mut locks = path
            .canonicalize()
            .map_or_else(|_| path.into(), OsString::from);
        locks.push("-locks");
        Ok(SqliteStorage {
            inner: Arc::new(Inner {
                connections,
                locks: LockFiles::new(locks),
                idle: IdleLifetime::new(self.idle_lifetime, self.clock),
            }),
        })
    }
}
