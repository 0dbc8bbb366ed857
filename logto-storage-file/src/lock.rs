//! A locked file: sole use of something among all threads and processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{LocalLock, LocalLocks, StorageError, StorageErrorKind};

use crate::{error, system};

/// How to wait for a lock.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) timeout: Duration,
    /// The first pause between two tries, and the longest.
    pauses: [Duration; 2],
    in_vain: &'static str,
}

impl Wait {
    /// For the sole use of a session, which lasts as long as requests to the server do.
    pub(crate) fn for_session(timeout: Duration) -> Self {
        Self {
            timeout,
            pauses: [Duration::from_millis(1), Duration::from_millis(32)],
            in_vain: "the session is in use by another thread or process",
        }
    }

    /// For the turn to write, which lasts as long as a disk takes.
    pub(crate) fn to_write(timeout: Duration) -> Self {
        Self {
            timeout,
            pauses: [Duration::from_micros(50), Duration::from_millis(4)],
            in_vain: "other threads or processes kept writing to the session's directory",
        }
    }

    fn busy(&self) -> StorageError {
        StorageError::new(StorageErrorKind::Busy, self.in_vain)
    }

    /// Longer and longer, and seldom the same for two who wait.
    fn pause(&self, before: u32) -> Duration {
        let [first, longest] = self.pauses;
        let pause = first.saturating_mul(1 << before.min(16)).min(longest);
        let random = RandomState::new().hash_one(before) as u32;
        pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
    }
}

/// A held lock. It ends with this value, or with the process.
pub(crate) struct FileLock {
    file: File,
    _local: LocalLock,
}

impl FileLock {
    /// Waits for this file, and before for `local`: threads of this process queue there.
    pub(crate) fn acquire(
        (local, key): (&LocalLocks, [u8; 32]),
        path: &Path,
        wait: Wait,
    ) -> Result<Self, StorageError> {
        let started = Instant::now();
        let local = local.lock(key, wait.timeout).map_err(|_| wait.busy())?;
        let mut file = open(path)?;
        let mut pauses = 0;
        while !try_lock(&mut file, path)? {
            let left = wait.timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(wait.busy());
            }
            thread::sleep(wait.pause(pauses).min(left));
            pauses += 1;
        }
        Ok(Self {
            file,
            _local: local,
        })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // To close the file is not enough while a child process that is being started still has it.
        if let Err(error) = self.file.unlock() {
            log::warn!("a lock file could not be unlocked: {error}");
        }
    }
}

/// Whether the file could be locked. It is opened again if somebody has deleted it by hand.
fn try_lock(file: &mut File, path: &Path) -> Result<bool, StorageError> {
    loop {
        match file.try_lock() {
            Ok(()) if system::is_at(file, path).map_err(|e| error::not_locked(path, e))? => {
                return Ok(true);
            }
            Ok(()) => *file = open(path)?,
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error::not_locked(path, error)),
        }
    }
}

fn open(path: &Path) -> Result<File, StorageError> {
    if path.is_symlink() {
        return Err(error::link(path));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    system::private_file(&mut options);
    options.open(path).map_err(|e| error::not_locked(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let wait = Wait::for_session(Duration::ZERO);
        let [first, longest] = wait.pauses;
        for before in 0..40 {
            let bound = (first * (1 << before.min(16))).min(longest);
            let pause = wait.pause(before);
            assert!(bound / 2 <= pause && pause <= bound, "{pause:?}");
        }
    }
}
