//! Everything that was written, on the disk.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::directory::sync_directory;

/// Makes writes durable, those of several threads at once.
///
/// On Linux sled's flush ends with `sync_file_range`: it neither writes down the length of a file that
/// has grown nor empties the cache of the disk. So its log is synced through a second handle, which
/// syncs the same file, and so are the files of large pages, which sled syncs never.
pub(crate) struct Durable {
    log: File,
    blobs: PathBuf,
    /// How many calls there were.
    called: AtomicU64,
    done: Mutex<Done>,
}

struct Done {
    /// How many of the calls are served.
    calls: u64,
    /// To sync again would not tell: a system forgets what it could not write.
    failed: bool,
    blobs: HashSet<OsString>,
}

impl Durable {
    /// Makes all durable that sled does when it opens a database.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let log = OpenOptions::new().write(true).open(directory.join("db"))?;
        log.sync_all()?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && entry.file_name() != "db" {
                sync_if_there(&entry.path())?;
            }
        }
        let blobs = directory.join("blobs");
        let synced = sync_blobs(&blobs, &HashSet::new())?;
        sync_directory(directory)?;
        Ok(Self {
            log,
            blobs,
            called: AtomicU64::new(0),
            done: Mutex::new(Done {
                calls: 0,
                failed: false,
                blobs: synced,
            }),
        })
    }

    /// All that was written before the call is on the disk when this returns. `flush` gives it to the
    /// system. Threads that wait here together are served by one of them.
    pub(crate) fn sync(&self, flush: impl FnOnce() -> sled::Result<usize>) -> sled::Result<()> {
        let call = self.called.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.calls >= call {
            return Ok(());
        }
        let calls = self.called.load(Ordering::SeqCst);
        if done.failed {
            return Err(io::Error::other("what other threads wrote was lost").into());
        }
        // Until it has succeeded, also if sled panics.
        done.failed = true;
        flush()?;
        self.sync_files(&mut done.blobs)?;
        done.failed = false;
        done.calls = calls;
        Ok(())
    }

    fn sync_files(&self, blobs: &mut HashSet<OsString>) -> io::Result<()> {
        *blobs = sync_blobs(&self.blobs, blobs)?;
        self.log.sync_data()
    }
}

/// Syncs those that are not yet, and names all there are. They never change.
fn sync_blobs(directory: &Path, synced: &HashSet<OsString>) -> io::Result<HashSet<OsString>> {
    let names = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name()));
    let names = names.collect::<io::Result<HashSet<_>>>()?;
    let mut any = false;
    for name in names.difference(synced) {
        any |= sync_if_there(&directory.join(name))?;
    }
    if any {
        sync_directory(directory)?;
    }
    Ok(names)
}

/// sled may have replaced it since.
fn sync_if_there(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => file.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
