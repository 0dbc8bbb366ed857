//! Sessions in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::{
    Change, DEFAULT_IDLE_LIFETIME, FoundSession, LocalLocks, OwnerDigest, PersistKey, SessionId,
    SessionOwner, SessionStore, Storage, StorageLock,
};
use crate::clock::{Clock, SystemClock};
use crate::error::StorageError;

/// One session in memory, gone with the process: for tests, and for programs that sign in anew at
/// every start.
///
/// `Clone` is cheap and shares the values.
///
/// ```
/// # use logto_core as logto;
/// use logto::{MemoryStorage, PersistKey, Storage};
///
/// let storage = MemoryStorage::new();
/// storage.set(PersistKey::RefreshToken, Some("…"))?;
/// assert!(storage.clone().get(PersistKey::RefreshToken)?.is_some());
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStorage {
    store: MemoryStore,
    session: [u8; 32],
}

impl MemoryStorage {
    /// An empty session, apart from every other. It never expires.
    pub fn new() -> Self {
        Self {
            store: MemoryStore::builder().idle_lifetime(Duration::MAX).build(),
            session: [0; 32],
        }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").finish_non_exhaustive()
    }
}

impl Storage for MemoryStorage {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let now = self.store.clock.now();
        let mut sessions = self.store.sessions();
        let Some(session) = sessions.get_mut(&self.session) else {
            return Ok(None);
        };
        if session.is_expired(now, self.store.idle_lifetime) {
            return Ok(None);
        }
        session.used_at = now;
        Ok(session.values.get(&key).map(|value| value.to_string()))
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.update(&[Change { key, value }])
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let now = self.store.clock.now();
        let mut sessions = self.store.sessions();
        let session = sessions.entry(self.session).or_insert_with(|| Session {
            values: BTreeMap::new(),
            used_at: now,
        });
        if session.is_expired(now, self.store.idle_lifetime) {
            session.values.clear();
        }
        session.used_at = now;
        session.make(changes);
        if session.values.is_empty() {
            sessions.remove(&self.session);
        }
        Ok(())
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let lock = self.store.locks.lock(self.session, timeout)?;
        Ok(StorageLock::new(lock))
    }
}

/// Many sessions in memory, gone with the process: for tests, and for a web application whose users
/// may be signed out by a restart.
///
/// `Clone` is cheap and shares the sessions.
#[derive(Clone)]
pub struct MemoryStore {
    sessions: Arc<Mutex<HashMap<[u8; 32], Session>>>,
    locks: LocalLocks,
    idle_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

struct Session {
    values: BTreeMap<PersistKey, Zeroizing<String>>,
    used_at: SystemTime,
}

impl Session {
    fn is_expired(&self, now: SystemTime, idle_lifetime: Duration) -> bool {
        now.duration_since(self.used_at)
            .is_ok_and(|idle| idle > idle_lifetime)
    }

    fn make(&mut self, changes: &[Change<'_>]) {
        for change in changes {
            match change.value {
                Some(value) => {
                    self.values
                        .insert(change.key, Zeroizing::new(value.to_owned()));
                }
                None => {
                    self.values.remove(&change.key);
                }
            }
        }
    }

    fn is_of(&self, owner: &OwnerDigest) -> bool {
        let value = self.values.get(&PersistKey::Owner);
        value
            .and_then(|value| SessionOwner::of_value(value))
            .is_some_and(|found| found.is(owner))
    }
}

impl MemoryStore {
    /// No sessions yet, with the defaults of the [builder](Self::builder).
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Sets what differs from the defaults.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder {
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            clock: Arc::new(SystemClock),
        }
    }

    fn storage(&self, session: [u8; 32]) -> Arc<dyn Storage> {
        Arc::new(MemoryStorage {
            store: self.clone(),
            session,
        })
    }

    fn is_live(&self, session: &[u8; 32]) -> bool {
        let now = self.clock.now();
        let sessions = self.sessions();
        let session = sessions.get(session);
        session.is_some_and(|session| !session.is_expired(now, self.idle_lifetime))
    }

    /// A panic elsewhere leaves the map whole: every change is made in one go under the lock.
    fn sessions(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("sessions", &self.sessions().len())
            .finish_non_exhaustive()
    }
}

impl SessionStore for MemoryStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.storage(id.digest())
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        let now = self.clock.now();
        let mut sessions = self.sessions();
        if let Some(mut session) = sessions.remove(&from.digest())
            && !session.is_expired(now, self.idle_lifetime)
        {
            session.used_at = now;
            sessions.insert(to.digest(), session);
        }
        Ok(())
    }

    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        let mut session = Session {
            values: BTreeMap::new(),
            used_at: self.clock.now(),
        };
        session.make(changes);
        let mut sessions = self.sessions();
        sessions.remove(&from.digest());
        match session.values.is_empty() {
            true => sessions.remove(&to.digest()),
            false => sessions.insert(to.digest(), session),
        };
        Ok(())
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.sessions().remove(&id.digest());
        Ok(())
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        let now = self.clock.now();
        let mut sessions = self.sessions();
        let before = sessions.len();
        sessions.retain(|_, session| !session.is_expired(now, self.idle_lifetime));
        Ok((before - sessions.len()) as u64)
    }

    /// Looks at every session.
    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let now = self.clock.now();
        let sessions = self.sessions();
        let live = |session: &Session| !session.is_expired(now, self.idle_lifetime);
        let found = sessions
            .iter()
            .filter(|(_, session)| session.is_of(owner) && live(session))
            .map(|(digest, _)| FoundSession::new(*digest, self.storage(*digest)));
        Ok(found.collect())
    }

    /// Keeps the digests of all sessions meanwhile.
    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let digests: Vec<_> = self.sessions().keys().copied().collect();
        for digest in digests.into_iter().filter(|digest| self.is_live(digest)) {
            visit(FoundSession::new(digest, self.storage(digest)))?;
        }
        Ok(())
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(self.storage(*digest))
    }
}

/// Settings of a [`MemoryStore`].
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct MemoryStoreBuilder {
    idle_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

impl MemoryStoreBuilder {
    /// How long a session may lie unused before it is gone. Default: [`DEFAULT_IDLE_LIFETIME`].
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle_lifetime = lifetime;
        self
    }

    /// The clock that idle time is measured by. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The store.
    pub fn build(self) -> MemoryStore {
        MemoryStore {
            sessions: Arc::default(),
            locks: LocalLocks::default(),
            idle_lifetime: self.idle_lifetime,
            clock: self.clock,
        }
    }
}
