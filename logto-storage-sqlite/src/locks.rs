//! Who waits for whom within this process, by file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use logto_core::{LocalLock, LocalLocks, StorageError, StorageErrorKind};

use crate::permissions;

/// The files that stores of this process have open, by canonical path.
static FILES: Mutex<BTreeMap<PathBuf, Weak<FileLocks>>> = Mutex::new(BTreeMap::new());

/// The locks that all stores over one file share.
#[derive(Default)]
pub(crate) struct FileLocks {
    sessions: LocalLocks,
    writer: LocalLocks,
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
        let locks = Arc::new(Self::default());
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
}

/// A panic elsewhere leaves the map whole.
fn files() -> MutexGuard<'static, BTreeMap<PathBuf, Weak<FileLocks>>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_file_that_nobody_has_open_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        drop(FileLocks::of(&path).unwrap());
        let _other = FileLocks::of(&directory.path().join("other.db")).unwrap();
        assert!(!files().contains_key(&path.canonicalize().unwrap()));
    }
}
