//! What the checks are written with.

use std::panic;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{
    OwnerDigest, Record, SessionId, SessionKey, SessionOwner, Storage, StorageError,
    StorageErrorKind, Version,
};

use super::Fixture;
use crate::TestClock;

/// For what does not hang. Long, because test machines are slow at times.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// For a lock that is not to be had.
pub(super) const SHORT: Duration = Duration::from_millis(100);

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) const LIFETIME: Duration = Duration::from_secs(2_000);

const ISSUER: &str = "https://foo.logto.app/oidc";

/// A storage in a place of its own, and the clock that it goes by.
pub(super) struct Stage<F> {
    // Dropped before the place is.
    pub(super) storage: Box<dyn Storage>,
    pub(super) clock: TestClock,
    pub(super) fixture: F,
}

impl<F: Fixture> Stage<F> {
    pub(super) fn new() -> Self {
        Self::with_lifetime(LIFETIME)
    }

    pub(super) fn with_lifetime(lifetime: Duration) -> Self {
        let (clock, fixture) = (TestClock::new(), F::new());
        clock.freeze();
        Self {
            storage: fixture.open(lifetime, clock.clone()),
            clock,
            fixture,
        }
    }

    /// As when the program starts anew: the old storage is gone before the new one is opened.
    pub(super) fn reopen(self) -> Self {
        drop(self.storage);
        let storage = self.fixture.open(LIFETIME, self.clock.clone());
        Self { storage, ..self }
    }

    /// A storage that is opened while the first one is open; `None` if the backend is for one process.
    pub(super) fn second_storage(&self) -> Option<Box<dyn Storage>> {
        self.fixture.place().filter(|_| F::SHARED)?;
        Some(self.fixture.open(LIFETIME, self.clock.clone()))
    }

    /// A new session with this data and owner.
    pub(super) fn session(&self, data: &str, owner: Option<SessionOwner>) -> (SessionKey, Record) {
        let (key, record) = (new_key(), Record::new(owner, data));
        save(&*self.storage, &key, &record, None);
        (key, record)
    }

    #[track_caller]
    pub(super) fn assert_holds(&self, session: &SessionKey, expected: &Record) {
        assert_holds(&*self.storage, session, expected);
    }

    #[track_caller]
    pub(super) fn assert_absent(&self, session: &SessionKey) {
        let found = load(&*self.storage, session);
        assert!(found.is_none(), "the session is there: {found:?}");
    }
}

pub(super) fn new_key() -> SessionKey {
    SessionId::random().key()
}

/// A user of the server, with one session there.
pub(super) fn owner(name: &str) -> SessionOwner {
    SessionOwner::new(ISSUER, name, Some(&format!("session of {name}")))
}

pub(super) fn user(name: &str) -> OwnerDigest {
    owner(name).user()
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

#[track_caller]
pub(super) fn assert_holds(storage: &dyn Storage, session: &SessionKey, expected: &Record) {
    let found = load(storage, session);
    let found = found.unwrap_or_else(|| panic!("the session is absent"));
    assert_eq!(found.version(), expected.version());
    assert_eq!(found.owner(), expected.owner());
    let [found, expected] = [found.data(), expected.data()];
    assert!(
        found == expected,
        "the data is {}, and not {}",
        beginning(found),
        beginning(expected)
    );
}

/// Data may be long.
pub(super) fn beginning(text: &str) -> String {
    match text.len() {
        ..=80 => format!("{text:?}"),
        length => {
            let start: String = text.chars().take(20).collect();
            format!("{start:?}… of {length} bytes")
        }
    }
}

#[track_caller]
pub(super) fn assert_conflict(outcome: Result<(), StorageError>) {
    assert_kind(outcome, StorageErrorKind::Conflict);
}

#[track_caller]
pub(super) fn assert_kind(outcome: Result<(), StorageError>, kind: StorageErrorKind) {
    match outcome {
        Ok(()) => panic!("the call succeeds, and must be an error of the kind {kind:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{error:?}"),
    }
}

/// The sessions of an owner, sorted.
#[track_caller]
pub(super) fn found(storage: &dyn Storage, owner: &OwnerDigest) -> Vec<SessionKey> {
    match storage.find(owner) {
        Ok(mut found) => {
            found.sort();
            found
        }
        Err(error) => panic!("sessions could not be found: {error:?}"),
    }
}

/// All sessions, sorted.
#[track_caller]
pub(super) fn visited(storage: &dyn Storage) -> Vec<SessionKey> {
    let mut visited = Vec::new();
    let outcome = storage.for_each(&mut |session| {
        visited.push(*session);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("the sessions could not be listed: {error:?}"));
    visited.sort();
    visited
}

/// Loads a count, adds one and saves it, until it meets no conflict.
pub(super) fn count_up(storage: &dyn Storage, session: &SessionKey) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = load(storage, session);
        let count = found.as_ref().map_or(0, count_of);
        let next = Record::new(None, (count + 1).to_string());
        match storage.save(session, &next, found.map(|record| record.version())) {
            Ok(()) => return,
            Err(error) if error.is_retryable() && Instant::now() < end => {
                thread::sleep(Duration::from_micros(next.version().as_bytes()[0].into()));
            }
            Err(error) => panic!("the count could not be saved: {error:?}"),
        }
    }
}

pub(super) fn count_of(record: &Record) -> usize {
    record.data().parse().expect("a count")
}

/// Panics, without the report that a panic prints.
pub(super) fn die() -> ! {
    panic::resume_unwind(Box::new("on purpose"))
}

/// Repeats for half a second, which is long enough to see a race.
pub(super) fn for_a_while(mut step: impl FnMut(u64)) {
    let end = Instant::now() + SECOND / 2;
    let mut round = 0;
    while round == 0 || Instant::now() < end {
        round += 1;
        step(round);
    }
}

/// Numbers that only look random: the same for the same seed (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }
}
