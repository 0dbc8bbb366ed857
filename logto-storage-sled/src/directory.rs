//! The directory of a database: whose it is, and who has it open.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{StorageError, StorageErrorKind};

use crate::{error, permissions};

/// The file that says whose the directory is. sled writes to each database that it opens, so this must
/// be known before.
const MARKER: &str = "logto-sessions";

/// What the marker says before the version.
const WHOSE: &str = "logto-storage-sled ";

/// The version of what is stored that this crate reads and writes.
const VERSION: u32 = 1;

/// How long to wait for somebody who is about to close the database: sled's threads live a little longer
/// than the store.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait between two tries.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// A directory that is ours, and that no other process has open.
pub(crate) struct Directory {
    path: PathBuf,
    /// Keeps the lock.
    _marker: File,
}

impl Directory {
    /// Creates the directory for this user alone if there is none, and says what it is called.
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
        permissions::create_private(&absolute).map_err(not_opened)?;
        absolute.canonicalize().map_err(not_opened)
    }

    /// Has the directory for this process alone, if it is ours or empty.
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
        permissions::warn_if_others_may_read(&path);
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
    permissions::private(&mut options);
    options.open(directory.join(MARKER))
}

fn lock(marker: &File, path: &Path) -> Result<(), StorageError> {
    let started = Instant::now();
    loop {
        match marker.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(in_use(path)),
            // sled's own lock must do.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(());
            }
            Err(TryLockError::Error(error)) => return Err(error::io("opened", path, error)),
        }
    }
}

/// Somebody else has the database. It may well be a process that is about to be replaced by this one.
pub(crate) fn in_use(path: &Path) -> StorageError {
    error::new(
        StorageErrorKind::Busy,
        "opened",
        path,
        "another process has it open, and sled lets only one process use a database at a time; \
         for several processes use the SQLite storage (SqliteStore, feature `sqlite`)",
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

/// The marker is read under the lock. An unfinished one is of a process that died before there was a
/// database.
fn check(marker: &mut File, path: &Path) -> Result<(), StorageError> {
    let ours = format!("{WHOSE}{VERSION}\n");
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
    let version = std::str::from_utf8(says)
        .ok()
        .and_then(|says| says.strip_prefix(WHOSE)?.strip_suffix('\n'))
        .and_then(|version| version.parse::<u32>().ok());
    version.is_some_and(|version| version > VERSION)
}

fn write_marker(marker: &mut File, path: &Path, says: &str) -> io::Result<()> {
    marker.rewind()?;
    marker.write_all(says.as_bytes())?;
    marker.sync_all()?;
    sync_directory(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Whether there is nothing in the directory but, at most, the marker and what a file system puts there.
fn is_empty(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != MARKER && name != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// sled would take the snapshot that a killed process was still writing for the newest one, and refuse
/// to open the database ever again. The one before is kept until a new one is finished.
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

/// Makes the names in a directory durable, where the system can.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}
