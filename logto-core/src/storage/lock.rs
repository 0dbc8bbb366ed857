//! Sole use of one session.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{StorageError, StorageErrorKind};

/// Sole use of one session, until it is dropped. Made by [`Storage::lock`](crate::Storage::lock), and by
/// [`Storage::lock_to_write`](crate::Storage::lock_to_write), which may let others in until the write.
#[must_use = "the lock is released when this is dropped"]
pub struct StorageLock<'a> {
    guard: Option<Box<dyn Guard + 'a>>,
}

trait Guard {
    fn is_held(&self) -> bool;

    fn around_last_write(&self, write: &mut dyn FnMut()) {
        write();
    }
}

/// A lock that is held until it is dropped.
struct Held<G>(#[allow(dead_code)] G);

impl<G> Guard for Held<G> {
    fn is_held(&self) -> bool {
        true
    }
}

/// A lock that somebody else can take over.
struct Lease<G> {
    guard: G,
    is_held: fn(&G) -> bool,
    around_last_write: Around<G>,
}

type Around<G> = fn(&G, write: &mut dyn FnMut());

impl<G> Guard for Lease<G> {
    fn is_held(&self) -> bool {
        (self.is_held)(&self.guard)
    }

    fn around_last_write(&self, write: &mut dyn FnMut()) {
        (self.around_last_write)(&self.guard, write);
    }
}

impl<'a> StorageLock<'a> {
    /// A lock that excludes nobody, for a storage that has none.
    pub fn none() -> Self {
        Self { guard: None }
    }

    /// A lock that dropping `guard` releases.
    pub fn new(guard: impl Sized + 'a) -> Self {
        Self {
            guard: Some(Box::new(Held(guard))),
        }
    }

    /// A lock that dropping `guard` releases, and that may be lost before: a lease that has run out
    /// because this process was stopped, say. `is_held` tells whether it is still held.
    pub fn lease<G: 'a>(guard: G, is_held: fn(&G) -> bool) -> Self {
        Self::lease_ended_by_write(guard, is_held, |_, write| write())
    }

    /// As [`lease`](Self::lease), of a backend that can end the lease in the same step as a write, which
    /// saves it a step. `around_last_write` is called by [`last_write`](Self::last_write), and calls
    /// `write` once: an update or a replacement of the locked session in it, on this thread, ends the lease if
    /// it succeeds. [`set`](crate::Storage::set) must not, since a wrapper may make an update of several. Where
    /// the write fails or panics the lock stays as it was, and no later write ends it. To drop the lock ends
    /// this holder's lease and no other's. `last_write` may be called again, and within itself.
    ///
    /// A wrapper that splits one update into several of what it wraps does not hand on such a lock: it puts it
    /// into one of its own ([`new`](Self::new)), which no write ends. One that splits it into calls of `set` may.
    pub fn lease_ended_by_write<G: 'a>(
        guard: G,
        is_held: fn(&G) -> bool,
        around_last_write: fn(&G, write: &mut dyn FnMut()),
    ) -> Self {
        Self {
            guard: Some(Box::new(Lease {
                guard,
                is_held,
                around_last_write,
            })),
        }
    }

    /// Whether it has not been lost meanwhile. Asked before a refresh token is sent, which must not
    /// be one that somebody else has used. Of [`none`](Self::none) it is `true`.
    pub fn is_held(&self) -> bool {
        self.guard.as_ref().is_none_or(|guard| guard.is_held())
    }

    /// Calls `write`, in which the session is written for the last time under this lock: by one
    /// [`update`](crate::Storage::update), [`update_unsynced`](crate::Storage::update_unsynced) or
    /// [`replace`](crate::SessionStore::replace) of it, on this thread. If that succeeds, it may have released
    /// the lock in the same step: afterwards nothing is to be done but to drop it.
    ///
    /// ```
    /// # use logto_core as logto;
    /// use logto::{Change, MemoryStore, PersistKey, SessionId, SessionStore};
    /// use std::time::Duration;
    ///
    /// let session = MemoryStore::new().session(&SessionId::random());
    /// let lock = session.lock(Duration::from_secs(5))?;
    /// if session.get(PersistKey::IdToken)?.is_none() {
    ///     let changes = [Change::set(PersistKey::IdToken, "…")];
    ///     lock.last_write(|| session.update(&changes))?;
    /// }
    /// # Ok::<(), logto_core::StorageError>(())
    /// ```
    pub fn last_write<T>(&self, write: impl FnOnce() -> T) -> T {
        let Some(guard) = &self.guard else {
            return write();
        };
        let (mut write, mut written) = (Some(write), None);
        guard.around_last_write(&mut || {
            if let Some(write) = write.take() {
                written = Some(write());
            }
        });
        match (written, write) {
            (Some(written), _) => written,
            (None, Some(write)) => write(),
            (None, None) => panic!("the write under the lock has panicked"),
        }
    }

    /// Whether this excludes anybody; `false` of [`none`](Self::none).
    pub fn is_exclusive(&self) -> bool {
        self.guard.is_some()
    }
}

impl fmt::Debug for StorageLock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageLock")
            .field("exclusive", &self.is_exclusive())
            .finish()
    }
}

/// Locks by session among the threads of one process: what a single-process backend locks with,
/// and the first half of the lock of any other.
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
/// let held = locks.lock(alice.digest(), Duration::ZERO)?;
/// assert!(locks.lock(alice.digest(), Duration::ZERO).is_err());
/// assert!(locks.lock(bob.digest(), Duration::ZERO).is_ok());
/// drop(held);
/// assert!(locks.lock(alice.digest(), Duration::ZERO).is_ok());
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LocalLocks {
    slots: Arc<Mutex<HashMap<[u8; 32], Arc<Slot>>>>,
}

#[derive(Debug, Default)]
struct Slot {
    held: Mutex<bool>,
    released: Condvar,
}

impl LocalLocks {
    /// Waits until nobody else holds the lock of this session, and holds it.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::Busy`] if it is still held after `timeout`.
    pub fn lock(&self, session: [u8; 32], timeout: Duration) -> Result<LocalLock, StorageError> {
        let slot = Arc::clone(unpoisoned(&self.slots).entry(session).or_default());
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
            session,
            slot: Some(slot),
        })
    }

    fn forget(&self, session: [u8; 32], slot: Arc<Slot>) {
        let mut slots = unpoisoned(&self.slots);
        drop(slot);
        if slots
            .get(&session)
            .is_some_and(|slot| Arc::strong_count(slot) == 1)
        {
            slots.remove(&session);
        }
    }
}

/// A held lock of [`LocalLocks`]; dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct LocalLock {
    locks: LocalLocks,
    session: [u8; 32],
    slot: Option<Arc<Slot>>,
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            *unpoisoned(&slot.held) = false;
            // Who waits has the slot beside the table and this holder; to wake nobody costs a system call.
            if Arc::strong_count(&slot) > 2 {
                slot.released.notify_one();
            }
            self.locks.forget(self.session, slot);
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

    #[test]
    fn a_released_lock_leaves_nothing_behind() {
        let locks = LocalLocks::default();
        let held = locks.lock([1; 32], Duration::ZERO).unwrap();
        assert!(locks.lock([1; 32], Duration::from_millis(1)).is_err());
        drop(held);
        assert!(unpoisoned(&locks.slots).is_empty());
    }

    #[test]
    fn a_waiting_thread_gets_the_lock() {
        let locks = LocalLocks::default();
        let held = locks.lock([1; 32], Duration::ZERO).unwrap();
        let waiting = {
            let locks = locks.clone();
            std::thread::spawn(move || locks.lock([1; 32], Duration::from_secs(60)).is_ok())
        };
        drop(held);
        assert!(waiting.join().unwrap());
    }
}
