//! A store of plain files, for several processes, that keeps all promises among them but one.

use std::cell::Cell;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{
    LocalLocks, PersistKey, SessionId, SessionStore, Storage, StorageError, StorageErrorKind,
    StorageLock,
};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use tempfile::TempDir;

/// The promise that a toy breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessFlaw {
    None,
    ValuesByProcess,
    LocksByProcess,
    LocksOutlive,
}

impl ProcessFlaw {
    const ALL: [Self; 4] = [
        Self::None,
        Self::ValuesByProcess,
        Self::LocksByProcess,
        Self::LocksOutlive,
    ];
}

thread_local! {
    static FLAW: Cell<ProcessFlaw> = const { Cell::new(ProcessFlaw::None) };
}

/// A directory.
pub(crate) struct Files {
    flaw: ProcessFlaw,
    directory: TempDir,
}

impl Files {
    /// All toys that this thread makes have the flaw.
    pub(crate) fn make_with(flaw: ProcessFlaw) {
        FLAW.set(flaw);
    }
}

impl Fixture for Files {
    const PERSISTENT: bool = true;
    const FINDS_OWNERS: bool = false;
    const LISTS_SESSIONS: bool = false;

    fn new() -> Self {
        Self {
            flaw: FLAW.get(),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn open(&self, _: Duration, _: TestClock) -> Box<dyn SessionStore> {
        Box::new(FileStore::open(self.directory.path(), self.flaw))
    }

    fn place(&self) -> Option<String> {
        let directory = self.directory.path().to_str().expect("Unicode");
        Some(format!("{:?} {directory}", self.flaw))
    }

    fn open_place(place: &str) -> Box<dyn SessionStore> {
        let (name, directory) = place.split_once(' ').expect("a flaw and a directory");
        let mut flaws = ProcessFlaw::ALL.into_iter();
        let flaw = flaws.find(|flaw| format!("{flaw:?}") == name);
        let store = FileStore::open(Path::new(directory), flaw.expect("a flaw"));
        Box::new(store)
    }

    fn lock_recovery() -> Duration {
        Duration::from_secs(2)
    }
}

#[derive(Clone, Debug)]
struct FileStore {
    flaw: ProcessFlaw,
    directory: PathBuf,
    locks: LocalLocks,
}

impl FileStore {
    fn open(directory: &Path, flaw: ProcessFlaw) -> Self {
        Self {
            flaw,
            directory: directory.to_owned(),
            locks: LocalLocks::default(),
        }
    }
}

impl SessionStore for FileStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        Arc::new(FileSession {
            store: self.clone(),
            session: id.digest(),
            name: id.digest_hex(),
        })
    }

    fn rename(&self, _: &SessionId, _: &SessionId) -> Result<(), StorageError> {
        unimplemented!("no check among processes renames")
    }

    fn remove(&self, _: &SessionId) -> Result<(), StorageError> {
        unimplemented!("no check among processes removes")
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        unimplemented!("no check among processes purges")
    }
}

#[derive(Debug)]
struct FileSession {
    store: FileStore,
    session: [u8; 32],
    name: String,
}

impl FileSession {
    fn path(&self, what: &str) -> PathBuf {
        self.store.directory.join(format!("{}-{what}", self.name))
    }

    fn value_path(&self, key: PersistKey) -> PathBuf {
        match self.store.flaw {
            ProcessFlaw::ValuesByProcess => self.path(&format!("{key}-{}", process::id())),
            _ => self.path(key.as_str()),
        }
    }

    /// Whether this process has the lock now, and what releases it.
    fn try_lock(&self) -> Option<FileLock> {
        let path = self.path("lock");
        match self.store.flaw {
            ProcessFlaw::LocksByProcess => Some(FileLock::None),
            ProcessFlaw::LocksOutlive => {
                File::create_new(&path).ok()?;
                Some(FileLock::WhileItExists(path))
            }
            _ => {
                let file = File::create(path).expect("a file");
                match file.try_lock() {
                    Ok(()) => Some(FileLock::WhileOpen(file)),
                    Err(TryLockError::WouldBlock) => None,
                    Err(TryLockError::Error(error)) => panic!("{error}"),
                }
            }
        }
    }
}

impl Storage for FileSession {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        match fs::read_to_string(self.value_path(key)) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        let path = self.value_path(key);
        match value {
            Some(value) => {
                let whole = self.path(&format!("new-{}", process::id()));
                fs::write(&whole, value).map_err(failed)?;
                fs::rename(whole, path).map_err(failed)
            }
            None => match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            },
        }
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let end = Instant::now() + timeout;
        let local = self.store.locks.lock(self.session, timeout)?;
        loop {
            if let Some(lock) = self.try_lock() {
                return Ok(StorageLock::new((lock, local)));
            }
            if Instant::now() > end {
                let message = "another process has the lock";
                return Err(StorageError::new(StorageErrorKind::Busy, message));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

enum FileLock {
    None,
    WhileOpen(#[allow(dead_code)] File),
    WhileItExists(PathBuf),
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if let Self::WhileItExists(path) = self {
            fs::remove_file(path).expect("the file of the lock");
        }
    }
}

fn failed(error: std::io::Error) -> StorageError {
    StorageError::new(StorageErrorKind::Backend, "a file failed").with_source(error)
}
