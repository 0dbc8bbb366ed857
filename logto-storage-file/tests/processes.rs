//! Several processes over one directory.

mod common;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{PersistKey, SessionId, SessionStore, Storage};
use logto_storage_file::FileStore;
use tempfile::TempDir;

use common::{Player, Random, say, session_id};

const SESSIONS: usize = 20;
const PROCESSES: usize = 8;
const THREADS: usize = 4;
const COUNTS: usize = 150;

/// Within this the next one must have the lock.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn another_process() {
    let Some((part, directory, seed)) = common::part() else {
        return;
    };
    match part.as_str() {
        "open and write" => open_and_write(&directory),
        "count" => count(&directory, seed),
        "set one key" => set_one_key(&directory, seed),
        "hold" => hold(&common::open(&directory)),
        part => panic!("there is no part {part:?}"),
    }
}

fn open_and_write(directory: &Path) {
    let store = common::open(directory);
    for round in 0..20 {
        let session = store.session(&SessionId::random());
        let value = round.to_string();
        session.set(PersistKey::IdToken, Some(&value)).unwrap();
        assert_eq!(session.get(PersistKey::IdToken).unwrap(), Some(value));
    }
}

/// Sets a key that no other process sets, without the lock.
fn set_one_key(directory: &Path, number: u64) {
    let session = common::open(directory).session(&session_id(0));
    let key = PersistKey::ALL[number as usize];
    for round in 0..100 {
        let value = round.to_string();
        session.set(key, Some(&value)).unwrap();
        assert_eq!(session.get(key).unwrap(), Some(value));
    }
}

/// Says which session was counted up, each time.
fn count(directory: &Path, seed: u64) {
    let store = common::open(directory);
    thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random::new(seed ^ (thread << 32));
                for _ in 0..COUNTS {
                    let session = random.below(SESSIONS as u64) as usize;
                    count_up(&store.session(&session_id(session)));
                    say(session);
                }
            });
        }
    });
}

/// Reads, adds one and writes, under the session's lock.
fn count_up(session: &dyn Storage) {
    let _held = session.lock(BOUND).unwrap();
    let before = counted(session);
    session
        .set(PersistKey::RefreshToken, Some(&(before + 1).to_string()))
        .unwrap();
}

fn counted(session: &dyn Storage) -> usize {
    let value = session.get(PersistKey::RefreshToken).unwrap();
    value.map_or(0, |text| text.parse().unwrap())
}

/// Holds the locks of all sessions until its standard input ends.
fn hold(store: &FileStore) {
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|number| store.session(&session_id(number)))
        .collect();
    let held: Vec<_> = sessions
        .iter()
        .map(|session| session.lock(BOUND).unwrap())
        .collect();
    say("held");
    io::read_to_string(io::stdin()).unwrap();
    drop(held);
}

/// Counts the lines that processes said, by session.
fn tally(said: &[String]) -> [usize; SESSIONS] {
    let mut tally = [0; SESSIONS];
    for line in said {
        tally[line.parse::<usize>().unwrap()] += 1;
    }
    tally
}

struct Fixture {
    directory: TempDir,
    store: FileStore,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = common::open(&directory.path().join("sessions"));
        Self { directory, store }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("sessions")
    }

    fn start(&self, part: &str, seed: u64) -> Player {
        Player::start(part, &self.path(), seed)
    }

    /// Starts a process, and waits until it holds all locks.
    fn start_holder(&self) -> Player {
        let (sender, says) = mpsc::channel();
        let directory = self.path();
        let holder = Player::start_and_hear("hold", &directory, 0, move |line| {
            sender.send(line.to_owned()).unwrap();
        });
        assert_eq!(says.recv().unwrap(), "held");
        holder
    }

    fn counted(&self) -> [usize; SESSIONS] {
        std::array::from_fn(|number| counted(&self.store.session(&session_id(number))))
    }
}

#[test]
fn processes_open_and_fill_a_new_directory_at_once() {
    let fixture = Fixture::new();
    let players: Vec<_> = (0..4).map(|_| fixture.start("open and write", 0)).collect();
    for player in players {
        player.finish();
    }
    assert_eq!(common::names(&fixture.path(), ".session").len(), 4 * 20);
}

#[test]
fn processes_that_set_different_keys_of_a_session_lose_nothing() {
    let fixture = Fixture::new();
    let players: Vec<_> = (0..PersistKey::ALL.len() as u64)
        .map(|number| fixture.start("set one key", number))
        .collect();
    for player in players {
        player.finish();
    }
}

#[test]
fn processes_that_count_under_the_lock_lose_nothing() {
    let fixture = Fixture::new();
    let seed = common::seed();
    let players: Vec<_> = (0..PROCESSES as u64)
        .map(|process| fixture.start("count", seed.wrapping_add(process)))
        .collect();
    let said: Vec<_> = players.into_iter().flat_map(Player::finish).collect();
    assert_eq!(said.len(), PROCESSES * THREADS * COUNTS);
    assert_eq!(fixture.counted(), tally(&said));
}

#[test]
fn the_others_count_on_when_processes_are_killed() {
    const KILLS: usize = 16;
    let fixture = Fixture::new();
    let seed = common::seed();
    let mut random = Random::new(seed);
    let start = |random: &mut Random| fixture.start("count", random.below(u64::MAX));
    let mut players: Vec<_> = (0..PROCESSES).map(|_| start(&mut random)).collect();
    let mut said = Vec::new();
    for _ in 0..KILLS {
        thread::sleep(Duration::from_millis(random.below(200)));
        let unlucky = random.below(PROCESSES as u64) as usize;
        said.extend(players.swap_remove(unlucky).kill());
        players.push(start(&mut random));
    }
    said.extend(players.into_iter().flat_map(Player::finish));

    let (counted, said) = (fixture.counted(), tally(&said));
    let unsaid = counted.iter().zip(said).map(|(counted, said)| {
        // Not less than was said, and not much more: a thread that is killed has one count unsaid at most.
        counted.checked_sub(said).unwrap()
    });
    assert!(unsaid.sum::<usize>() <= KILLS * THREADS);
}

#[test]
fn the_locks_of_a_process_that_is_killed_are_free_at_once() {
    let fixture = Fixture::new();
    for _ in 0..5 {
        let holder = fixture.start_holder();
        for number in 0..SESSIONS {
            let session = fixture.store.session(&session_id(number));
            assert!(session.lock(Duration::ZERO).is_err());
        }
        holder.kill();

        let killed = Instant::now();
        for number in 0..SESSIONS {
            let session = fixture.store.session(&session_id(number));
            drop(session.lock(BOUND).unwrap());
        }
        assert!(killed.elapsed() < Duration::from_secs(5));
    }
}
