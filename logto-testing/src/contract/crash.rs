//! What a persistent [`Storage`] promises to a process that is killed: what it was told to be written is
//! there, and nothing is there in part.
//!
//! [`run`] starts a process that writes, kills it at a random moment and looks at what is there, 200
//! times. Several threads of the process save, replace and remove sessions of their own; after each call that
//! returned they say so. After each kill a storage is opened over the place, and all sessions are loaded. They must
//! hold what all the calls made that were said, and may hold what the one next call of each thread made. And
//! each that has an owner must be found by it, and no other ([`Fixture::FINDS_OWNERS`]).
//!
//! [`crash_contract!`](crate::crash_contract) makes it a test:
//!
//! ```
//! # use logto_core::{MemoryStorage, Storage};
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

use std::collections::BTreeSet;
use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::iter;
use std::thread;
use std::time::Duration;

use logto_core::{OwnerDigest, Record, SessionId, SessionKey, Storage, StorageError, Version};

use super::Fixture;
use super::processes::{Player, say, test_in};
use super::support::{Random, beginning, owner};

/// Tests that what a killed process has written to a [`Storage`](logto_core::Storage) is
/// there, and nothing in part, by a [`Fixture`](crate::contract::Fixture) with a
/// [`place`](crate::contract::Fixture::place). See [`contract::crash`](crate::contract::crash).
#[macro_export]
macro_rules! crash_contract {
    ($fixture:ty $(,)?) => {
        $crate::crash_contract!($fixture, |_, _| {});
    };
    ($fixture:ty, $look:expr $(,)?) => {
        /// What a persistent `Storage` promises to a process that is killed.
        mod crash_contract {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn crash_leaves_all_that_was_written_and_nothing_in_part() {
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
            let caught_up = writer.catch_up(&*storage, seed, said);
            let found = caught_up.and_then(|()| match F::FINDS_OWNERS {
                true => writer.check_owners(&*storage),
                false => Ok(()),
            });
            if let Err(lost) = found {
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
        let found = writer.read(&*storage);
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
        let id = SessionId::parse(&format!("{number:042}A"));
        id.expect("the form of an id").key()
    }

    /// Without end.
    fn steps(&self, seed: u64) -> impl Iterator<Item = Step> + use<> {
        let mut random = Random::new(seed ^ ((self.number as u64) << 32));
        let name = self.name();
        iter::repeat_with(move || Step::random(&mut random, &name))
    }

    /// Compares what is there with what it must be after so many steps, or one more.
    fn catch_up(&mut self, storage: &dyn Storage, seed: u64, said: usize) -> Result<(), String> {
        let mut steps = self.steps(seed);
        for step in steps.by_ref().take(said) {
            step.expect(&mut self.sessions);
        }
        self.said += said;
        let found = self.read(storage)?;
        if found == self.sessions {
            return Ok(());
        }
        let mut next = self.sessions.clone();
        let step = steps.next().expect("steps without end");
        let unsaid = step.to_string();
        step.expect(&mut next);
        // A backend may keep to the default of `replace`, of which a crash leaves the half.
        if found == next || step.is_half(&found, &self.sessions, &next) {
            self.sessions = found;
            self.unsaid += 1;
            return Ok(());
        }
        Err(format!(
            "{}; or, if it was killed before it could say {unsaid}, {}",
            difference(&found, &self.sessions),
            difference(&found, &next),
        ))
    }

    /// Looks for its sessions by their owners.
    fn check_owners(&self, storage: &dyn Storage) -> Result<(), String> {
        for number in 0..OWNERS {
            for digest in owner(&owner_name(&self.name(), number)).digests() {
                let found = self.find(storage, &digest)?;
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

    /// The numbers of its sessions that a storage finds by an owner.
    fn find(&self, storage: &dyn Storage, owner: &OwnerDigest) -> Result<BTreeSet<usize>, String> {
        let found = storage.find(owner);
        let found = found.map_err(|error| format!("no session can be found: {error:?}"))?;
        let mut found: BTreeSet<_> = found.into_iter().collect();
        let own = (0..SESSIONS).filter(|number| found.remove(&self.key(*number)));
        let own = own.collect();
        match found.is_empty() {
            true => Ok(own),
            false => Err(format!("another writer's session is found by {owner:?}")),
        }
    }

    /// The numbers of its sessions that must be found by an owner.
    fn owned_by(&self, owner: &OwnerDigest) -> BTreeSet<usize> {
        let is_of = |number: &usize| {
            let found = self.sessions[*number].as_ref().and_then(Record::owner);
            found.is_some_and(|found| found.matches(owner))
        };
        (0..SESSIONS).filter(is_of).collect()
    }

    fn read(&self, storage: &dyn Storage) -> Result<Sessions, String> {
        let mut sessions = Sessions::default();
        for (number, record) in sessions.iter_mut().enumerate() {
            let loaded = storage.load(&self.key(number));
            *record =
                loaded.map_err(|error| format!("session {number} cannot be loaded: {error:?}"))?;
        }
        Ok(sessions)
    }
}

/// The first record that is another.
fn difference(found: &Sessions, expected: &Sessions) -> String {
    let shown = |record: &Option<Record>| match record {
        Some(record) => format!("{record:?} with {}", beginning(record.data())),
        None => "absent".to_owned(),
    };
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        if found != expected {
            let (found, expected) = (shown(found), shown(expected));
            return format!("session {number} is {found} and must be {expected}");
        }
    }
    "nothing differs".to_owned()
}

/// One call of the storage.
enum Step {
    Save {
        session: usize,
        record: Record,
    },
    Replace {
        from: usize,
        to: usize,
        record: Record,
    },
    Remove {
        session: usize,
    },
}

impl Step {
    fn random(random: &mut Random, writer: &str) -> Self {
        let session = random.index(SESSIONS);
        match random.below(10) {
            0 | 1 => Self::Remove { session },
            2..5 => Self::Replace {
                from: session,
                to: (session + 1 + random.index(SESSIONS - 1)) % SESSIONS,
                record: record(random, writer),
            },
            _ => Self::Save {
                session,
                record: record(random, writer),
            },
        }
    }

    fn take(&self, storage: &dyn Storage, writer: &Writer) -> Result<(), StorageError> {
        let version = |session: usize| -> Result<Option<Version>, StorageError> {
            let there = storage.load(&writer.key(session))?;
            Ok(there.map(|record| record.version()))
        };
        match self {
            Self::Save { session, record } => {
                storage.save(&writer.key(*session), record, version(*session)?)
            }
            // Onto a session that is there it changes nothing, and says so.
            Self::Replace { to, .. } if version(*to)?.is_some() => Ok(()),
            Self::Replace { from, to, record } => {
                let [from_key, to] = [from, to].map(|session| writer.key(*session));
                storage.replace(&from_key, version(*from)?, &to, record)
            }
            Self::Remove { session } => storage.remove(&writer.key(*session)),
        }
    }

    /// What the step makes of what was there.
    fn expect(&self, sessions: &mut Sessions) {
        match self {
            Self::Save { session, record } => sessions[*session] = Some(record.clone()),
            Self::Replace { to, .. } if sessions[*to].is_some() => {}
            Self::Replace { from, to, record } => {
                sessions[*from] = None;
                sessions[*to] = Some(record.clone());
            }
            Self::Remove { session } => sessions[*session] = None,
        }
    }

    /// Whether it is a replacement that has saved the new session and not removed the old one.
    fn is_half(&self, found: &Sessions, before: &Sessions, after: &Sessions) -> bool {
        let Self::Replace { from, .. } = self else {
            return false;
        };
        let mut half = after.clone();
        half[*from].clone_from(&before[*from]);
        *found == half
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Save { session, .. } => write!(f, "a save of session {session}"),
            Self::Replace { from, to, .. } => write!(f, "a replacement of {from} by {to}"),
            Self::Remove { session } => write!(f, "a removal of session {session}"),
        }
    }
}

/// One of the users of a writer.
fn owner_name(writer: &str, number: usize) -> String {
    format!("user {number} of {writer}")
}

/// A record that no other call writes: most are short, some fill many pages.
fn record(random: &mut Random, writer: &str) -> Record {
    let stamp = format!("{:016x} ", random.below(u64::MAX));
    let longest = [10, 10, 200, 5_000][random.index(4)];
    let data = stamp.repeat(1 + random.index(longest));
    let owned = random.below(4) != 0;
    let owner = owned.then(|| owner(&owner_name(writer, random.index(OWNERS))));
    let halves = [random.below(u64::MAX), random.below(u64::MAX)].map(u64::to_be_bytes);
    let mut version = [0; 16];
    version.copy_from_slice(&halves.concat());
    Record::stored(Version::from_bytes(version), owner, data)
}
