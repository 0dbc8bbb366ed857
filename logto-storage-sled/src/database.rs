//! One open database: what is asked of sled, and how it is answered.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use logto_core::{LocalLocks, OwnerDigest, StorageError, StorageErrorKind};
use sled::transaction::{ConflictableTransactionError, TransactionError};
use sled::{Db, IVec, Transactional as _, Tree};

use crate::directory::{self, Directory};
use crate::durable::Durable;
use crate::error;
use crate::record::{Beside, CHUNK};

/// The memory that sled may keep pages in.
const CACHE: u64 = 64 * 1024 * 1024;

/// The databases that stores of this process have open, by canonical path. sled would refuse to open
/// one twice.
static DATABASES: Mutex<BTreeMap<PathBuf, Weak<Database>>> = Mutex::new(BTreeMap::new());

pub(crate) struct Database {
    db: Db,
    /// Records by digest.
    sessions: Tree,
    /// Pieces of values beside their records.
    chunks: Tree,
    /// Owners, each with a digest of theirs behind it.
    owners: Tree,
    durable: Durable,
    /// A write was lost: what is in memory is not what is on the disk.
    failed: AtomicBool,
    writer: Mutex<()>,
    locks: LocalLocks,
    /// The last field: it is unlocked when sled is gone.
    directory: Directory,
}

/// Some of the sessions in the order of their names.
#[derive(Default)]
pub(crate) struct Page {
    /// Those that were wanted.
    pub(crate) names: Vec<[u8; 32]>,
    /// The last one, wanted or not; `None` if there are no more.
    pub(crate) last: Option<IVec>,
}

/// Changes that are made together.
#[derive(Default)]
pub(crate) struct Writes {
    sessions: Vec<([u8; 32], Option<Vec<u8>>)>,
    chunks: Vec<([u8; 36], Option<IVec>)>,
    owners: Vec<([u8; 64], bool)>,
}

impl Database {
    /// The database at this path, which is opened, and created if there is none.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, StorageError> {
        let path = Directory::create(path)?;
        let mut databases = unpoisoned(&DATABASES);
        if let Some(database) = databases.get(&path).and_then(Weak::upgrade) {
            return Ok(database);
        }
        let database = Arc::new(Self::open_first(Directory::claim(path.clone())?)?);
        databases.retain(|_, database| database.strong_count() > 0);
        databases.insert(path, Arc::downgrade(&database));
        Ok(database)
    }

    fn open_first(directory: Directory) -> Result<Self, StorageError> {
        let path = directory.path();
        let db = open_when_free(path)?;
        let opened = answer(
            || {
                let [sessions, chunks, owners] = ["sessions", "chunks", "owners"];
                let trees = (
                    db.open_tree(sessions)?,
                    db.open_tree(chunks)?,
                    db.open_tree(owners)?,
                );
                db.flush()?;
                Ok(trees)
            },
            "opened",
            path,
        );
        let (sessions, chunks, owners) = opened?;
        let durable = Durable::open(path).map_err(|error| error::io("opened", path, error))?;
        Ok(Self {
            db,
            sessions,
            chunks,
            owners,
            durable,
            failed: AtomicBool::new(false),
            writer: Mutex::default(),
            locks: LocalLocks::default(),
            directory,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The locks of the sessions. Nobody outside this process has to wait.
    pub(crate) fn locks(&self) -> &LocalLocks {
        &self.locks
    }

    /// The turn to read and then write what follows from it.
    pub(crate) fn writer(&self) -> MutexGuard<'_, ()> {
        unpoisoned(&self.writer)
    }

    /// As [`writer`](Self::writer), if nobody has it.
    pub(crate) fn writer_now(&self) -> Option<MutexGuard<'_, ()>> {
        self.writer.try_lock().ok()
    }

    /// The record of a session.
    pub(crate) fn record(&self, session: &[u8; 32]) -> Result<Option<IVec>, StorageError> {
        self.ask("read", || self.sessions.get(session))
    }

    /// The bytes of a value beside its record; `None` if it was replaced since the record was read.
    pub(crate) fn beside(&self, beside: Beside) -> Result<Option<Vec<u8>>, StorageError> {
        let mut bytes = Vec::new();
        // What a damaged length says may not be had: then the chunks end the search.
        let _ = bytes.try_reserve_exact(beside.length());
        for key in beside.chunk_keys() {
            match self.ask("read", || self.chunks.get(key))? {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
        if bytes.len() != beside.length() {
            return Err(self.damaged());
        }
        Ok(Some(bytes))
    }

    /// Looks at the next sessions behind this name, as many as `most`. The last of them is behind it: a
    /// damaged tree is not gone around for ever.
    pub(crate) fn page(
        &self,
        behind: &[u8],
        most: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Page, StorageError> {
        let page = self.ask("read", || {
            let mut page = Page::default();
            let next = (Bound::Excluded(behind), Bound::Unbounded);
            for entry in self.sessions.range::<&[u8], _>(next).take(most) {
                let (name, record) = entry?;
                if let Ok(name) = name.as_ref().try_into()
                    && wanted(&record)
                {
                    page.names.push(name);
                }
                page.last = Some(name);
            }
            Ok(page)
        })?;
        match &page.last {
            Some(last) if last[..] <= *behind => Err(self.damaged()),
            _ => Ok(page),
        }
    }

    /// The names of the sessions that are said to be the owner's.
    pub(crate) fn named_by(&self, owner: &OwnerDigest) -> Result<Vec<[u8; 32]>, StorageError> {
        self.ask("read", || {
            let keys = self.owners.scan_prefix(owner.as_bytes()).keys();
            let session = |key: IVec| key.get(32..).and_then(|name| name.try_into().ok());
            keys.filter_map(|key| key.map(session).transpose())
                .collect()
        })
    }

    /// Makes all of these changes, or none. They are not durable yet.
    pub(crate) fn write(&self, writes: &Writes) -> Result<(), StorageError> {
        self.ask("written", || {
            match (&writes.sessions[..], &writes.chunks[..], &writes.owners[..]) {
                // One change is whole by itself. A transaction would hold up all readers of the process.
                ([(session, record)], [], []) => match record {
                    Some(record) => self.sessions.insert(session, &record[..]).map(drop),
                    None => self.sessions.remove(session).map(drop),
                },
                _ => self.transact(writes),
            }
        })
    }

    /// Hands all that was written to the operating system, where a process that ends does not lose it. sled
    /// keeps it for up to half a second.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        self.change(|| self.db.flush().map(drop))
    }

    /// Makes all that was written durable.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.change(|| self.durable.sync(|| self.db.flush()))
    }

    /// What sled returned is not what was written.
    pub(crate) fn damaged(&self) -> StorageError {
        error::damaged("read", self.path())
    }

    fn transact(&self, writes: &Writes) -> sled::Result<()> {
        let trees = (&self.sessions, &self.chunks, &self.owners);
        let outcome = trees.transaction(|(sessions, chunks, owners)| {
            for (session, record) in &writes.sessions {
                match record {
                    Some(record) => sessions.insert(session, &record[..])?,
                    None => sessions.remove(session)?,
                };
            }
            for (key, chunk) in &writes.chunks {
                match chunk {
                    Some(chunk) => chunks.insert(&key[..], chunk)?,
                    None => chunks.remove(&key[..])?,
                };
            }
            for (key, is_owner) in &writes.owners {
                match is_owner {
                    true => owners.insert(&key[..], &[])?,
                    false => owners.remove(&key[..])?,
                };
            }
            Ok::<_, ConflictableTransactionError<sled::Error>>(())
        });
        outcome.map_err(|error| match error {
            TransactionError::Abort(error) | TransactionError::Storage(error) => error,
        })
    }

    /// Has sled change something. After a failure nobody knows what is on the disk.
    fn change<T>(&self, work: impl FnOnce() -> sled::Result<T>) -> Result<T, StorageError> {
        let outcome = self.ask("written", work);
        if outcome.is_err() {
            self.failed.store(true, Ordering::SeqCst);
        }
        outcome
    }

    /// Has sled do something.
    fn ask<T>(
        &self,
        done: &str,
        work: impl FnOnce() -> sled::Result<T>,
    ) -> Result<T, StorageError> {
        let path = self.path();
        if self.failed.load(Ordering::SeqCst) {
            let why = "an earlier write failed; restart the program";
            return Err(error::new(StorageErrorKind::Backend, done, path, why));
        }
        answer(work, done, path)
    }
}

impl Writes {
    /// What a session holds from now on; `None` removes it.
    pub(crate) fn session(&mut self, session: [u8; 32], record: Option<Vec<u8>>) {
        self.sessions.push((session, record));
    }

    pub(crate) fn add(&mut self, beside: Beside, text: &[u8]) {
        let chunks = text.chunks(CHUNK).map(|chunk| Some(IVec::from(chunk)));
        self.chunks.extend(beside.chunk_keys().zip(chunks));
    }

    /// Whether a session is the owner's from now on.
    pub(crate) fn owner(&mut self, owner: OwnerDigest, session: [u8; 32], is_owner: bool) {
        let mut key = [0; 64];
        key[..32].copy_from_slice(owner.as_bytes());
        key[32..].copy_from_slice(&session);
        self.owners.push((key, is_owner));
    }

    pub(crate) fn remove(&mut self, beside: Beside) {
        self.chunks
            .extend(beside.chunk_keys().map(|key| (key, None)));
    }
}

/// sled's threads may keep its own lock for a moment after a store was closed.
fn open_when_free(path: &Path) -> Result<Db, StorageError> {
    let config = sled::Config::new().path(path).cache_capacity(CACHE);
    let started = Instant::now();
    loop {
        match caught(|| config.open()) {
            Some(Err(error)) if is_locked(&error) => {
                if started.elapsed() > directory::PATIENCE {
                    return Err(directory::in_use(path));
                }
                thread::sleep(directory::PAUSE);
            }
            outcome => return answered(outcome, "opened", path),
        }
    }
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// What sled says to `work`.
fn answer<T>(
    work: impl FnOnce() -> sled::Result<T>,
    done: &str,
    path: &Path,
) -> Result<T, StorageError> {
    answered(caught(work), done, path)
}

fn answered<T>(
    outcome: Option<sled::Result<T>>,
    done: &str,
    path: &Path,
) -> Result<T, StorageError> {
    match outcome {
        Some(outcome) => outcome.map_err(|error| error::failed(done, path, error)),
        None => Err(error::damaged(done, path)),
    }
}

/// sled panics on much of what it does not expect in its files.
fn caught<T>(work: impl FnOnce() -> sled::Result<T>) -> Option<sled::Result<T>> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

/// A panic elsewhere leaves nothing behind that is half done.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
