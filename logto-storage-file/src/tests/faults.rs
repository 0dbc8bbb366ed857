//! Each file operation of a call fails in turn: what was there is there, or what was to be.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use logto_core::PersistKey::{AccessTokenMap, IdToken, Owner, RefreshToken};
use logto_core::{
    Change, OwnerDigest, SessionOwner, SessionStore, Storage as _, StorageError, StorageErrorKind,
};
use tempfile::TempDir;

use super::{LIFETIME, TestClock, Values, id, store, values};
use crate::FileStore;
use crate::fs::{Fs, NewFile, OsFs, ReadError};

const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;

/// What goes wrong, at which of the operations since it was set.
#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    at: usize,
    /// Whether all that comes after fails too.
    for_good: bool,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Error(i32),
    /// A write takes half of what it is given, and the next one fails.
    Short,
}

#[derive(Debug, Clone, Default)]
struct FaultyFs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    plan: Option<Plan>,
    /// The operations since the plan was set.
    done: Vec<&'static str>,
    failed: Option<&'static str>,
}

impl FaultyFs {
    fn set(&self, plan: Option<Plan>) {
        *self.0.lock().unwrap() = State {
            plan,
            ..State::default()
        };
    }

    /// Which operation failed first, and how many there were.
    fn outcome(&self) -> (Option<&'static str>, usize) {
        let state = self.0.lock().unwrap();
        (state.failed, state.done.len())
    }

    fn step(&self, operation: &'static str) -> Result<(), Fault> {
        let mut state = self.0.lock().unwrap();
        state.done.push(operation);
        let now = state.done.len();
        let due = |plan: &Plan| plan.at == now || plan.for_good && plan.at < now;
        match state.plan.filter(due) {
            Some(plan) => {
                state.failed.get_or_insert(operation);
                Err(plan.fault)
            }
            None => Ok(()),
        }
    }

    fn try_step(&self, operation: &'static str) -> io::Result<()> {
        self.step(operation).map_err(|fault| match fault {
            Fault::Error(number) => io::Error::from_raw_os_error(number),
            Fault::Short => io::Error::from_raw_os_error(ENOSPC),
        })
    }
}

impl Fs for FaultyFs {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
        self.try_step("read")?;
        OsFs.read(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.try_step("create")?;
        let file = OsFs.create_new(path)?;
        let fs = self.clone();
        Ok(Box::new(FaultyFile { fs, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.try_step("rename")?;
        OsFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.try_step("remove")?;
        OsFs.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.try_step("sync directory")?;
        OsFs.sync_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.try_step("list")?;
        OsFs.list(directory)
    }
}

struct FaultyFile {
    fs: FaultyFs,
    file: Box<dyn NewFile>,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.fs.step("write") {
            Ok(()) => self.file.write(bytes),
            Err(Fault::Error(number)) => Err(io::Error::from_raw_os_error(number)),
            Err(Fault::Short) if bytes.len() > 200 => {
                let mut state = self.fs.0.lock().unwrap();
                // The other half fails.
                state.plan.as_mut().unwrap().at += 1;
                self.file.write(&bytes[..bytes.len() / 2])
            }
            Err(Fault::Short) => Err(io::Error::from_raw_os_error(ENOSPC)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        self.fs.try_step("sync")?;
        self.file.sync()
    }
}

struct Fixture {
    directory: TempDir,
    fs: FaultyFs,
    clock: TestClock,
    store: FileStore,
}

impl Fixture {
    /// Two sessions: 0 has values and 1 has none.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (fs, clock) = (FaultyFs::default(), TestClock::new());
        let store = store(directory.path(), fs.clone(), &clock);
        let alice = owner("alice");
        let changes = [
            Change::set(IdToken, "i"),
            Change::set(RefreshToken, "old"),
            Change::set(Owner, &alice),
        ];
        store.session(&id(0)).update(&changes).unwrap();
        Self {
            directory,
            fs,
            clock,
            store,
        }
    }

    /// Each is found if it has an owner, by that owner alone.
    fn sessions(&self) -> [Values; 2] {
        let sessions = [0, 1].map(|number| values(&self.store, &id(number)).unwrap());
        for sub in ["alice", "bob"] {
            let digest = OwnerDigest::of_user(ISSUER, sub);
            let found = self.store.sessions_of(&digest).unwrap();
            for (number, values) in sessions.iter().enumerate() {
                let session = id(number).digest();
                assert_eq!(
                    found.iter().any(|found| found.digest() == session),
                    values.get(&Owner) == Some(&owner(sub)),
                    "session {number} of {sub}"
                );
            }
        }
        sessions
    }

    fn temporaries(&self) -> usize {
        let names = OsFs.list(self.directory.path()).unwrap();
        let names = names
            .iter()
            .filter(|name| name.to_str().unwrap().ends_with(".tmp"));
        names.count()
    }
}

const ISSUER: &str = "https://foo.logto.app/oidc";

fn owner(sub: &str) -> String {
    SessionOwner::of(ISSUER, sub, None).to_string()
}

type Call = fn(&Fixture) -> Result<(), StorageError>;

const CALLS: [(&str, Call); 7] = [
    ("update", |fixture| {
        let large = "x".repeat(5_000);
        let changes = [
            Change::set(RefreshToken, "new"),
            Change::set(AccessTokenMap, &large),
            Change::remove(IdToken),
        ];
        fixture.store.session(&id(0)).update(&changes)
    }),
    ("first update", |fixture| {
        fixture.store.session(&id(1)).set(IdToken, Some("first"))
    }),
    ("emptying", |fixture| {
        let changes = [IdToken, RefreshToken, Owner].map(Change::remove);
        fixture.store.session(&id(0)).update(&changes)
    }),
    ("another user", |fixture| {
        let bob = owner("bob");
        fixture.store.session(&id(0)).set(Owner, Some(&bob))
    }),
    ("rename", |fixture| fixture.store.rename(&id(0), &id(1))),
    ("remove", |fixture| fixture.store.remove(&id(0))),
    ("read that is noted", |fixture| {
        fixture.clock.advance(LIFETIME / 2);
        fixture.store.session(&id(0)).get(IdToken).map(drop)
    }),
];

/// The operations of a call that nothing disturbs, and what it makes of the sessions.
fn undisturbed(call: Call) -> (usize, [Values; 2]) {
    let fixture = Fixture::new();
    fixture.fs.set(None);
    call(&fixture).unwrap();
    let (_, operations) = fixture.fs.outcome();
    (operations, fixture.sessions())
}

fn assert_survives(name: &str, call: Call, plan: Plan, new: &[Values; 2]) {
    let fixture = Fixture::new();
    let old = fixture.sessions();
    fixture.fs.set(Some(plan));
    let outcome = call(&fixture);
    let failed = fixture.fs.outcome().0.expect("the fault was not met");
    fixture.fs.set(None);
    let found = fixture.sessions();
    let context = format!("{name}, {failed} fails: {plan:?}, {outcome:?}");

    match outcome {
        Ok(()) => assert_eq!(found, *new, "{context}"),
        // It is not known then what reached the disk.
        Err(_) if failed == "sync directory" => {
            assert!(found == old || found == *new, "{context}");
        }
        Err(_) => assert_eq!(found, old, "{context}"),
    }
    if !plan.for_good {
        assert_eq!(fixture.temporaries(), 0, "{context}");
    }

    let session = fixture.store.session(&id(0));
    session.set(IdToken, Some("next")).unwrap();
    assert_eq!(session.get(IdToken).unwrap().unwrap(), "next", "{context}");
    fixture.store.purge_expired().unwrap();
    assert_eq!(fixture.temporaries(), 0, "{context}");
}

#[test]
fn a_fault_at_any_step_leaves_the_old_or_the_new() {
    let faults = [EIO, ENOSPC, EACCES].map(Fault::Error);
    for (name, call) in CALLS {
        let (operations, new) = undisturbed(call);
        assert!(operations > 0, "{name}");
        for at in 1..=operations {
            for fault in faults.into_iter().chain([Fault::Short]) {
                for for_good in [false, true] {
                    let plan = Plan {
                        fault,
                        at,
                        for_good,
                    };
                    assert_survives(name, call, plan, &new);
                }
            }
        }
    }
}

#[test]
fn a_full_disk_is_called_so() {
    let fixture = Fixture::new();
    for (number, kind, why) in [
        (ENOSPC, StorageErrorKind::Backend, "the disk is full"),
        (EACCES, StorageErrorKind::PermissionDenied, "may not"),
        (EIO, StorageErrorKind::Backend, "reports an error"),
    ] {
        fixture.fs.set(Some(Plan {
            fault: Fault::Error(number),
            at: 2,
            for_good: true,
        }));
        let error = CALLS[0].1(&fixture).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_purge_goes_on_after_a_fault_and_reports_it() {
    let fixture = Fixture::new();
    fixture
        .store
        .session(&id(1))
        .set(IdToken, Some("a"))
        .unwrap();
    fixture.clock.advance(LIFETIME * 2);
    let plan = Plan {
        fault: Fault::Error(EIO),
        at: 2,
        for_good: false,
    };
    fixture.fs.set(Some(plan));
    assert!(fixture.store.purge_expired().is_err());
    assert_eq!(fixture.store.purge_expired().unwrap(), 1);
}
