//! A storage with one file for all sessions, which processes share and in which nothing is lost when one
//! is killed, unless it has a fault.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use logto_core::files::{LockFiles, LockedFile};
use logto_core::{
    LocalLocks, OwnerDigest, Record, SessionKey, Storage, StorageError, StorageErrorKind,
    StorageLock, Version,
};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use tempfile::TempDir;

/// What a toy does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Each storage has the sessions that were there when it was opened, and its own.
    RecordsByProcess,
    /// Two processes may write at once.
    WritesWithoutLock,
    LocksByProcess,
    /// A lock is a file that must be removed.
    LocksOutlive,
    /// A save returns before it is written.
    WritesLater,
    /// The file is cut to nothing and then filled.
    WritesInPlace,
    ReplacesInTwoSteps,
    RemovesNothing,
    /// By whom a session is found is written after it.
    IndexesAfterwards,
    /// Some calls fail.
    FailsAtTimes,
    /// The process dies by itself.
    Ends,
}

use Fault as F;

impl Fault {
    const ALL: [Self; 12] = [
        F::None,
        F::RecordsByProcess,
        F::WritesWithoutLock,
        F::LocksByProcess,
        F::LocksOutlive,
        F::WritesLater,
        F::WritesInPlace,
        F::ReplacesInTwoSteps,
        F::RemovesNothing,
        F::IndexesAfterwards,
        F::FailsAtTimes,
        F::Ends,
    ];
}

thread_local! {
    static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}

pub(crate) struct InDirectory {
    fault: Fault,
    directory: TempDir,
}

impl InDirectory {
    /// All toys that this thread makes have the fault.
    pub(crate) fn make_with(fault: Fault) {
        FAULT.set(fault);
    }
}

impl Fixture for InDirectory {
    const PERSISTENT: bool = true;
    const EXPIRES: bool = false;
    const LISTS_SESSIONS: bool = false;

    fn new() -> Self {
        Self {
            fault: FAULT.get(),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn open(&self, _: Duration, _: TestClock) -> Box<dyn Storage> {
        Box::new(Durable::open(self.directory.path(), self.fault))
    }

    fn place(&self) -> Option<String> {
        let directory = self.directory.path().to_str().expect("Unicode");
        Some(format!("{:?} {directory}", self.fault))
    }

    fn open_place(place: &str) -> Box<dyn Storage> {
        let (name, directory) = place.split_once(' ').expect("a fault and a directory");
        let mut faults = Fault::ALL.into_iter();
        let fault = faults.find(|fault| format!("{fault:?}") == name);
        Box::new(Durable::open(Path::new(directory), fault.expect("a fault")))
    }

    fn lock_recovery() -> Duration {
        Duration::from_secs(2)
    }
}

/// By the key in hexadecimal: version, owner and data.
type Sessions = BTreeMap<String, (String, Option<String>, String)>;

#[derive(Debug)]
struct Durable {
    fault: Fault,
    directory: PathBuf,
    locks: LockFiles,
    own_locks: LocalLocks,
    own_sessions: Arc<Mutex<Sessions>>,
}

/// The locks of writers are apart from those of sessions.
const WRITERS: SessionKey = SessionKey::ONLY;

impl Durable {
    fn open(directory: &Path, fault: Fault) -> Self {
        let toy = Self {
            fault,
            directory: directory.to_owned(),
            locks: LockFiles::new(directory.join("locks")),
            own_locks: LocalLocks::default(),
            own_sessions: Arc::default(),
        };
        if toy.has_own_sessions() {
            *toy.own_sessions.lock().unwrap() = toy.read("sessions").unwrap();
        }
        toy
    }

    fn has_own_sessions(&self) -> bool {
        [F::RecordsByProcess, F::WritesLater].contains(&self.fault)
    }

    fn lock_to_write(&self) -> Result<Option<LockedFile>, StorageError> {
        let locks = LockFiles::new(self.directory.join("writers"));
        let needs = self.fault != F::WritesWithoutLock;
        needs
            .then(|| locks.lock(&WRITERS, Duration::from_secs(30)))
            .transpose()
    }

    fn read(&self, name: &str) -> Result<Sessions, StorageError> {
        match fs::read(self.directory.join(name)) {
            Ok(text) => serde_json::from_slice(&text).map_err(failed),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Sessions::new()),
            Err(error) => Err(failed(error)),
        }
    }

    fn sessions(&self) -> Result<Sessions, StorageError> {
        match self.has_own_sessions() {
            true => Ok(self.own_sessions.lock().unwrap().clone()),
            false => self.read("sessions"),
        }
    }

    fn write(&self, sessions: &Sessions) -> Result<(), StorageError> {
        let file = self.directory.join("sessions");
        if self.has_own_sessions() {
            *self.own_sessions.lock().unwrap() = sessions.clone();
        }
        match self.fault {
            F::WritesLater => {
                self.write_later();
                return Ok(());
            }
            F::WritesInPlace => {
                fs::write(&file, "").map_err(failed)?;
                linger();
            }
            _ => {}
        }
        put_file(&self.directory, "sessions", sessions)?;
        if self.fault == F::IndexesAfterwards {
            linger();
            put_file(&self.directory, "index", sessions)?;
        }
        Ok(())
    }

    fn write_later(&self) {
        let (directory, sessions) = (self.directory.clone(), self.own_sessions.clone());
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            put_file(&directory, "sessions", &sessions.lock().unwrap())
        });
    }

    fn change(
        &self,
        compared: &[(&SessionKey, Option<Version>)],
        changes: Vec<(SessionKey, Option<Record>)>,
    ) -> Result<(), StorageError> {
        let _held = self.lock_to_write()?;
        let mut sessions = self.sessions()?;
        for (session, expected) in compared {
            let found = sessions.get(&session.to_hex());
            if found.map(|found| &found.0) != expected.map(text_of).as_ref() {
                return Err(StorageError::conflict());
            }
        }
        if self.fault == F::WritesWithoutLock {
            linger();
        }
        for (session, record) in changes {
            match record {
                Some(record) => sessions.insert(session.to_hex(), stored(&record)),
                None => sessions.remove(&session.to_hex()),
            };
            if self.fault == F::ReplacesInTwoSteps {
                self.write(&sessions)?;
                linger();
            }
        }
        self.write(&sessions)
    }
}

impl Storage for Durable {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        Ok(self
            .sessions()?
            .get(&session.to_hex())
            .map(|(version, owner, data)| {
                let version = u128::from_str_radix(version, 16).expect("a version");
                let owner = owner.as_ref().map(|owner| owner.parse().expect("an owner"));
                Record::stored(Version::from_bytes(version.to_be_bytes()), owner, data)
            }))
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        match self.fault {
            F::FailsAtTimes if record.data().len() > 1000 => return Err(failed("too long")),
            F::Ends if record.data().len() > 1000 => std::process::exit(0),
            _ => {}
        }
        self.change(
            &[(session, expected)],
            vec![(*session, Some(record.clone()))],
        )
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        match self.fault {
            F::RemovesNothing => Ok(()),
            _ => self.change(&[], vec![(*session, None)]),
        }
    }

    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        self.change(
            &[(from, expected), (to, None)],
            vec![(*to, Some(record.clone())), (*from, None)],
        )
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        Ok(match self.fault {
            F::LocksByProcess => StorageLock::new(self.own_locks.lock(session, timeout)?),
            F::LocksOutlive => {
                StorageLock::new(Outliving::new(self.directory.join("lock"), timeout)?)
            }
            _ => StorageLock::new(self.locks.lock(session, timeout)?),
        })
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let sessions = match self.fault {
            F::IndexesAfterwards => self.read("index")?,
            _ => self.sessions()?,
        };
        let is_theirs = |found: &Option<String>| {
            let found = found.as_ref().map(|text| text.parse().expect("an owner"));
            found.is_some_and(|found: logto_core::SessionOwner| found.matches(owner))
        };
        let theirs = sessions.iter().filter(|(_, session)| is_theirs(&session.1));
        Ok(theirs
            .filter_map(|(key, _)| SessionKey::from_hex(key))
            .collect())
    }
}

/// A file that is there while the lock is held.
struct Outliving(PathBuf);

impl Outliving {
    fn new(path: PathBuf, timeout: Duration) -> Result<Self, StorageError> {
        let end = std::time::Instant::now() + timeout;
        while let Err(error) = File::create_new(&path) {
            if std::time::Instant::now() > end {
                let busy = StorageError::new(StorageErrorKind::Busy, "the lock is held");
                return Err(busy.with_source(error));
            }
            linger();
        }
        Ok(Self(path))
    }
}

impl Drop for Outliving {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The whole file, or nothing.
fn put_file(directory: &Path, name: &str, sessions: &Sessions) -> Result<(), StorageError> {
    let text = serde_json::to_vec(sessions).expect("JSON");
    let new = format!("{name}.{}.{:?}", std::process::id(), thread::current().id());
    let new = directory.join(new);
    fs::write(&new, text).map_err(failed)?;
    fs::rename(new, directory.join(name)).map_err(failed)
}

fn stored(record: &Record) -> (String, Option<String>, String) {
    let owner = record.owner().map(|owner| owner.to_string());
    (text_of(record.version()), owner, record.data().to_owned())
}

fn text_of(version: Version) -> String {
    format!("{:x}", u128::from_be_bytes(*version.as_bytes()))
}

/// Long enough to be killed.
fn linger() {
    thread::sleep(Duration::from_millis(1));
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StorageError {
    StorageError::new(StorageErrorKind::Backend, "a file failed").with_source(error)
}
