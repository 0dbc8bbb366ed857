//! Makes writes durable, which sled's own flush does not do on Linux.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use logto_core::files::sync_directory;

/// Syncs sled's files, once for all threads that wait at the same time.
///
/// On Linux sled's flush ends with `sync_file_range`: it neither writes down the length of a file that
/// has grown nor empties the cache of the disk. So the log is synced through a second handle, which
/// syncs the same file. So are the files of large pages (`blobs`), which sled never syncs.
pub(crate) struct Durable {
    log: File,
    blobs: PathBuf,
    /// The number of calls.
    called: AtomicU64,
    /// A sync failed: what is in memory is not what is on the disk. A second sync would not tell, because a
    /// system forgets what it could not write.
    failed: AtomicBool,
    done: Mutex<Done>,
}

struct Done {
    /// How many of the calls are served.
    calls: u64,
    /// The large pages that are synced. They never change.
    blobs: HashSet<OsString>,
}

impl Durable {
    /// Makes everything durable that sled writes when it opens a database.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let log = OpenOptions::new().write(true).open(directory.join("db"))?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                sync_if_there(&entry.path())?;
            }
        }
        let blobs = directory.join("blobs");
        let synced = sync_new(&blobs, &HashSet::new())?;
        sync_directory(directory)?;
        Ok(Self {
            log,
            blobs,
            called: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            done: Mutex::new(Done {
                calls: 0,
                blobs: synced,
            }),
        })
    }

    /// Whether a sync failed, or sled panicked in one.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst) || self.done.is_poisoned()
    }

    /// Returns when everything that was written before the call is on the disk. `flush` gives it to the
    /// system.
    pub(crate) fn sync(&self, flush: impl FnOnce() -> sled::Result<usize>) -> sled::Result<()> {
        let call = self.called.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.calls >= call {
            return Ok(());
        }
        if self.has_failed() {
            return Err(io::Error::other("an earlier write failed").into());
        }
        let calls = self.called.load(Ordering::SeqCst);
        let synced = flush().and_then(|_| Ok(self.sync_files(&mut done.blobs)?));
        match synced {
            Ok(()) => done.calls = calls,
            Err(_) => self.failed.store(true, Ordering::SeqCst),
        }
        synced
    }

    fn sync_files(&self, blobs: &mut HashSet<OsString>) -> io::Result<()> {
        *blobs = sync_new(&self.blobs, blobs)?;
        self.log.sync_data()
    }
}

/// Syncs the files that are not yet synced, and returns the names of all.
fn sync_new(directory: &Path, synced: &HashSet<OsString>) -> io::Result<HashSet<OsString>> {
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

/// Returns false if sled has replaced the file since.
fn sync_if_there(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => file.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
