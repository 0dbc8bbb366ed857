//! A store with a file for each session, in which nothing is lost when its process is killed, unless
//! it has a flaw.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use logto_core::{
    Change, FoundSession, LocalLocks, OwnerDigest, PersistKey, SessionId, SessionOwner,
    SessionStore, Storage, StorageError, StorageErrorKind, StorageLock,
};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use tempfile::TempDir;

/// What a toy does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Another thread writes, soon.
    WritesLater,
    /// Each change of an update is written by itself.
    WritesKeyByKey,
    /// A session is cut to nothing and then filled.
    WritesInPlace,
    RenamesByCopying,
    RemovesNothing,
    /// By whom a session is found is written after it.
    NotesOwnersAfterwards,
    /// Some calls fail.
    FailsAtTimes,
    /// The process dies by itself.
    Ends,
}

impl Flaw {
    pub(crate) const ALL: [Self; 9] = [
        Self::None,
        Self::WritesLater,
        Self::WritesKeyByKey,
        Self::WritesInPlace,
        Self::RenamesByCopying,
        Self::RemovesNothing,
        Self::NotesOwnersAfterwards,
        Self::FailsAtTimes,
        Self::Ends,
    ];
}

thread_local! {
    static FLAW: Cell<Flaw> = const { Cell::new(Flaw::None) };
}

/// A directory, which one process has for itself.
pub(crate) struct Durable {
    flaw: Flaw,
    directory: TempDir,
}

impl Durable {
    /// All toys that this thread makes have the flaw.
    pub(crate) fn make_with(flaw: Flaw) {
        FLAW.set(flaw);
    }

    pub(crate) fn files(&self) -> usize {
        let files = fs::read_dir(self.directory.path());
        files.expect("the directory").count()
    }
}

impl Fixture for Durable {
    const PERSISTENT: bool = true;
    const SHARED: bool = false;

    fn new() -> Self {
        Self {
            flaw: FLAW.get(),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn open(&self, _: Duration, _: TestClock) -> Box<dyn SessionStore> {
        Box::new(DurableStore::open(self.directory.path(), self.flaw))
    }

    fn place(&self) -> Option<String> {
        let directory = self.directory.path().to_str().expect("Unicode");
        Some(format!("{:?} {directory}", self.flaw))
    }

    fn open_place(place: &str) -> Box<dyn SessionStore> {
        let (name, directory) = place.split_once(' ').expect("a flaw and a directory");
        let mut flaws = Flaw::ALL.into_iter();
        let flaw = flaws.find(|flaw| format!("{flaw:?}") == name);
        let store = DurableStore::open(Path::new(directory), flaw.expect("a flaw"));
        Box::new(store)
    }
}

type Values = BTreeMap<String, String>;

#[derive(Clone, Debug)]
struct DurableStore {
    flaw: Flaw,
    directory: PathBuf,
    locks: LocalLocks,
    /// What is to be written later.
    later: Sender<(PathBuf, Values)>,
}

impl DurableStore {
    fn open(directory: &Path, flaw: Flaw) -> Self {
        let (later, due) = mpsc::channel::<(PathBuf, Values)>();
        if flaw == Flaw::WritesLater {
            thread::spawn(move || {
                for (path, values) in due {
                    thread::sleep(Duration::from_millis(5));
                    let _ = write(&path, &values);
                }
            });
        }
        Self {
            flaw,
            directory: directory.to_owned(),
            locks: LocalLocks::default(),
            later,
        }
    }

    fn path(&self, id: &SessionId) -> PathBuf {
        self.directory.join(id.digest_hex())
    }
}

impl SessionStore for DurableStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        Arc::new(DurableSession {
            store: self.clone(),
            path: self.path(id),
            session: id.digest(),
        })
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        let (from, to) = (self.path(from), self.path(to));
        if from == to || !from.exists() {
            return Ok(());
        }
        if self.flaw == Flaw::RenamesByCopying {
            write(&to, &read(&from)?)?;
            linger();
            return fs::remove_file(from).map_err(failed);
        }
        fs::rename(&from, &to).map_err(failed)?;
        if self.flaw == Flaw::NotesOwnersAfterwards {
            linger();
            let [from, to] = [from, to].map(|path| path.with_extension("owner"));
            write(&to, &read(&from)?)?;
            fs::remove_file(from).map_err(failed)?;
        }
        Ok(())
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        if self.flaw == Flaw::RemovesNothing {
            return Ok(());
        }
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        match self.flaw {
            Flaw::NotesOwnersAfterwards => {
                write(&self.path(id).with_extension("owner"), &Values::new())
            }
            _ => Ok(()),
        }
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        Ok(0)
    }

    /// Looks at every session.
    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(session) = digest(&path) else {
                continue;
            };
            let values = match self.flaw {
                Flaw::NotesOwnersAfterwards => read(&path.with_extension("owner"))?,
                _ => read(&path)?,
            };
            let value = values.get(PersistKey::Owner.as_str());
            let is = value.and_then(|value| SessionOwner::of_value(value));
            if is.is_some_and(|is| is.is(owner)) {
                let store = self.clone();
                let storage = DurableSession {
                    store,
                    path,
                    session,
                };
                found.push(FoundSession::new(session, Arc::new(storage)));
            }
        }
        Ok(found)
    }
}

#[derive(Debug)]
struct DurableSession {
    store: DurableStore,
    path: PathBuf,
    session: [u8; 32],
}

impl Storage for DurableSession {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        Ok(read(&self.path)?.remove(key.as_str()))
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.update(&[Change { key, value }])
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let mut values = read(&self.path)?;
        for change in changes {
            let key = change.key.as_str().to_owned();
            match change.value {
                Some(value) => values.insert(key, value.to_owned()),
                None => values.remove(&key),
            };
            if self.store.flaw == Flaw::WritesKeyByKey {
                write(&self.path, &values)?;
                linger();
            }
        }
        match self.store.flaw {
            Flaw::WritesLater => {
                let later = self.store.later.send((self.path.clone(), values));
                later.expect("somebody who writes");
                Ok(())
            }
            Flaw::WritesInPlace => {
                fs::write(&self.path, "").map_err(failed)?;
                linger();
                write(&self.path, &values)
            }
            Flaw::NotesOwnersAfterwards => {
                write(&self.path, &values)?;
                linger();
                let owner = PersistKey::Owner.as_str();
                values.retain(|key, _| key == owner);
                write(&self.path.with_extension("owner"), &values)
            }
            Flaw::FailsAtTimes if changes.len() < 3 => Err(StorageError::new(
                StorageErrorKind::Backend,
                "too few changes",
            )),
            Flaw::Ends if changes.len() < 3 => std::process::exit(0),
            _ => write(&self.path, &values),
        }
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let held = self.store.locks.lock(self.session, timeout)?;
        Ok(StorageLock::new(held))
    }
}

/// The session that the file of this name holds.
fn digest(path: &Path) -> Option<[u8; 32]> {
    let name = path.file_name()?.to_str().filter(|name| name.len() == 64)?;
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&name[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

fn read(path: &Path) -> Result<Values, StorageError> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| failed(std::io::Error::new(ErrorKind::InvalidData, error))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Values::new()),
        Err(error) => Err(failed(error)),
    }
}

/// The whole session, or nothing.
fn write(path: &Path, values: &Values) -> Result<(), StorageError> {
    let whole = path.with_extension("new");
    let text = serde_json::to_vec(values).expect("JSON");
    fs::write(&whole, text).map_err(failed)?;
    fs::rename(whole, path).map_err(failed)
}

/// Long enough to be killed.
fn linger() {
    thread::sleep(Duration::from_millis(1));
}

fn failed(error: std::io::Error) -> StorageError {
    StorageError::new(StorageErrorKind::Backend, "a file failed").with_source(error)
}
