//! One open database: the calls of sled, and their errors.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use logto_core::{
    LocalLocks, OwnerDigest, Record, SessionKey, SessionOwner, StorageError, StorageErrorKind,
};
use sled::transaction::{ConflictableTransactionError, TransactionError, TransactionalTree};
use sled::{Db, IVec, Transactional as _, Tree};

use crate::directory::{self, Directory};
use crate::durable::Durable;
use crate::error;

/// The memory that sled may keep pages in.
const CACHE: u64 = 64 * 1024 * 1024;

/// The open databases of this process, by canonical path. sled would refuse to open one twice.
static DATABASES: Mutex<BTreeMap<PathBuf, Weak<Database>>> = Mutex::new(BTreeMap::new());

pub(crate) struct Database {
    /// Records by session key.
    sessions: Tree,
    /// Empty values under a digest of an owner and the session key behind it.
    owners: Tree,
    db: Db,
    durable: Durable,
    /// The locks of the sessions. No other process has the database open.
    pub(crate) locks: LocalLocks,
    /// The last field: it is unlocked when sled is gone.
    directory: Directory,
}

/// A transaction over both trees.
pub(crate) struct Transaction<'a> {
    sessions: &'a TransactionalTree,
    owners: &'a TransactionalTree,
}

/// The result of a step of a transaction. `Abort` ends it without a change.
pub(crate) type Step<T> = Result<T, ConflictableTransactionError<StorageError>>;

impl Database {
    /// Opens the database at this path, and creates it if there is none.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, StorageError> {
        let path = Directory::create(path)?;
        // A panic elsewhere leaves the map whole.
        let mut databases = DATABASES.lock().unwrap_or_else(PoisonError::into_inner);
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
        let open_trees = || {
            let trees = (db.open_tree("sessions")?, db.open_tree("owners")?);
            db.flush()?;
            Ok(trees)
        };
        let (sessions, owners) = answer(caught(open_trees), "opened", path)?;
        let durable = Durable::open(path).map_err(|error| error::io("opened", path, error))?;
        Ok(Self {
            sessions,
            owners,
            db,
            durable,
            locks: LocalLocks::default(),
            directory,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn get(&self, session: &SessionKey) -> Result<Option<IVec>, StorageError> {
        self.ask("read", || self.sessions.get(session.as_bytes()))
    }

    /// Puts `new` in the place of `old`, unless another record is there. It is durable within half a second.
    pub(crate) fn exchange(
        &self,
        session: &SessionKey,
        old: &IVec,
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        let exchange = || {
            self.sessions
                .compare_and_swap(session.as_bytes(), Some(old), Some(new))
        };
        self.ask("written", exchange).map(drop)
    }

    /// Changes both trees in one step, or neither, durably.
    pub(crate) fn change<T>(
        &self,
        steps: impl Fn(&Transaction<'_>) -> Step<T>,
    ) -> Result<T, StorageError> {
        let value = self.ask("written", || {
            let outcome = (&self.sessions, &self.owners)
                .transaction(|(sessions, owners)| steps(&Transaction { sessions, owners }));
            match outcome {
                Ok(value) => Ok(Ok(value)),
                Err(TransactionError::Abort(error)) => Ok(Err(error)),
                Err(TransactionError::Storage(error)) => Err(error),
            }
        })??;
        self.ask("written", || self.durable.sync(|| self.db.flush()))?;
        Ok(value)
    }

    /// The keys of all sessions whose bytes are `wanted`.
    pub(crate) fn keys_where(
        &self,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<SessionKey>, StorageError> {
        let keys = self.ask("read", || {
            let mut keys = Vec::new();
            for entry in &self.sessions {
                let (key, record) = entry?;
                if let Some(key) = key_of(&key).filter(|_| wanted(&record)) {
                    // A damaged tree may lead around for ever.
                    if keys.last().is_some_and(|last| *last >= key) {
                        return Ok(None);
                    }
                    keys.push(key);
                }
            }
            Ok(Some(keys))
        })?;
        keys.ok_or_else(|| self.damaged())
    }

    /// The keys that are indexed under this owner.
    pub(crate) fn keys_of(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        self.ask("read", || {
            let entries = self.owners.scan_prefix(owner.as_bytes()).keys();
            let key = |entry: IVec| entry.get(32..).and_then(key_of);
            entries
                .filter_map(|entry| entry.map(key).transpose())
                .collect()
        })
    }

    /// The error of a record that cannot be read.
    pub(crate) fn damaged(&self) -> StorageError {
        error::damaged("read", self.path())
    }

    /// Calls sled, unless a write was lost: then memory and disk differ.
    fn ask<T>(
        &self,
        done: &str,
        work: impl FnOnce() -> sled::Result<T>,
    ) -> Result<T, StorageError> {
        if self.durable.has_failed() {
            let why = "an earlier write failed; restart the program";
            return Err(error::new(
                StorageErrorKind::Backend,
                done,
                self.path(),
                why,
            ));
        }
        answer(caught(work), done, self.path())
    }
}

impl Transaction<'_> {
    pub(crate) fn get(&self, session: &SessionKey) -> Step<Option<IVec>> {
        Ok(self.sessions.get(session.as_bytes())?)
    }

    /// Writes a session and its index entries.
    pub(crate) fn put(&self, session: &SessionKey, record: &Record, used_at: i64) -> Step<()> {
        let bytes = to_bytes(record, used_at);
        let before = self.sessions.insert(session.as_bytes(), bytes)?;
        self.index(session, before, record.owner())
    }

    /// Removes a session and its index entries.
    pub(crate) fn remove(&self, session: &SessionKey) -> Step<()> {
        let before = self.sessions.remove(session.as_bytes())?;
        self.index(session, before, None)
    }

    /// A damaged record names no owner. Its index entries stay, and lead to no session.
    fn index(
        &self,
        session: &SessionKey,
        before: Option<IVec>,
        owner: Option<SessionOwner>,
    ) -> Step<()> {
        let before = before.and_then(|bytes| parse(&bytes)?.1.owner());
        if before == owner {
            return Ok(());
        }
        for digest in before.iter().flat_map(SessionOwner::digests) {
            self.owners.remove(index_entry(&digest, session))?;
        }
        for digest in owner.iter().flat_map(SessionOwner::digests) {
            self.owners.insert(index_entry(&digest, session), &[])?;
        }
        Ok(())
    }
}

/// Returns the stored bytes of a session: its last use in milliseconds since 1970 (8 bytes, big-endian) and the
/// [record](Record::to_bytes).
pub(crate) fn to_bytes(record: &Record, used_at: i64) -> Vec<u8> {
    [&used_at.to_be_bytes()[..], &record.to_bytes()].concat()
}

/// Returns the last use and the record of a stored session; `None` if the bytes are damaged.
pub(crate) fn parse(bytes: &[u8]) -> Option<(i64, Record)> {
    let (used_at, record) = bytes.split_first_chunk()?;
    Some((i64::from_be_bytes(*used_at), Record::from_bytes(record)?))
}

fn index_entry(owner: &OwnerDigest, session: &SessionKey) -> Vec<u8> {
    [*owner.as_bytes(), *session.as_bytes()].concat()
}

fn key_of(bytes: &[u8]) -> Option<SessionKey> {
    bytes.try_into().ok().map(SessionKey::from_bytes)
}

/// sled's threads may keep its own lock for a moment after a storage was closed.
fn open_when_free(path: &Path) -> Result<Db, StorageError> {
    let config = sled::Config::new().path(path).cache_capacity(CACHE);
    directory::when_free(path, || match caught(|| config.open()) {
        Some(Err(error)) if is_locked(&error) => Ok(None),
        outcome => answer(outcome, "opened", path).map(Some),
    })
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn answer<T>(outcome: Option<sled::Result<T>>, done: &str, path: &Path) -> Result<T, StorageError> {
    match outcome {
        Some(outcome) => outcome.map_err(|error| error::failed(done, path, error)),
        None => Err(error::damaged(done, path)),
    }
}

/// sled panics on much of what it does not expect in its files: `None`.
fn caught<T>(work: impl FnOnce() -> sled::Result<T>) -> Option<sled::Result<T>> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}
