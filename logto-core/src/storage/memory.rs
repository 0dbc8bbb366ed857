//! Sessions in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    DEFAULT_IDLE_LIFETIME, IdleLifetime, LocalLocks, OwnerDigest, Record, SessionKey, Storage,
    StorageLock, Version,
};
use crate::clock::{Clock, SystemClock};
use crate::error::StorageError;

/// Sessions in memory, gone with the process: for tests, and for programs whose users may be signed
/// out by a restart.
///
/// `Clone` is cheap and shares the sessions.
///
/// ```
/// # use logto_core as logto;
/// use logto::{LogtoClient, LogtoConfig, MemoryStorage};
///
/// let config = LogtoConfig::new("https://foo.logto.app", "my-app-id");
/// let client = LogtoClient::new(config, MemoryStorage::new())?;
/// assert!(!client.is_authenticated()?);
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStorage {
    entries: Arc<Mutex<HashMap<SessionKey, Entry>>>,
    locks: LocalLocks,
    idle: IdleLifetime,
}

struct Entry {
    record: Record,
    used_at: i64,
}

impl MemoryStorage {
    /// An empty storage, with the defaults of the [builder](Self::builder).
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Sets what differs from the defaults.
    pub fn builder() -> MemoryStorageBuilder {
        MemoryStorageBuilder {
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            clock: Arc::new(SystemClock),
        }
    }

    fn entries(&self) -> Entries<'_> {
        Entries {
            // A panic elsewhere leaves the map whole: every change is one call under the lock.
            map: self.entries.lock().unwrap_or_else(PoisonError::into_inner),
            oldest_live: self.idle.oldest_live(self.idle.now()),
        }
    }

    fn entry(&self, record: &Record) -> Entry {
        Entry {
            record: record.clone(),
            used_at: self.idle.now(),
        }
    }
}

/// The map, locked, and the last use before which an entry counts as absent.
struct Entries<'a> {
    map: MutexGuard<'a, HashMap<SessionKey, Entry>>,
    oldest_live: i64,
}

impl Entries<'_> {
    fn is_live(&self, entry: &Entry) -> bool {
        entry.used_at >= self.oldest_live
    }

    fn compare(&self, session: &SessionKey, expected: Option<Version>) -> Result<(), StorageError> {
        let entry = self.map.get(session).filter(|entry| self.is_live(entry));
        match entry.map(|entry| entry.record.version()) == expected {
            true => Ok(()),
            false => Err(StorageError::conflict()),
        }
    }

    fn keys_where(&self, wanted: impl Fn(&Record) -> bool) -> Vec<SessionKey> {
        let live = self.map.iter().filter(|(_, entry)| self.is_live(entry));
        live.filter(|(_, entry)| wanted(&entry.record))
            .map(|(session, _)| *session)
            .collect()
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage")
            .field("sessions", &self.entries().map.len())
            .finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for MemoryStorage {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        let now = self.idle.now();
        let mut map = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = map.get_mut(session);
        Ok(entry
            .filter(|entry| !self.idle.is_over(entry.used_at, now))
            .map(|entry| {
                entry.used_at = now;
                entry.record.clone()
            }))
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let entry = self.entry(record);
        let mut entries = self.entries();
        entries.compare(session, expected)?;
        entries.map.insert(*session, entry);
        Ok(())
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.entries().map.remove(session);
        Ok(())
    }

    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let entry = self.entry(record);
        let mut entries = self.entries();
        entries.compare(from, expected)?;
        entries.compare(to, None)?;
        entries.map.remove(from);
        entries.map.insert(*to, entry);
        Ok(())
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        Ok(StorageLock::new(self.locks.lock(session, timeout)?))
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        let mut entries = self.entries();
        let (before, oldest_live) = (entries.map.len(), entries.oldest_live);
        entries.map.retain(|_, entry| entry.used_at >= oldest_live);
        Ok((before - entries.map.len()) as u64)
    }

    /// Looks at every session.
    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let is_theirs = |record: &Record| record.owner().is_some_and(|found| found.matches(owner));
        Ok(self.entries().keys_where(is_theirs))
    }

    /// Holds the keys of all sessions meanwhile.
    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let keys = self.entries().keys_where(|_| true);
        keys.iter().try_for_each(visit)
    }
}

/// Settings of a [`MemoryStorage`].
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct MemoryStorageBuilder {
    idle_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

impl MemoryStorageBuilder {
    /// How long a session may lie unused before it expires. Default: [`DEFAULT_IDLE_LIFETIME`].
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle_lifetime = lifetime;
        self
    }

    /// The clock that idle time is measured by. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds the storage.
    pub fn build(self) -> MemoryStorage {
        MemoryStorage {
            entries: Arc::default(),
            locks: LocalLocks::default(),
            idle: IdleLifetime::new(self.idle_lifetime, self.clock),
        }
    }
}
