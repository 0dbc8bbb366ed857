//! Each file operation of a call fails in turn: the call has changed nothing, or it has succeeded.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use logto_core::{Storage as _, StorageError, StorageErrorKind};
use tempfile::TempDir;

use super::{Sessions, read_all, record, save, session, storage};
use crate::FileStorage;
use crate::fs::{Fs, OsFs};

const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;

/// Fails the operation of this number since it was set.
#[derive(Debug, Clone, Copy)]
struct Plan {
    at: usize,
    error: i32,
    /// Whether all later operations fail too.
    for_good: bool,
}

#[derive(Debug, Clone, Default)]
struct FaultyFs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    plan: Option<Plan>,
    done: usize,
    /// The operation that failed first.
    failed: Option<&'static str>,
}

impl FaultyFs {
    fn set(&self, plan: Option<Plan>) -> State {
        let new = State {
            plan,
            ..State::default()
        };
        std::mem::replace(&mut self.0.lock().unwrap(), new)
    }

    fn step(&self, operation: &'static str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.done += 1;
        let done = state.done;
        let due = |plan: &Plan| plan.at == done || plan.for_good && plan.at < done;
        match state.plan.filter(due) {
            Some(plan) => {
                state.failed.get_or_insert(operation);
                Err(io::Error::from_raw_os_error(plan.error))
            }
            None => Ok(()),
        }
    }
}

impl Fs for FaultyFs {
    /// Writes half of the content if it fails.
    fn create(&self, path: &Path, bytes: &[u8], time: Option<SystemTime>) -> io::Result<File> {
        match self.step("create") {
            Ok(()) => OsFs.create(path, bytes, time),
            Err(error) => {
                OsFs.create(path, &bytes[..bytes.len() / 2], time)?;
                Err(error)
            }
        }
    }

    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step("sync file")?;
        OsFs.sync_file(file, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename")?;
        OsFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove")?;
        OsFs.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.step("sync directory")?;
        OsFs.sync_directory(path)
    }
}

type Call = fn(&FileStorage) -> Result<(), StorageError>;

const CALLS: [Call; 5] = [
    |storage| save(storage, 0, &record(Some("bob"), "new")),
    |storage| save(storage, 0, &record(Some("alice"), "new")),
    |storage| save(storage, 1, &record(Some("alice"), "new")),
    |storage| storage.remove(&session(0)),
    REPLACE,
];

const REPLACE: Call = |storage| {
    let version = storage.load(&session(0))?.map(|record| record.version());
    let new = record(Some("alice"), "new");
    storage.replace(&session(0), version, &session(1), &new)
};

struct Fixture {
    directory: TempDir,
    fs: FaultyFs,
    storage: FileStorage,
    before: Sessions,
}

impl Fixture {
    /// Session 0 is Alice's.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fs = FaultyFs::default();
        let storage = storage(&directory.path().join("sessions"), fs.clone()).unwrap();
        save(&storage, 0, &record(Some("alice"), "old")).unwrap();
        Self {
            before: read_all(&storage).unwrap(),
            directory,
            fs,
            storage,
        }
    }

    fn temporaries(&self) -> usize {
        let entries = std::fs::read_dir(self.directory.path().join("sessions")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|end| end == "tmp"))
            .count()
    }
}

/// Fails the operation of this number in this call; `false` if there are not so many.
fn check(call: Call, plan: Plan) -> bool {
    let fixture = Fixture::new();
    fixture.fs.set(Some(plan));
    let outcome = call(&fixture.storage);
    let failed = fixture.fs.set(None).failed;
    let after = read_all(&fixture.storage).unwrap();
    let is_old = after == fixture.before;
    match (&outcome, failed) {
        (Ok(()), _) => assert!(!is_old, "{plan:?} {failed:?}"),
        // The last sync fails when all is done, and undoing it fails too if nothing works.
        (Err(_), Some("sync directory")) => {}
        (Err(_), _) if plan.for_good => {
            assert!(after[0] == fixture.before[0], "{plan:?} {failed:?}");
        }
        (Err(_), _) => assert!(is_old, "{plan:?} {failed:?}"),
    }
    if let Err(error) = outcome {
        let denied = plan.error == EACCES;
        assert_eq!(error.kind() == StorageErrorKind::PermissionDenied, denied);
        assert_eq!(error.to_string().contains("full"), plan.error == ENOSPC);
    }
    if !plan.for_good {
        assert_eq!(fixture.temporaries(), 0);
    }
    fixture.storage.purge_expired().unwrap();
    assert_eq!(fixture.temporaries(), 0);
    assert_eq!(read_all(&fixture.storage).unwrap(), after);
    save(&fixture.storage, 0, &record(None, "again")).unwrap();
    failed.is_some()
}

#[test]
fn faults_of_each_operation_leave_the_old_or_the_new() {
    let mut faults = 0;
    for call in CALLS {
        for error in [EIO, EACCES, ENOSPC] {
            for for_good in [false, true] {
                let plan = |at| Plan {
                    at,
                    error,
                    for_good,
                };
                faults += (1..).take_while(|at| check(call, plan(*at))).count();
            }
        }
    }
    // Each call has five operations or more, but the removal, which has four, and a save of the same owner.
    assert!(faults >= 6 * (7 + 4 + 6 + 3 + 9), "{faults}");
}

#[test]
fn faults_of_a_replacement_never_lose_the_session() {
    for for_good in [false, true] {
        for at in 1.. {
            let fixture = Fixture::new();
            let error = EIO;
            fixture.fs.set(Some(Plan {
                at,
                error,
                for_good,
            }));
            let _ = REPLACE(&fixture.storage);
            let failed = fixture.fs.set(None).failed;
            let after = read_all(&fixture.storage).unwrap();
            assert!(after.iter().any(Option::is_some), "{at} {failed:?}");
            if failed.is_none() {
                break;
            }
        }
    }
}
