//! What a persistent [`Storage`] promises to whoever is killed: what it was told to be written is
//! there, and nothing is there in part.
//!
//! [`run`] starts a process that writes, kills it at a random moment and looks at what is there, 200
//! times. Several threads of the process write to sessions of their own, which they save under
//! the lock and without, replace and remove; after each call that returned they say so. After each kill
//! a storage is opened over the place, and all sessions are loaded. They must hold what all the calls made
//! that were said, and may hold what the one next call of each thread made, with all it changed. Each that
//! has an owner must be found by it, and no other ([`Fixture::FINDS_OWNERS`]), and each must be visited
//! ([`Fixture::LISTS_SESSIONS`]). Only a replacement may be done by half, if it is not one step
//! ([`Fixture::REPLACES_IN_ONE_STEP`]).
//!
//! [`crash_contract!`](crate::crash_contract) makes it a test:
//!
//! ```
//! # use logto_core::Storage;
//! # use logto_testing::TestClock;
//! # use std::time::Duration;
//! use logto_testing::contract::Fixture;
//!
//! struct InDirectory { /* … */ }
//!
//! impl Fixture for InDirectory {
//!     const PERSISTENT: bool = true;
//!
//! #   fn new() -> Self {
//! #       Self {}
//! #   }
//! #   fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
//! #       unimplemented!()
//! #   }
//!     // …
//!     fn place(&self) -> Option<String> {
//!         // …
//! #       None
//!     }
//!
//!     fn open_place(place: &str) -> Box<dyn Storage> {
//!         // …
//! #       unimplemented!()
//!     }
//! }
//!
//! logto_testing::crash_contract!(InDirectory);
//! # fn main() {}
//! ```
//!
//! A second argument looks at the place itself, such as at its files, at each [`Moment`]:
//!
//! ```
//! # use logto_core::Storage;
//! # use logto_testing::TestClock;
//! # use std::time::Duration;
//! # use logto_testing::contract::Fixture;
//! # struct InDirectory {}
//! # impl InDirectory {
//! #     fn is_sound(&self) -> bool {
//! #         true
//! #     }
//! # }
//! # impl Fixture for InDirectory {
//! #     const PERSISTENT: bool = true;
//! #     fn new() -> Self {
//! #         Self {}
//! #     }
//! #     fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
//! #         unimplemented!()
//! #     }
//! # }
//! use logto_testing::contract::crash::Moment;
//!
//! logto_testing::crash_contract!(InDirectory, |fixture, moment| {
//!     if moment == Moment::Closed {
//!         assert!(fixture.is_sound());
//!     }
//! });
//! # fn main() {}
//! ```
//!
//! Two environment variables are heeded: `LOGTO_CRASH_ROUNDS`, how often to kill, and
//! `LOGTO_CRASH_SEED`, which is printed, and with which the same is written again. When the process
//! is killed follows from the seed too, but not what it has done until then.
//!
//! A killed process is not a power failure: what it has handed to the operating system is written.

use std::env;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::iter;
use std::thread;
use std::time::Duration;

use logto_core::{
    Record, SessionKey, SessionOwner, Storage, StorageError, StorageErrorKind, Version,
};

use super::Fixture;
use super::processes::{Player, say, test_in};
use super::support::{Random, shape};

/// Tests that what a killed process has written to a [`Storage`](logto_core::Storage) is
/// there, and nothing in part, by a [`Fixture`](crate::contract::Fixture) with a
/// [`place`](crate::contract::Fixture::place). See [`contract::crash`](crate::contract::crash).
#[macro_export]
macro_rules! crash_contract {
    ($fixture:ty $(,)?) => {
        $crate::crash_contract!($fixture, |_, _| {});
    };
    ($fixture:ty, $look:expr $(,)?) => {
        /// What a persistent `Storage` promises to whoever is killed.
        mod crash_contract {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn crash_leaves_all_that_was_saved_and_nothing_in_part() {
                $crate::contract::crash::run::<$fixture>(::core::module_path!(), $look);
            }

            /// Does nothing unless another test started this process.
            #[test]
            fn plays_a_process() {
                $crate::contract::processes::play::<$fixture>();
            }
        }
    };
}

/// When the place is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// A process was killed, and nobody has opened the place since. If several processes may use it,
    /// somebody has had it open all the time, every other time.
    Killed,
    /// A storage was opened after that, and is open. Nobody writes.
    Opened,
    /// There will be no more kills, and nobody has the place open. All sessions are there.
    Closed,
    /// All sessions were removed after that, and nobody has the place open.
    Emptied,
}

/// Threads that write at once, each to sessions of its own.
const WRITERS: usize = 3;
const SESSIONS: usize = 4;
const OWNERS: usize = 2;

/// For the lock of a session that nobody else uses, on a slow machine.
const BOUND: Duration = Duration::from_secs(20);

/// What the process is told to play begins with.
const ROLE: &str = "write, with the seed ";

/// Kills a process 200 times, or as often as `LOGTO_CRASH_ROUNDS` says. As [`run_with`].
pub fn run<F: Fixture>(module: &str, look: impl FnMut(&F, Moment)) {
    let rounds = number_of("LOGTO_CRASH_ROUNDS").unwrap_or(200);
    let seed = number_of("LOGTO_CRASH_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    run_with(module, rounds, seed, look);
}

/// Kills a process that writes to a new place, so often. `module` is the path of the module with
/// the test `plays_a_process`, as for the checks of [`processes`](super::processes).
///
/// # Panics
///
/// If anything that was written is lost or is there in part, if any call fails, if `look` panics, and
/// if the fixture has no [`place`](Fixture::place).
pub fn run_with<F: Fixture>(
    module: &str,
    rounds: u64,
    seed: u64,
    mut look: impl FnMut(&F, Moment),
) {
    println!("LOGTO_CRASH_SEED={seed}");
    let fixture = F::new();
    let place = fixture.place();
    let place = place.expect("`place` of the fixture is to name what another process opens");
    let test = test_in(module);
    let mut random = Random::new(seed);
    let mut writers: [_; WRITERS] = std::array::from_fn(Writer::new);
    let mut open_meanwhile = None;
    for round in 0..rounds {
        let seed = random.below(u64::MAX);
        let said = killed(&test, &place, seed, &mut random);
        look(&fixture, Moment::Killed);
        let storage = F::open_place(&place);
        look(&fixture, Moment::Opened);
        for writer in &mut writers {
            let said = said.iter().filter(|line| **line == writer.name()).count();
            if let Err(lost) = check::<F>(writer, &storage, seed, said) {
                let name = writer.name();
                panic!("after kill {round}, of {name}, which has said {said} calls: {lost}");
            }
        }
        // Otherwise the next process finds what nobody has had open since the kill.
        open_meanwhile = (F::SHARED && round % 2 == 0).then_some(storage);
    }
    drop(open_meanwhile);
    let said: usize = writers.iter().map(|writer| writer.said).sum();
    let unsaid: usize = writers.iter().map(|writer| writer.unsaid).sum();
    println!("{rounds} kills, {said} calls that were said, and {unsaid} that were not");
    look(&fixture, Moment::Closed);
    remove_all::<F>(&place, &mut writers);
    look(&fixture, Moment::Emptied);
}

fn check<F: Fixture>(
    writer: &mut Writer,
    storage: &dyn Storage,
    seed: u64,
    said: usize,
) -> Result<(), String> {
    writer.catch_up::<F>(storage, seed, said)?;
    if F::FINDS_OWNERS {
        writer.check_owners(storage)?;
    }
    if F::LISTS_SESSIONS {
        writer.check_list(storage)?;
    }
    Ok(())
}

fn number_of(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")))
}

/// Starts a process and kills it. What it has said until then.
fn killed(test: &str, place: &str, seed: u64, random: &mut Random) -> Vec<String> {
    let mut process = Player::start(test, &format!("{ROLE}{seed}"), place);
    let mut said = Vec::new();
    // Sometimes while it starts and opens the place, however long that takes.
    if random.below(4) != 0 {
        said.push(process.hear());
    }
    thread::sleep(Duration::from_micros(random.below(100_000)));
    let was_alive = process.is_alive();
    said.extend(process.kill());
    if let Some(failure) = said.iter().find(|line| line.starts_with("failed")) {
        panic!("the process that writes has {failure}");
    }
    assert!(was_alive, "the process that writes has ended");
    said
}

/// Writes until it is killed, if this is the role.
pub(super) fn play<F: Fixture>(role: &str, place: &str) -> bool {
    let Some(seed) = role.strip_prefix(ROLE) else {
        return false;
    };
    let seed = seed.parse().expect("a seed");
    let storage = F::open_place(place);
    thread::scope(|scope| {
        for writer in (0..WRITERS).map(Writer::new) {
            let storage = &*storage;
            scope.spawn(move || {
                for step in writer.steps(seed) {
                    match step.take(storage, &writer) {
                        Ok(()) => say(&writer.name()),
                        Err(error) => return say(&format!("failed: {error:?}")),
                    }
                }
            });
        }
    });
    true
}

fn remove_all<F: Fixture>(place: &str, writers: &mut [Writer]) {
    let storage = F::open_place(place);
    for writer in writers {
        for session in 0..SESSIONS {
            let removed = storage.remove(&writer.key(session));
            removed.expect("no session fails to be removed");
        }
        writer.sessions = Sessions::default();
        let found = writer.read(&storage);
        let found = found.expect("what is removed can be read");
        assert!(
            found == writer.sessions,
            "a session is there after its removal"
        );
    }
}

/// What a writer's sessions hold.
type Sessions = [Option<Record>; SESSIONS];

/// One thread of the process, and what it has written.
struct Writer {
    number: usize,
    sessions: Sessions,
    said: usize,
    unsaid: usize,
}

impl Writer {
    fn new(number: usize) -> Self {
        Self {
            number,
            sessions: Sessions::default(),
            said: 0,
            unsaid: 0,
        }
    }

    fn name(&self) -> String {
        format!("writer {}", self.number)
    }

    /// The same in every process.
    fn key(&self, session: usize) -> SessionKey {
        let number = self.number * SESSIONS + session;
        SessionKey::from_bytes([number as u8; 32])
    }

    /// Without end.
    fn steps(&self, seed: u64) -> impl Iterator<Item = Step> + use<> {
        let mut random = Random::new(seed ^ ((self.number as u64) << 32));
        let name = self.name();
        iter::repeat_with(move || Step::random(&mut random, &name))
    }

    /// Compares what is there with what it must be after so many steps, or one more.
    fn catch_up<F: Fixture>(
        &mut self,
        storage: &dyn Storage,
        seed: u64,
        said: usize,
    ) -> Result<(), String> {
        let mut steps = self.steps(seed);
        for step in steps.by_ref().take(said) {
            step.expect(&mut self.sessions);
        }
        self.said += said;
        let found = self.read(storage)?;
        if found == self.sessions {
            return Ok(());
        }
        let step = steps.next().expect("steps without end");
        let mut next = self.sessions.clone();
        step.expect(&mut next);
        if found != next && (F::REPLACES_IN_ONE_STEP || !step.is_half(&found, &self.sessions)) {
            return Err(format!(
                "{}; or, if it was killed before it could say {step}, {}",
                difference(&found, &self.sessions),
                difference(&found, &next),
            ));
        }
        self.sessions = found;
        self.unsaid += 1;
        Ok(())
    }

    /// Looks for its sessions by their owners.
    fn check_owners(&self, storage: &dyn Storage) -> Result<(), String> {
        for number in 0..OWNERS {
            for digest in owner(&self.name(), number).digests() {
                let found = storage.find(&digest);
                let mut found = found.map_err(|error| format!("find fails: {error:?}"))?;
                found.sort_unstable();
                let expected = self.keys_where(|record| {
                    record.owner().is_some_and(|owner| owner.matches(&digest))
                });
                if found != expected {
                    let [found, expected] = [found.len(), expected.len()];
                    return Err(format!(
                        "{found} sessions are found, and must be the {expected} of an owner"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Visits all sessions, those of the other writers too.
    fn check_list(&self, storage: &dyn Storage) -> Result<(), String> {
        let mut found = Vec::new();
        let visited = storage.for_each(&mut |session| {
            if (0..SESSIONS).any(|number| self.key(number) == *session) {
                found.push(*session);
            }
            Ok(())
        });
        visited.map_err(|error| format!("for_each fails: {error:?}"))?;
        found.sort_unstable();
        match found == self.keys_where(|_| true) {
            true => Ok(()),
            false => Err("other sessions are visited than those that are there".to_owned()),
        }
    }

    /// In order: the keys are.
    fn keys_where(&self, wanted: impl Fn(&Record) -> bool) -> Vec<SessionKey> {
        let is_wanted = |number: &usize| self.sessions[*number].as_ref().is_some_and(&wanted);
        let numbers = (0..SESSIONS).filter(is_wanted);
        numbers.map(|number| self.key(number)).collect()
    }

    fn read(&self, storage: &dyn Storage) -> Result<Sessions, String> {
        let mut sessions = Sessions::default();
        for (number, record) in sessions.iter_mut().enumerate() {
            let found = storage.load(&self.key(number));
            *record = found.map_err(|error| format!("session {number} fails: {error:?}"))?;
        }
        Ok(sessions)
    }
}

/// The first session that is another.
fn difference(found: &Sessions, expected: &Sessions) -> String {
    let mut pairs = found.iter().zip(expected);
    let Some(number) = pairs.position(|(found, expected)| found != expected) else {
        return "nothing differs".to_owned();
    };
    let [found, expected] = [found, expected].map(|sessions| shape(sessions[number].as_ref()));
    format!("session {number} is {found} and must be {expected}")
}

/// One call that writes.
struct Step {
    session: usize,
    call: Call,
}

enum Call {
    Save { record: Record, locked: bool },
    Replace { to: usize, record: Record },
    Remove,
}

impl Step {
    fn random(random: &mut Random, writer: &str) -> Self {
        let session = random.index(SESSIONS);
        let call = match random.below(10) {
            0 => Call::Remove,
            1..4 => Call::Replace {
                to: (session + 1 + random.index(SESSIONS - 1)) % SESSIONS,
                record: random_record(random, writer),
            },
            kind => Call::Save {
                record: random_record(random, writer),
                locked: kind < 6,
            },
        };
        Self { session, call }
    }

    fn take(&self, storage: &dyn Storage, writer: &Writer) -> Result<(), StorageError> {
        let session = writer.key(self.session);
        let version = || {
            storage
                .load(&session)
                .map(|found| found.map(|record| record.version()))
        };
        match &self.call {
            Call::Save { record, locked } => {
                let _held = locked.then(|| storage.lock(&session, BOUND)).transpose()?;
                storage.save(&session, record, version()?)
            }
            Call::Replace { to, record } => {
                let to = writer.key(*to);
                match storage.replace(&session, version()?, &to, record) {
                    // One that is used is not replaced.
                    Err(error) if error.kind() == StorageErrorKind::Conflict => {
                        storage.load(&to)?.map(drop).ok_or(error)
                    }
                    outcome => outcome,
                }
            }
            Call::Remove => storage.remove(&session),
        }
    }

    /// What the step makes of what was there.
    fn expect(&self, sessions: &mut Sessions) {
        match &self.call {
            Call::Save { record, .. } => sessions[self.session] = Some(record.clone()),
            Call::Replace { to, record } if sessions[*to].is_none() => {
                sessions[self.session] = None;
                sessions[*to] = Some(record.clone());
            }
            Call::Replace { .. } => {}
            Call::Remove => sessions[self.session] = None,
        }
    }

    /// Whether this is a replacement of which only the first half was done: the new session is there.
    fn is_half(&self, found: &Sessions, before: &Sessions) -> bool {
        let Call::Replace { to, record } = &self.call else {
            return false;
        };
        let mut half = before.clone();
        half[*to] = Some(record.clone());
        before[*to].is_none() && *found == half
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = self.session;
        match self.call {
            Call::Save { .. } => write!(f, "a save of session {session}"),
            Call::Replace { to, .. } => write!(f, "a replacement of session {session} by {to}"),
            Call::Remove => write!(f, "a removal of session {session}"),
        }
    }
}

/// One of the users of a writer, each with a session at the server.
fn owner(writer: &str, number: usize) -> SessionOwner {
    let sub = format!("user {number} of {writer}");
    SessionOwner::new("https://foo.logto.app/oidc", &sub, Some(&sub))
}

/// Of data that nobody else writes: most is short, some fills many pages. The same for the same seed.
fn random_record(random: &mut Random, writer: &str) -> Record {
    let mut version = [0; 16];
    version[..8].copy_from_slice(&random.number().to_be_bytes());
    version[8..].copy_from_slice(&random.number().to_be_bytes());
    let stamp = format!("{:016x} ", random.number());
    let longest = [10, 10, 200, 5_000][random.index(4)];
    let owner = match random.index(OWNERS + 1) {
        OWNERS => None,
        number => Some(owner(writer, number)),
    };
    let data = stamp.repeat(random.index(longest));
    Record::stored(Version::from_bytes(version), owner, data)
}
