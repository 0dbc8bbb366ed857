//! What all stores over one file share within this process: who waits for whom, and what is known of
//! other processes.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use logto_core::{LocalLock, LocalLocks, StorageError, StorageErrorKind};

use crate::lease::Lease;
use crate::permissions;
use crate::presence::{self, Presence};
use crate::version::Version;

/// The files that stores of this process have open, by canonical path.
static FILES: Mutex<BTreeMap<PathBuf, Weak<FileLocks>>> = Mutex::new(BTreeMap::new());

/// The locks that all stores over one file share.
pub(crate) struct FileLocks {
    path: PathBuf,
    sessions: LocalLocks,
    writer: LocalLocks,
    presence: Mutex<Option<Arc<Presence>>>,
    /// Leases of other processes, by session.
    watched: Mutex<HashMap<[u8; 32], Watch>>,
    /// Of the holders of locks, by session. Others may write to the session too, without the lock.
    writes: Mutex<HashMap<[u8; 32], (ThreadId, HoldersWrite)>>,
}

/// What a holder's write does beside.
#[derive(Clone)]
pub(crate) enum HoldersWrite {
    /// It is the last one: it ends this lease, and then sets the flag.
    Ends(Lease, Arc<AtomicBool>),
    /// It is made only if the session still is what it was.
    Expects(Version),
}

/// How long this process has watched a lease of another one.
struct Watch {
    lease: Lease,
    watched: Duration,
    looked: Instant,
}

impl FileLocks {
    /// The locks of this file, which is created if it is missing.
    pub(crate) fn of(path: &Path) -> io::Result<Arc<Self>> {
        let mut files = files();
        // Under the mutex: to close a file drops all of this process's POSIX locks on it, SQLite's too.
        permissions::create_private(path)?;
        let path = path.canonicalize()?;
        if let Some(locks) = files.get(&path).and_then(Weak::upgrade) {
            return Ok(locks);
        }
        let locks = Arc::new(Self {
            path: path.clone(),
            sessions: LocalLocks::default(),
            writer: LocalLocks::default(),
            presence: Mutex::default(),
            watched: Mutex::default(),
            writes: Mutex::default(),
        });
        files.retain(|_, locks| locks.strong_count() > 0);
        files.insert(path, Arc::downgrade(&locks));
        Ok(locks)
    }

    /// Sole use of a session among this process's threads.
    pub(crate) fn session(
        &self,
        session: [u8; 32],
        timeout: Duration,
    ) -> Result<LocalLock, StorageError> {
        self.sessions.lock(session, timeout)
    }

    /// The turn to write. SQLite's own is polled for, and of many threads some wait for seconds.
    pub(crate) fn writer(&self, timeout: Duration) -> Result<LocalLock, StorageError> {
        self.writer.lock([0; 32], timeout).map_err(|_| {
            StorageError::new(
                StorageErrorKind::Busy,
                "other threads kept writing to the session database",
            )
        })
    }

    /// This process as others see it, from its first lock on. `bury` is given a dead process whose
    /// leases are of no more use.
    pub(crate) fn presence(
        &self,
        bury: impl FnOnce(&[u8; 32]) -> Result<(), StorageError>,
    ) -> Result<Arc<Presence>, StorageError> {
        let mut presence = unpoisoned(&self.presence);
        if let Some(presence) = &*presence {
            return Ok(Arc::clone(presence));
        }
        let established = Arc::new(Presence::establish(&self.path, bury)?);
        *presence = Some(Arc::clone(&established));
        Ok(established)
    }

    /// Whether the process that holds this lease is certainly dead.
    pub(crate) fn is_dead(&self, lease: &Lease) -> bool {
        lease
            .slot
            .is_some_and(|slot| presence::is_dead(&self.path, slot, &lease.holder))
    }

    /// Whether this process has watched the lease for as long as it lasts. No time of day counts: all
    /// that a jump of the clock could do is to end a lease too early.
    pub(crate) fn has_run_out(&self, lease: &Lease) -> bool {
        let mut watched = unpoisoned(&self.watched);
        match watched.get_mut(&lease.session) {
            Some(watch) if watch.lease == *lease => watch.look(Instant::now()),
            _ => {
                watched.retain(|_, watch| !watch.is_given_up());
                watched.insert(lease.session, Watch::new(lease.clone()));
                false
            }
        }
    }

    /// From now on this thread's next write to the session does this beside.
    pub(crate) fn hold(&self, session: [u8; 32], write: HoldersWrite) {
        let holder = thread::current().id();
        unpoisoned(&self.writes).insert(session, (holder, write));
    }

    /// What a write to the session by this thread does beside.
    pub(crate) fn held(&self, session: &[u8; 32]) -> Option<HoldersWrite> {
        let writes = unpoisoned(&self.writes);
        let (holder, write) = writes.get(session)?;
        (*holder == thread::current().id()).then(|| write.clone())
    }

    /// Writes to the session do nothing beside any more.
    pub(crate) fn let_go(&self, session: &[u8; 32]) {
        unpoisoned(&self.writes).remove(session);
    }

    /// Whose lease it was does not matter any more.
    pub(crate) fn forget(&self, session: &[u8; 32]) {
        unpoisoned(&self.watched).remove(session);
    }
}

impl Watch {
    fn new(lease: Lease) -> Self {
        Self {
            lease,
            watched: Duration::ZERO,
            looked: Instant::now(),
        }
    }

    /// Whether the lease has run out by now. One pause counts for a quarter of the lease at most,
    /// because the machine may have slept, and the holder with it.
    fn look(&mut self, now: Instant) -> bool {
        let pause = now.saturating_duration_since(self.looked);
        self.watched = self.watched.saturating_add(pause.min(self.lease.lasts / 4));
        self.looked = now;
        self.watched >= self.lease.lasts
    }

    /// Whether nobody waits for the lease any more, as far as one can tell.
    fn is_given_up(&self) -> bool {
        self.looked.elapsed() > self.lease.lasts.saturating_mul(2)
    }
}

fn files() -> MutexGuard<'static, BTreeMap<PathBuf, Weak<FileLocks>>> {
    unpoisoned(&FILES)
}

/// A panic elsewhere leaves these maps whole.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_set_of_locks_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let roundabout = directory.path().join(".").join("sessions.db");
        let first = FileLocks::of(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &FileLocks::of(&roundabout).unwrap()));

        let other = FileLocks::of(&directory.path().join("other.db")).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
    }

    const LEASE: Duration = Duration::from_secs(120);

    fn watch() -> Watch {
        Watch::new(Lease {
            session: [1; 32],
            holder: [2; 32],
            turn: 3,
            lasts: LEASE,
            slot: None,
        })
    }

    #[test]
    fn a_lease_runs_out_when_it_was_watched_for_its_length() {
        let mut watch = watch();
        let start = watch.looked;
        for second in 1..120 {
            assert!(!watch.look(start + Duration::from_secs(second)));
        }
        assert!(watch.look(start + LEASE));
    }

    #[test]
    fn a_machine_that_slept_for_long_does_not_end_a_lease() {
        let mut watch = watch();
        let start = watch.looked;
        assert!(!watch.look(start + LEASE / 2));
        assert!(!watch.look(start + LEASE * 100));
        assert!(!watch.look(start));
    }

    #[test]
    fn a_file_that_nobody_has_open_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        drop(FileLocks::of(&path).unwrap());
        let _other = FileLocks::of(&directory.path().join("other.db")).unwrap();
        assert!(!files().contains_key(&path.canonicalize().unwrap()));
    }
}
