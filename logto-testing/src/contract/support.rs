//! What the checks are written with.

use std::panic;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use logto_core::{
    OwnerDigest, Record, SessionId, SessionKey, SessionOwner, Storage, StorageError,
    StorageErrorKind, StorageLock, Version,
};

use super::Fixture;
use super::processes::{Player, test_in};
use crate::TestClock;

/// Whoever takes longer than this hangs. Long, because test machines are slow at times.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// For a lock that is not to be had.
pub(super) const SHORT: Duration = Duration::from_millis(100);

/// The idle lifetime of the sessions; long, so that a slow machine makes no difference.
pub(super) const LIFETIME: Duration = Duration::from_secs(100_000);

/// A new place, and the clock that its storages go by.
#[derive(Debug)]
pub struct Stage<F> {
    pub(super) fixture: F,
    pub(super) clock: TestClock,
    module: String,
}

impl<F: Fixture> Stage<F> {
    /// A new place. `module` is the path of the module with the test `plays_a_process`.
    pub fn new(module: &str) -> Self {
        Self {
            fixture: F::new(),
            clock: TestClock::new(),
            module: module.to_owned(),
        }
    }

    pub(super) fn open(&self) -> Box<dyn Storage> {
        self.fixture.open(LIFETIME, self.clock.clone())
    }

    /// Two storages over the place at once, if it can be opened twice.
    pub(super) fn open_twice(&self) -> Option<[Box<dyn Storage>; 2]> {
        let can = F::SHARED && self.fixture.place().is_some();
        can.then(|| [self.open(), self.open()])
    }

    /// The place for another process, if it can open it.
    pub(super) fn shared_place(&self) -> Option<String> {
        self.fixture.place().filter(|_| F::SHARED)
    }

    /// Another process that has the place open.
    pub(super) fn start(&self, role: &str) -> Player {
        let place = self.fixture.place().expect("a place");
        Player::start(&test_in(&self.module), role, &place)
    }

    /// So many hundredths of the idle lifetime pass.
    pub(super) fn pass(&self, hundredths: u32) {
        self.clock.advance(LIFETIME / 100 * hundredths);
    }
}

pub(super) fn key() -> SessionKey {
    SessionId::random().key()
}

pub(super) fn record(data: &str) -> Record {
    Record::new(None, data)
}

pub(super) fn owner(sub: &str, sid: Option<&str>) -> SessionOwner {
    SessionOwner::new("https://foo.logto.app/oidc", sub, sid)
}

pub(super) fn owned(owner: SessionOwner) -> Record {
    Record::new(Some(owner), "owned")
}

#[track_caller]
pub(super) fn load(storage: &dyn Storage, session: &SessionKey) -> Option<Record> {
    match storage.load(session) {
        Ok(record) => record,
        Err(error) => panic!("the session could not be loaded: {error:?}"),
    }
}

#[track_caller]
pub(super) fn save(
    storage: &dyn Storage,
    session: &SessionKey,
    record: &Record,
    expected: Option<Version>,
) {
    if let Err(error) = storage.save(session, record, expected) {
        panic!("the session could not be saved: {error:?}");
    }
}

/// Saves a new session.
#[track_caller]
pub(super) fn create(storage: &dyn Storage, session: &SessionKey, data: &str) -> Record {
    let record = record(data);
    save(storage, session, &record, None);
    record
}

#[track_caller]
pub(super) fn remove(storage: &dyn Storage, session: &SessionKey) {
    let removed = storage.remove(session);
    removed.expect("a session can be removed, whether it is there or not");
}

/// Compares version, owner and data. Shows only the length of the data, which may be long.
#[track_caller]
pub(super) fn assert_record(storage: &dyn Storage, session: &SessionKey, expected: &Record) {
    let found = load(storage, session);
    assert!(
        found.as_ref() == Some(expected),
        "the session is {}, and not {}",
        shape(found.as_ref()),
        shape(Some(expected)),
    );
}

#[track_caller]
pub(super) fn assert_absent(storage: &dyn Storage, session: &SessionKey) {
    let found = load(storage, session);
    assert!(found.is_none(), "the session is {}", shape(found.as_ref()));
}

pub(super) fn shape(record: Option<&Record>) -> String {
    record.map_or("absent".to_owned(), |record| {
        let start: String = record.data().chars().take(20).collect();
        format!("{record:?}, {start:?}… of {} bytes", record.data().len())
    })
}

#[track_caller]
pub(super) fn assert_conflict(outcome: Result<(), StorageError>) {
    match outcome {
        Ok(()) => panic!("another version was expected, and it was written all the same"),
        Err(error) => assert_eq!(error.kind(), StorageErrorKind::Conflict, "{error:?}"),
    }
}

/// Whether this one of several that race has won; the others have a conflict.
#[track_caller]
pub(super) fn has_won(outcome: Result<(), StorageError>) -> bool {
    match outcome {
        Ok(()) => true,
        outcome => {
            assert_conflict(outcome);
            false
        }
    }
}

#[track_caller]
pub(super) fn find(storage: &dyn Storage, owner: OwnerDigest) -> Vec<SessionKey> {
    let mut found = storage.find(&owner).expect("sessions can be looked for");
    found.sort_unstable();
    found
}

#[track_caller]
pub(super) fn visited(storage: &dyn Storage) -> Vec<SessionKey> {
    let mut visited = Vec::new();
    let outcome = storage.for_each(&mut |session| {
        visited.push(*session);
        Ok(())
    });
    outcome.expect("all sessions can be visited");
    visited.sort_unstable();
    visited
}

#[track_caller]
pub(super) fn lock<'a>(storage: &'a dyn Storage, session: &SessionKey) -> StorageLock<'a> {
    match storage.lock(session, PATIENCE) {
        Ok(held) => held,
        Err(error) => panic!("a lock that nobody holds is not to be had: {error:?}"),
    }
}

/// Takes the lock and releases it, if it is to be had in a short time.
pub(super) fn try_lock(storage: &dyn Storage, session: &SessionKey) -> Result<(), StorageError> {
    storage.lock(session, SHORT).map(drop)
}

/// What a call on another thread returns while the lock is held; `None` if it does not return.
pub(super) fn while_held<T: Send>(
    held: StorageLock<'_>,
    call: impl FnOnce() -> T + Send,
) -> Option<T> {
    thread::scope(|scope| {
        let (sender, returned) = mpsc::channel();
        scope.spawn(move || {
            let _ = sender.send(call());
        });
        let returned = returned.recv_timeout(PATIENCE).ok();
        // A call that waits for the lock has it now, and the thread ends.
        drop(held);
        returned
    })
}

#[track_caller]
pub(super) fn assert_busy(outcome: Option<Result<(), StorageError>>) {
    match outcome {
        None => panic!("the lock is waited for long after the timeout"),
        Some(Ok(())) => panic!("the lock was had twice at once"),
        Some(Err(error)) => assert_eq!(error.kind(), StorageErrorKind::Busy, "{error:?}"),
    }
}

/// Panics, without the report that a panic prints.
pub(super) fn die() -> ! {
    panic::resume_unwind(Box::new("on purpose"))
}

/// Loads, adds one and saves, until nobody comes between.
pub(super) fn count_up(storage: &dyn Storage, session: &SessionKey) {
    loop {
        let found = load(storage, session);
        let next = record(&(count(found.as_ref()) + 1).to_string());
        let expected = found.map(|record| record.version());
        if has_won(storage.save(session, &next, expected)) {
            return;
        }
    }
}

pub(super) fn count(record: Option<&Record>) -> usize {
    record.map_or(0, |record| record.data().parse().expect("a count"))
}

/// Runs each step on a thread of its own, all at once.
pub(super) fn at_once<T: Send>(threads: usize, step: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(threads);
    let (barrier, step) = (&barrier, &step);
    thread::scope(|scope| {
        let run = move |number| {
            barrier.wait();
            step(number)
        };
        let threads: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || run(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// Numbers that only look random: the same for the same seed (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }
}
