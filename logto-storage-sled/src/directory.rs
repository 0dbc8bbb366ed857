//! The directory of a database: its marker file and its lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::files::{create_private_directory, mode_for_others, private, sync_directory};
use logto_core::{StorageError, StorageErrorKind};

use crate::error;

/// The file that marks a directory as ours. sled writes to each database that it opens, so the marker is
/// read before.
const MARKER: &str = "logto-sessions";

/// The text of the marker before the version.
const OURS: &str = "logto-storage-sled ";

/// The version of the format that this crate reads and writes.
const VERSION: u32 = 1;

/// How long to wait for a process that is about to close the database: sled's threads live a little longer
/// than the storage.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sleep between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// A directory that is ours, locked against other processes.
pub(crate) struct Directory {
    path: PathBuf,
    /// Holds the lock.
    _marker: File,
}

impl Directory {
    /// Creates the directory for this user alone if there is none, and returns its canonical path.
    pub(crate) fn create(path: &Path) -> Result<PathBuf, StorageError> {
        let not_opened = |error| error::io("opened", path, error);
        let refused = |why| error::new(StorageErrorKind::PermissionDenied, "opened", path, why);
        // An absolute path means the same after a change of directory.
        let absolute = std::path::absolute(path).map_err(not_opened)?;
        if absolute.is_file() {
            return Err(refused("it is a file; give the path of a directory"));
        }
        if absolute.parent().is_some_and(|parent| !parent.is_dir()) {
            return Err(refused(
                "its parent directory does not exist; create it first",
            ));
        }
        create_private_directory(&absolute).map_err(not_opened)?;
        absolute.canonicalize().map_err(not_opened)
    }

    /// Locks the directory for this process, if it is ours or empty.
    pub(crate) fn claim(path: PathBuf) -> Result<Self, StorageError> {
        let not_opened = |error| error::io("opened", &path, error);
        let is_new = !path.join(MARKER).exists();
        if is_new && !is_empty(&path).map_err(not_opened)? {
            return Err(foreign(&path));
        }
        let mut marker = open_marker(&path).map_err(not_opened)?;
        lock(&marker, &path)?;
        check(&mut marker, &path)?;
        remove_unfinished_snapshots(&path).map_err(not_opened)?;
        warn_if_others_may_read(&path);
        Ok(Self {
            path,
            _marker: marker,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn open_marker(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    options.open(directory.join(MARKER))
}

fn lock(marker: &File, path: &Path) -> Result<(), StorageError> {
    when_free(path, || match marker.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => Ok(None),
        // The file system has no locks. sled's own attempt is the last resort.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Some(()))
        }
        Err(TryLockError::Error(error)) => Err(error::io("opened", path, error)),
    })
}

/// Tries until another process, which has the database open, has closed it.
pub(crate) fn when_free<T>(
    path: &Path,
    attempt: impl Fn() -> Result<Option<T>, StorageError>,
) -> Result<T, StorageError> {
    let started = Instant::now();
    loop {
        match attempt()? {
            Some(opened) => return Ok(opened),
            None if started.elapsed() < PATIENCE => thread::sleep(PAUSE),
            None => return Err(in_use(path)),
        }
    }
}

/// The error of a second process.
fn in_use(path: &Path) -> StorageError {
    error::new(
        StorageErrorKind::Busy,
        "opened",
        path,
        "another process has it open, and sled lets only one process use a database at a time; \
         for several processes use the SQLite storage (`SqliteStorage`, feature `sqlite`)",
    )
}

fn foreign(path: &Path) -> StorageError {
    error::new(
        StorageErrorKind::Corrupt,
        "opened",
        path,
        "the directory holds something else than sessions; give the path of a new or empty one",
    )
}

/// Reads the marker, under the lock. A process that died before there was a database may have left an
/// unfinished one.
fn check(marker: &mut File, path: &Path) -> Result<(), StorageError> {
    let ours = format!("{OURS}{VERSION}\n");
    let mut says = Vec::new();
    let read = marker.read_to_end(&mut says);
    read.map_err(|error| error::io("opened", path, error))?;
    if says == ours.as_bytes() {
        Ok(())
    } else if is_newer(&says) {
        Err(error::new(
            StorageErrorKind::NewerFormat,
            "opened",
            path,
            "a newer version of this program wrote it",
        ))
    } else if ours.as_bytes().starts_with(&says) && is_empty(path).unwrap_or(false) {
        let written = write_marker(marker, path, &ours);
        written.map_err(|error| error::io("opened", path, error))
    } else {
        Err(foreign(path))
    }
}

fn is_newer(says: &[u8]) -> bool {
    let says = str::from_utf8(says).ok();
    let version = says.and_then(|says| says.strip_prefix(OURS)?.strip_suffix('\n'));
    version.is_some_and(|version| version.parse().is_ok_and(|version: u32| version > VERSION))
}

fn write_marker(marker: &mut File, path: &Path, says: &str) -> io::Result<()> {
    marker.rewind()?;
    marker.write_all(says.as_bytes())?;
    marker.sync_all()?;
    sync_directory(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Whether the directory holds nothing but, at most, the marker and what a file system puts there.
fn is_empty(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != MARKER && name != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// sled would take the unfinished snapshot of a killed process for the newest one, and never open the database
/// again. It keeps the snapshot before until a new one is finished.
fn remove_unfinished_snapshots(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn warn_if_others_may_read(path: &Path) {
    if let Some(others) = path.metadata().ok().as_ref().and_then(mode_for_others) {
        log::warn!(
            "other users may read the session database {} (mode {others:03o}): chmod 700 it",
            path.display(),
        );
    }
}
