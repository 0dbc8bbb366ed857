//! One session.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use logto_core::{Change, PersistKey, Storage, StorageError, StorageLock};

use crate::lock::Holding;
use crate::names::SessionKey;
use crate::sessions::{Fence, Sessions};

/// One session of a [`RedisStore`](crate::RedisStore), named by the digest of its id.
pub(crate) struct RedisStorage {
    sessions: Arc<Sessions>,
    session: SessionKey,
    /// While this handle has the lock.
    fence: Mutex<Option<Fence>>,
}

impl RedisStorage {
    pub(crate) fn new(sessions: Arc<Sessions>, session: SessionKey) -> Self {
        Self {
            sessions,
            session,
            fence: Mutex::default(),
        }
    }

    /// Best effort: a session that was read is there, whether or not that could be noted.
    fn note_use(&self) {
        if let Err(error) = self.sessions.write(&self.session, None, &[]) {
            log::debug!("the use of a session is noted at a later read: {error}");
        }
    }

    fn fence(&self) -> MutexGuard<'_, Option<Fence>> {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RedisStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStorage")
            .field("server", &self.sessions.server)
            .finish_non_exhaustive()
    }
}

impl Storage for RedisStorage {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let seen = self.sessions.look(&self.session, key.as_str())?;
        if self.sessions.is_over(&seen) {
            return Ok(None);
        }
        if self.sessions.should_note(&seen) {
            self.note_use();
        }
        seen.into_text()
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.update(&[Change { key, value }])
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let fence = self.fence().clone();
        self.sessions.write(&self.session, fence.as_ref(), changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let holding = Holding::acquire(&self.sessions, &self.session, timeout)?;
        *self.fence() = Some(holding.fence().clone());
        let lock = SessionLock {
            storage: self,
            holding,
        };
        Ok(StorageLock::lease(lock, SessionLock::is_held))
    }
}

/// A lock that a handle of the session has.
struct SessionLock<'a> {
    storage: &'a RedisStorage,
    holding: Holding,
}

impl SessionLock<'_> {
    fn is_held(&self) -> bool {
        self.holding.is_held(&self.storage.sessions)
    }
}

impl Drop for SessionLock<'_> {
    fn drop(&mut self) {
        *self.storage.fence() = None;
        self.holding.release(&self.storage.sessions);
    }
}
