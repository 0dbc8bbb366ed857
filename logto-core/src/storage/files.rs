//! What backends share that keep sessions in files: private modes and lock files.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub use self::system::{private, sync_directory};
use super::SessionKey;
use crate::error::{StorageError, StorageErrorKind};

/// The locks of sessions among processes: a fixed number of files in one directory, which the
/// operating system locks. It frees them however a process ends.
///
/// Sessions whose keys begin with the same byte share a file and wait for each other. The files are
/// empty, and are never removed: two processes that lock a file of one name, one before and one after a
/// removal, would hold two locks.
#[derive(Debug, Clone)]
pub struct LockFiles {
    directory: PathBuf,
}

/// How long to sleep between two tries: the first time, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(32)];

impl LockFiles {
    /// How many files there are at most.
    pub const COUNT: usize = 256;

    /// The lock files in this directory, which is made at the first lock if it is missing; its parent must
    /// be there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Waits until no other holder, of this process or of another one, has the lock of this session.
    ///
    /// # Errors
    ///
    /// [`Busy`](StorageErrorKind::Busy) if it is still held after `timeout`; else, if the file cannot be
    /// opened or locked.
    pub fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<LockedFile, StorageError> {
        let path = self
            .directory
            .join(format!("{:02x}", session.as_bytes()[0]));
        let started = Instant::now();
        let mut file = self.open(&path).map_err(|error| failed(&path, error))?;
        let mut pauses = 0;
        while !try_lock(&mut file, &path).map_err(|error| failed(&path, error))? {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(StorageError::new(
                    StorageErrorKind::Busy,
                    "the session is in use by another process",
                ));
            }
            thread::sleep(pause(pauses).min(left));
            pauses += 1;
        }
        Ok(LockedFile(file))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        match open_lock(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_private_directory(&self.directory)?;
                open_lock(path)
            }
            outcome => outcome,
        }
    }
}

/// A locked file of [`LockFiles`]; dropping it frees it.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing it is not enough while a child process that is just being started still has it.
        if let Err(error) = self.0.unlock() {
            log::warn!("a lock file could not be unlocked: {error}");
        }
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    if path.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    options.open(path)
}

/// Whether the file could be locked. It is opened again if it was removed by hand.
fn try_lock(file: &mut File, path: &Path) -> io::Result<bool> {
    loop {
        match file.try_lock() {
            Ok(()) if is_at(file, path)? => return Ok(true),
            Ok(()) => *file = open_lock(path)?,
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Longer each time, and seldom the same for two that wait.
fn pause(before: u32) -> Duration {
    let [first, longest] = PAUSES;
    let pause = first.saturating_mul(1 << before.min(16)).min(longest);
    let random = RandomState::new().hash_one(before) as u32;
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

fn failed(path: &Path, error: io::Error) -> StorageError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => StorageErrorKind::PermissionDenied,
        _ => StorageErrorKind::Backend,
    };
    StorageError::new(kind, format!("{} could not be locked", path.display())).with_source(error)
}

/// Whether `path` is still this very file, and no symbolic link to it.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(there) => Ok(system::same_file(&there, &file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates the directory for this user alone, unless it is there.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    system::private_directory(&mut builder);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        outcome => outcome,
    }
}

/// The bits of the mode of a file or directory that let other users in; `None` if there are none, or
/// the system has no such modes.
pub fn mode_for_others(metadata: &fs::Metadata) -> Option<u32> {
    system::mode(metadata)
        .map(|mode| mode & 0o077)
        .filter(|others| *others != 0)
}

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    };
    use std::path::Path;

    /// A file that these options create is for this user alone.
    pub fn private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(super) fn private_directory(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    pub(super) fn mode(metadata: &Metadata) -> Option<u32> {
        Some(metadata.permissions().mode())
    }

    pub(super) fn same_file(one: &Metadata, other: &Metadata) -> bool {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }

    /// Makes the names in a directory durable.
    pub fn sync_directory(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{DirBuilder, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    /// A file that these options create is for those that the access list of its directory lets in.
    pub fn private(_: &mut OpenOptions) {}

    pub(super) fn private_directory(_: &mut DirBuilder) {}

    pub(super) fn mode(_: &Metadata) -> Option<u32> {
        None
    }

    /// Windows has no stable number of a file in the standard library: only a link can be told.
    pub(super) fn same_file(one: &Metadata, other: &Metadata) -> bool {
        one.is_symlink() == other.is_symlink()
    }

    /// Does nothing: a directory cannot be synced here.
    pub fn sync_directory(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_pauses_grow_and_are_bounded() {
        let [first, longest] = PAUSES;
        for before in 0..40 {
            let bound = (first * (1 << before.min(16))).min(longest);
            let pause = pause(before);
            assert!(bound / 2 <= pause && pause <= bound, "{pause:?}");
        }
    }
}
