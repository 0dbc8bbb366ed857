//! What a persistent [`SessionStore`] promises to whoever is killed: what it was told to be written is
//! there, and nothing is there in part.
//!
//! [`run`] starts a process that writes, kills it at a random moment and looks at what is there, 200
//! times. Several threads of the process write to sessions of their own, which they update under
//! the lock and without, rename and remove; after each call that returned they say so. After each kill
//! a store is opened over the place, and all sessions are read. They must hold what all the calls made
//! that were said, and may hold what the one next call of each thread made, with all it changed. And
//! each that has an owner must be found by it, and no other ([`Fixture::FINDS_OWNERS`]).
//!
//! [`crash_contract!`](crate::crash_contract) makes it a test:
//!
//! ```
//! # use logto_core::{MemoryStore as MyStore, SessionStore};
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
//! #   fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
//! #       unimplemented!()
//! #   }
//!     // …
//!     fn place(&self) -> Option<String> {
//!         // …
//! #       None
//!     }
//!
//!     fn open_place(place: &str) -> Box<dyn SessionStore> {
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
//! # use logto_core::SessionStore;
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
//! #     fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
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

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::iter;
use std::thread;
use std::time::Duration;

use logto_core::{
    Change, OwnerDigest, PersistKey, SessionId, SessionOwner, SessionStore, StorageError,
};

use super::Fixture;
use super::processes::{Player, say, test_in};
use super::support::{Random, beginning};

/// Tests that what a killed process has written to a [`SessionStore`](logto_core::SessionStore) is
/// there, and nothing in part, by a [`Fixture`](crate::contract::Fixture) with a
/// [`place`](crate::contract::Fixture::place). See [`contract::crash`](crate::contract::crash).
#[macro_export]
macro_rules! crash_contract {
    ($fixture:ty $(,)?) => {
        $crate::crash_contract!($fixture, |_, _| {});
    };
    ($fixture:ty, $look:expr $(,)?) => {
        /// What a persistent `SessionStore` promises to whoever is killed.
        mod crash_contract {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn a_killed_process_leaves_all_that_was_written_and_nothing_in_part() {
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
    /// A store was opened after that, and is open. Nobody writes.
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
        let store = F::open_place(&place);
        look(&fixture, Moment::Opened);
        for writer in &mut writers {
            let said = said.iter().filter(|line| **line == writer.name()).count();
            let caught_up = writer.catch_up(&*store, seed, said);
            let found = caught_up.and_then(|()| match F::FINDS_OWNERS {
                true => writer.check_owners(&*store),
                false => Ok(()),
            });
            if let Err(lost) = found {
                let name = writer.name();
                panic!("after kill {round}, of {name}, which has said {said} calls: {lost}");
            }
        }
        // Otherwise the next process finds what nobody has had open since the kill.
        open_meanwhile = (F::SHARED && round % 2 == 0).then_some(store);
    }
    drop(open_meanwhile);
    let said: usize = writers.iter().map(|writer| writer.said).sum();
    let unsaid: usize = writers.iter().map(|writer| writer.unsaid).sum();
    println!("{rounds} kills, {said} calls that were said, and {unsaid} that were not");
    look(&fixture, Moment::Closed);
    remove_all::<F>(&place, &mut writers);
    look(&fixture, Moment::Emptied);
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
    let store = F::open_place(place);
    thread::scope(|scope| {
        for writer in (0..WRITERS).map(Writer::new) {
            let store = &*store;
            scope.spawn(move || {
                for step in writer.steps(seed) {
                    match step.take(store, &writer) {
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
    let store = F::open_place(place);
    for writer in writers {
        for session in 0..SESSIONS {
            let removed = store.remove(&writer.id(session));
            removed.expect("no session fails to be removed");
        }
        writer.sessions = Sessions::default();
        let found = writer.read(&*store);
        let found = found.expect("what is removed can be read");
        assert!(
            found == writer.sessions,
            "a session is there after its removal"
        );
    }
}

/// What a writer's sessions hold.
type Sessions = [BTreeMap<PersistKey, String>; SESSIONS];

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
    fn id(&self, session: usize) -> SessionId {
        let number = self.number * SESSIONS + session;
        SessionId::parse(&format!("{number:042}A")).expect("the form of an id")
    }

    /// Without end.
    fn steps(&self, seed: u64) -> impl Iterator<Item = Step> + use<> {
        let mut random = Random::new(seed ^ ((self.number as u64) << 32));
        let name = self.name();
        iter::repeat_with(move || Step::random(&mut random, &name))
    }

    /// Compares what is there with what it must be after so many steps, or one more.
    fn catch_up(&mut self, store: &dyn SessionStore, seed: u64, said: usize) -> Result<(), String> {
        let mut steps = self.steps(seed);
        for step in steps.by_ref().take(said) {
            step.expect(&mut self.sessions);
        }
        self.said += said;
        let found = self.read(store)?;
        if found == self.sessions {
            return Ok(());
        }
        let mut next = self.sessions.clone();
        let step = steps.next().expect("steps without end");
        let unsaid = step.to_string();
        step.expect(&mut next);
        if found != next {
            return Err(format!(
                "{}; or, if it was killed before it could say {unsaid}, {}",
                difference(&found, &self.sessions),
                difference(&found, &next),
            ));
        }
        self.sessions = next;
        self.unsaid += 1;
        Ok(())
    }

    /// Looks for its sessions by their owners.
    fn check_owners(&self, store: &dyn SessionStore) -> Result<(), String> {
        for number in 0..OWNERS {
            let owner = owner(&self.name(), number);
            for digest in owner.digests() {
                let found = self.find(store, &digest)?;
                let expected = self.owned_by(&digest);
                if found != expected {
                    return Err(format!(
                        "by {digest:?} the sessions {found:?} are found, and must be {expected:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The numbers of its sessions that a store finds by an owner.
    fn find(
        &self,
        store: &dyn SessionStore,
        owner: &OwnerDigest,
    ) -> Result<BTreeSet<usize>, String> {
        let found = store.sessions_of(owner);
        let found = found.map_err(|error| format!("no session can be looked for: {error:?}"))?;
        let mut digests: BTreeSet<_> = found.iter().map(|session| session.digest()).collect();
        let own = (0..SESSIONS).filter(|number| digests.remove(&self.id(*number).digest()));
        let own = own.collect();
        match digests.is_empty() {
            true => Ok(own),
            false => Err(format!("a session of somebody else is found by {owner:?}")),
        }
    }

    /// The numbers of its sessions that must be found by an owner.
    fn owned_by(&self, owner: &OwnerDigest) -> BTreeSet<usize> {
        let is_of = |number: &usize| {
            let value = self.sessions[*number].get(&PersistKey::Owner);
            let found = value.and_then(|value| SessionOwner::of_value(value));
            found.is_some_and(|found| found.is(owner))
        };
        (0..SESSIONS).filter(is_of).collect()
    }

    /// What its sessions hold, each read under its lock.
    fn read(&self, store: &dyn SessionStore) -> Result<Sessions, String> {
        let mut sessions = Sessions::default();
        for (number, values) in sessions.iter_mut().enumerate() {
            let failed = |error| format!("session {number} cannot be read: {error:?}");
            let session = store.session(&self.id(number));
            let _held = session.lock(BOUND).map_err(failed)?;
            for key in PersistKey::ALL {
                if let Some(value) = session.get(key).map_err(failed)? {
                    values.insert(key, value);
                }
            }
        }
        Ok(sessions)
    }
}

/// The first value that is another.
fn difference(found: &Sessions, expected: &Sessions) -> String {
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        for key in PersistKey::ALL {
            let [found, expected] = [found, expected].map(|values| values.get(&key));
            if found != expected {
                let [found, expected] =
                    [found, expected].map(|value| beginning(value.map(String::as_str)));
                return format!("{key} of session {number} is {found} and must be {expected}");
            }
        }
    }
    "nothing differs".to_owned()
}

/// One call of the store.
enum Step {
    Update {
        session: usize,
        locked: bool,
        synced: bool,
        changes: Vec<(PersistKey, Option<String>)>,
    },
    Rename {
        from: usize,
        to: usize,
    },
    Remove {
        session: usize,
    },
}

impl Step {
    fn random(random: &mut Random, writer: &str) -> Self {
        let session = random.index(SESSIONS);
        match random.below(10) {
            0 => Self::Remove { session },
            1 | 2 => Self::Rename {
                from: session,
                to: random.index(SESSIONS),
            },
            kind => Self::Update {
                session,
                locked: kind < 6,
                synced: kind % 3 != 0,
                changes: changes(random, writer),
            },
        }
    }

    fn take(&self, store: &dyn SessionStore, writer: &Writer) -> Result<(), StorageError> {
        match self {
            Self::Update {
                session,
                locked,
                synced,
                changes,
            } => {
                let session = store.session(&writer.id(*session));
                let _held = locked.then(|| session.lock(BOUND)).transpose()?;
                let changes: Vec<_> = changes
                    .iter()
                    .map(|(key, value)| Change {
                        key: *key,
                        value: value.as_deref(),
                    })
                    .collect();
                match synced {
                    true => session.update(&changes),
                    false => session.update_unsynced(&changes),
                }
            }
            Self::Rename { from, to } => store.rename(&writer.id(*from), &writer.id(*to)),
            Self::Remove { session } => store.remove(&writer.id(*session)),
        }
    }

    /// What the step makes of what was there.
    fn expect(self, sessions: &mut Sessions) {
        match self {
            Self::Update {
                session, changes, ..
            } => {
                for (key, value) in changes {
                    match value {
                        Some(value) => sessions[session].insert(key, value),
                        None => sessions[session].remove(&key),
                    };
                }
            }
            Self::Rename { from, to } if !sessions[from].is_empty() => {
                let values = std::mem::take(&mut sessions[from]);
                sessions[to] = values;
            }
            Self::Rename { .. } => {}
            Self::Remove { session } => sessions[session].clear(),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Update { session, .. } => write!(f, "an update of session {session}"),
            Self::Rename { from, to } => write!(f, "a rename of session {from} to {to}"),
            Self::Remove { session } => write!(f, "a removal of session {session}"),
        }
    }
}

/// One of the users of a writer, each with a session at the server.
fn owner(writer: &str, number: usize) -> SessionOwner {
    let sub = format!("user {number} of {writer}");
    SessionOwner::of("https://foo.logto.app/oidc", &sub, Some(&sub))
}

/// Several keys at once, to values that nobody else writes: most are short, some fill many pages.
fn changes(random: &mut Random, writer: &str) -> Vec<(PersistKey, Option<String>)> {
    let stamp = format!("{:016x} ", random.below(u64::MAX));
    let mut changes = Vec::new();
    for key in PersistKey::ALL {
        let longest = [10, 10, 200, 5_000][random.index(4)];
        let value = match key {
            PersistKey::Owner => owner(writer, random.index(OWNERS)).to_string(),
            _ => stamp.repeat(1 + random.index(longest)),
        };
        match random.below(8) {
            0 => {}
            1 => changes.push((key, None)),
            _ => changes.push((key, Some(value))),
        }
    }
    changes
}
