//! Sole use of one session: the lock of a storage, and locks among the threads of a process.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::SessionKey;
use crate::error::{StorageError, StorageErrorKind};

/// Sole use of one session, until it is dropped. Made by [`Storage::lock`](crate::Storage::lock).
#[must_use = "the lock is released when this is dropped"]
pub struct StorageLock<'a> {
    is_held: Box<dyn Fn() -> bool + 'a>,
}

impl<'a> StorageLock<'a> {
    /// A lock that excludes nobody.
    pub fn none() -> Self {
        Self::new(())
    }

    /// A lock that lasts until `guard` is dropped.
    pub fn new(guard: impl Sized + 'a) -> Self {
        Self::lease(guard, |_| true)
    }

    /// A lock that lasts until `guard` is dropped and may be lost before, such as a lease that ran out while this
    /// process was stopped. `is_held` tells whether it is still held.
    pub fn lease<G: 'a>(guard: G, is_held: fn(&G) -> bool) -> Self {
        Self {
            is_held: Box::new(move || is_held(&guard)),
        }
    }

    /// Whether the lock has not been lost. The client asks before it sends a refresh token, which must not
    /// be one that another process has used.
    pub fn is_held(&self) -> bool {
        (self.is_held)()
    }
}

impl fmt::Debug for StorageLock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageLock").finish_non_exhaustive()
    }
}

/// Locks by session among the threads of one process: the lock of a backend for one process.
///
/// `Clone` is cheap and shares the locks.
///
/// ```
/// # use logto_core as logto;
/// use logto::{LocalLocks, SessionId};
/// use std::time::Duration;
///
/// let locks = LocalLocks::default();
/// let (alice, bob) = (SessionId::random(), SessionId::random());
///
/// let held = locks.lock(&alice.key(), Duration::ZERO)?;
/// assert!(locks.lock(&alice.key(), Duration::ZERO).is_err());
/// assert!(locks.lock(&bob.key(), Duration::ZERO).is_ok());
/// drop(held);
/// assert!(locks.lock(&alice.key(), Duration::ZERO).is_ok());
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LocalLocks(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<HashSet<SessionKey>>,
    released: Condvar,
}

impl LocalLocks {
    /// Waits until no other thread holds the lock of this session, and holds it.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::Busy`] if it is still held after `timeout`.
    pub fn lock(&self, session: &SessionKey, timeout: Duration) -> Result<LocalLock, StorageError> {
        let started = Instant::now();
        let mut held = self.0.held();
        while !held.insert(*session) {
            let Some(left) = timeout.checked_sub(started.elapsed()) else {
                return Err(StorageError::new(
                    StorageErrorKind::Busy,
                    "the session is in use by another thread",
                ));
            };
            let waited = self.0.released.wait_timeout(held, left);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(LocalLock {
            shared: Arc::clone(&self.0),
            session: *session,
        })
    }
}

impl Shared {
    /// A panic elsewhere leaves the set whole.
    fn held(&self) -> MutexGuard<'_, HashSet<SessionKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A held lock of [`LocalLocks`]; dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct LocalLock {
    shared: Arc<Shared>,
    session: SessionKey,
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        self.shared.held().remove(&self.session);
        self.shared.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &SessionKey = &SessionKey::ONLY;

    #[test]
    fn a_released_lock_leaves_nothing_behind() {
        let locks = LocalLocks::default();
        let held = locks.lock(SESSION, Duration::ZERO).unwrap();
        assert!(locks.lock(SESSION, Duration::from_millis(1)).is_err());
        drop(held);
        assert!(locks.0.held().is_empty());
    }

    #[test]
    fn a_waiting_thread_gets_the_lock() {
        let locks = LocalLocks::default();
        let held = locks.lock(SESSION, Duration::ZERO).unwrap();
        let waiting = {
            let locks = locks.clone();
            std::thread::spawn(move || locks.lock(SESSION, Duration::from_secs(60)).is_ok())
        };
        drop(held);
        assert!(waiting.join().unwrap());
    }
}
