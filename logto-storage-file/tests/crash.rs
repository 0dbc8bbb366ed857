//! A process that writes is killed at a random moment, again and again: what it was told to be written
//! is there, and nothing is there in part.
//!
//! `LOGTO_CRASH_ROUNDS` kills more often than 200 times, `LOGTO_CRASH_SEED` writes the same again.

mod common;

use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::Duration;

use logto_core::{Change, PersistKey, SessionStore, StorageError};
use logto_storage_file::FileStore;

use common::{Player, Random, say, session_id};

/// Threads that write at once, each to sessions of its own.
const WRITERS: usize = 3;
const SESSIONS: usize = 4;

/// The lock of a process that was killed must be had at once.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn another_process() {
    let Some((_, directory, seed)) = common::part() else {
        return;
    };
    let store = common::open(&directory);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for step in steps(seed, writer) {
                    step.take(store, writer).unwrap();
                    say(writer);
                }
            });
        }
    });
}

#[test]
fn a_killed_process_leaves_all_that_was_written_and_nothing_in_part() {
    let rounds = env::var("LOGTO_CRASH_ROUNDS").map_or(200, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let sessions = directory.path().join("sessions");
    let mut random = Random::new(common::seed());
    let mut expected = vec![Sessions::default(); WRITERS];
    let (mut written, mut unsaid, mut swept) = (0, 0, 0);
    for round in 0..rounds {
        let seed = random.below(u64::MAX);
        let process = Player::start("write", &sessions, seed);
        thread::sleep(Duration::from_micros(random.below(150_000)));
        let said = process.kill();
        if !sessions.exists() {
            continue;
        }

        swept += common::names(&sessions, ".tmp").len();
        let store = common::open(&sessions);
        assert!(common::names(&sessions, ".tmp").is_empty());
        for (writer, expected) in expected.iter_mut().enumerate() {
            let said = said.iter().filter(|line| **line == writer.to_string());
            let mut steps = steps(seed, writer);
            for step in steps.by_ref().take(said.count()) {
                step.expect(expected);
                written += 1;
            }
            let found = read_all(&store, writer).unwrap();
            if found != *expected {
                // The process was killed before it could say so.
                steps.next().unwrap().expect(expected);
                unsaid += 1;
            }
            assert!(found == *expected, "round {round}, writer {writer}");
        }
    }
    println!("{rounds} kills, {written} steps, {unsaid} of them unsaid");
    assert!(written > rounds);
    // One at most for each thread that was killed.
    println!("{swept} temporary files were left");
    assert!(swept <= rounds as usize * WRITERS);
}

/// What a writer's sessions hold.
type Sessions = [BTreeMap<PersistKey, String>; SESSIONS];

/// One call of the store.
enum Step {
    Update {
        session: usize,
        locked: bool,
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

/// The steps of a writer, without end.
fn steps(seed: u64, writer: usize) -> impl Iterator<Item = Step> {
    let mut random = Random::new(seed ^ ((writer as u64) << 32));
    std::iter::repeat_with(move || Step::random(&mut random))
}

impl Step {
    fn random(random: &mut Random) -> Self {
        let session = random.below(SESSIONS as u64) as usize;
        match random.below(10) {
            0 => Self::Remove { session },
            1 | 2 => Self::Rename {
                from: session,
                to: random.below(SESSIONS as u64) as usize,
            },
            kind => Self::Update {
                session,
                locked: kind < 6,
                changes: changes(random),
            },
        }
    }

    fn take(&self, store: &FileStore, writer: usize) -> Result<(), StorageError> {
        let id = |session| session_id(writer * SESSIONS + session);
        match self {
            Self::Update {
                session,
                locked,
                changes,
            } => {
                let session = store.session(&id(*session));
                let _held = locked.then(|| session.lock(BOUND)).transpose()?;
                let changes: Vec<_> = changes
                    .iter()
                    .map(|(key, value)| Change {
                        key: *key,
                        value: value.as_deref(),
                    })
                    .collect();
                session.update(&changes)
            }
            Self::Rename { from, to } => store.rename(&id(*from), &id(*to)),
            Self::Remove { session } => store.remove(&id(*session)),
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

/// Several keys at once, to values that nobody else writes: most are short, some fill many blocks.
fn changes(random: &mut Random) -> Vec<(PersistKey, Option<String>)> {
    let stamp = format!("{:016x} ", random.below(u64::MAX));
    let mut changes = Vec::new();
    for key in PersistKey::ALL {
        let longest = [10, 10, 200, 5_000][random.below(4) as usize];
        let value = stamp.repeat(1 + random.below(longest) as usize);
        match random.below(8) {
            0 => {}
            1 => changes.push((key, None)),
            _ => changes.push((key, Some(value))),
        }
    }
    changes
}

/// All that a writer's sessions hold, each under its lock.
fn read_all(store: &FileStore, writer: usize) -> Result<Sessions, StorageError> {
    let mut sessions = Sessions::default();
    for (number, values) in sessions.iter_mut().enumerate() {
        let session = store.session(&session_id(writer * SESSIONS + number));
        let _held = session.lock(BOUND)?;
        for key in PersistKey::ALL {
            if let Some(value) = session.get(key)? {
                values.insert(key, value);
            }
        }
    }
    Ok(sessions)
}
