//! Sole use of one session: the lock of a storage, and locks among the threads of a process.

use std::collections::HashMap;
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
pub struct LocalLocks {
    slots: Arc<Mutex<HashMap<SessionKey, Arc<Slot>>>>,
}

#[derive(Debug, Default)]
struct Slot {
    held: Mutex<bool>,
    released: Condvar,
}

impl LocalLocks {
    /// Waits until no other thread holds the lock of this session, and holds it.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::Busy`] if it is still held after `timeout`.
    pub fn lock(&self, session: &SessionKey, timeout: Duration) -> Result<LocalLock, StorageError> {
        let slot = Arc::clone(unpoisoned(&self.slots).entry(*session).or_default());
        let started = Instant::now();
        let mut held = slot.held.lock().unwrap_or_else(PoisonError::into_inner);
        while *held {
            let Some(left) = timeout.checked_sub(started.elapsed()) else {
                drop(held);
                self.forget(session, slot);
                return Err(StorageError::new(
                    StorageErrorKind::Busy,
                    "the session is in use by another thread",
                ));
            };
            held = slot
                .released
                .wait_timeout(held, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *held = true;
        drop(held);
        Ok(LocalLock {
            locks: self.clone(),
            session: *session,
            slot: Some(slot),
        })
    }

    fn forget(&self, session: &SessionKey, slot: Arc<Slot>) {
        let mut slots = unpoisoned(&self.slots);
        drop(slot);
        if slots
            .get(session)
            .is_some_and(|slot| Arc::strong_count(slot) == 1)
        {
            slots.remove(session);
        }
    }
}

/// A held lock of [`LocalLocks`]; dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct LocalLock {
    locks: LocalLocks,
    session: SessionKey,
    slot: Option<Arc<Slot>>,
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            *unpoisoned(&slot.held) = false;
            // A waiting thread has the slot too, beside the table and this holder. Waking none costs a system call.
            if Arc::strong_count(&slot) > 2 {
                slot.released.notify_one();
            }
            self.locks.forget(&self.session, slot);
        }
    }
}

/// A panic elsewhere leaves these simple values whole.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(unpoisoned(&locks.slots).is_empty());
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
