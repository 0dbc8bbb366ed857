//! A refresh never signs anyone out: many ask for an expired token at once, at a provider that rotates
//! refresh tokens and forgives no reuse. `cargo test --test refresh_race -- --nocapture` prints what
//! reached the provider.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use logto::storage::{EncryptionKey, FileStorage, MemoryStorage, SqliteStorage, Storage};
use logto::{Logto, LogtoClient, SessionId};
use logto_testing::TestClock;
use support::asker::{self, Asker, PROCESSES, ROUND, Random, application, clock_offset, sign_in};
use support::least::Least;
use support::provider::{Provider, RESOURCE};

const ROUNDS: usize = 50;
const THREADS: usize = 64;

/// Rounds of everybody asking for an expired token at once.
fn race(case: &str, askers: impl Fn(&Logto) -> Vec<LogtoClient>) {
    let provider = Provider::start();
    let clock = TestClock::new();
    let logto = application(provider.endpoint(), &clock);
    let clients = askers(&logto);
    sign_in(&clients[0]);
    let mut refreshes = 0;
    for round in 1..=ROUNDS {
        clock.advance(ROUND);
        provider.set_clock_offset((ROUND.as_secs() * round as u64) as i64);
        provider.reset_stats();
        let tokens = at_once(&clients);
        assert_eq!(tokens.len(), 1, "everybody gets the same token");
        refreshes += provider.stats().grants("refresh_token");
        assert_eq!(refreshes, round, "one refresh a round");
    }
    clients[0]
        .access_token(RESOURCE)
        .unwrap()
        .expect("the grant is alive");
    println!("{case}: {ROUNDS} rounds, {refreshes} refreshes");
}

fn at_once(clients: &[LogtoClient]) -> BTreeSet<String> {
    let start = Barrier::new(clients.len());
    thread::scope(|threads| {
        let askers: Vec<_> = clients
            .iter()
            .map(|client| {
                threads.spawn(|| {
                    start.wait();
                    client.access_token(None).unwrap().unwrap()
                })
            })
            .collect();
        askers
            .into_iter()
            .map(|asker| asker.join().unwrap())
            .collect()
    })
}

#[test]
fn refresh_race_of_threads_on_one_client() {
    race("64 threads on one client", |logto| {
        vec![logto.client(MemoryStorage::new()); THREADS]
    });
}

#[test]
fn refresh_race_of_clients_over_one_storage() {
    race("64 clients over one storage", |logto| {
        let (storage, id) = (MemoryStorage::new(), SessionId::random());
        (0..THREADS).map(|_| logto.session(&storage, &id)).collect()
    });
}

#[test]
fn refresh_race_of_clients_over_one_sqlite_file() {
    let directory = tempfile::tempdir().unwrap();
    race("64 clients over one SQLite file", |logto| {
        let storage = SqliteStorage::open(directory.path().join("sessions.db")).unwrap();
        let id = SessionId::random();
        (0..THREADS).map(|_| logto.session(&storage, &id)).collect()
    });
}

#[test]
fn refresh_race_over_a_storage_without_a_lock() {
    race("64 clients over a storage without a lock", |logto| {
        let storage = Least::default();
        (0..THREADS)
            .map(|_| logto.client(storage.clone()))
            .collect()
    });
}

#[test]
fn refresh_race_of_two_resources() {
    let provider = Provider::start();
    let clock = TestClock::new();
    let logto = application(provider.endpoint(), &clock);
    for client in [
        logto.client(MemoryStorage::new()),
        logto.client(Least::default()),
    ] {
        sign_in(&client);
        for round in 1..=10 {
            clock.advance(ROUND);
            provider.set_clock_offset((clock_offset(&clock)) as i64);
            provider.reset_stats();
            thread::scope(|threads| {
                for resource in ["", RESOURCE] {
                    for _ in 0..16 {
                        let client = &client;
                        threads.spawn(move || client.access_token(resource).unwrap().unwrap());
                    }
                }
            });
            assert_eq!(provider.stats().grants("refresh_token"), 2, "round {round}");
        }
    }
}

/// Does nothing by itself: the tests start this in processes of their own.
#[test]
fn process_that_asks() {
    asker::play(open);
}

fn open(store: &str) -> Arc<dyn Storage> {
    match store.split_once(':').unwrap() {
        ("sqlite", path) => Arc::new(SqliteStorage::open(Path::new(path)).unwrap()),
        ("file", path) => {
            let key = EncryptionKey::from_bytes([7; 32]);
            Arc::new(FileStorage::open(Path::new(path), key).unwrap())
        }
        (kind, _) => panic!("no storage {kind}"),
    }
}

/// Rounds of eight processes with eight threads each asking for an expired token at once.
fn race_of_processes(case: &str, store: &str) {
    let provider = Provider::start();
    let clock = TestClock::new();
    let session = SessionId::random();
    let client = application(provider.endpoint(), &clock).session(&open(store), &session);
    sign_in(&client);
    let mut askers: Vec<_> = (0..PROCESSES)
        .map(|_| Asker::start(provider.endpoint(), store, &session))
        .collect();
    let mut refreshes = 0;
    for round in 1..=ROUNDS {
        let offset = ROUND.as_secs() * round as u64;
        clock.advance(ROUND);
        provider.set_clock_offset(offset as i64);
        provider.reset_stats();
        askers.iter_mut().for_each(|asker| asker.ask(offset));
        let tokens: BTreeSet<_> = askers
            .iter_mut()
            .map(|asker| asker.answer().expect("alive"))
            .collect();
        assert_eq!(tokens.len(), 1, "everybody gets the same token: {tokens:?}");
        refreshes += provider.stats().grants("refresh_token");
        assert_eq!(refreshes, round, "one refresh a round: {tokens:?}");
    }
    client
        .access_token(RESOURCE)
        .unwrap()
        .expect("the grant is alive");
    println!("{case}: {ROUNDS} rounds, {refreshes} refreshes");
}

#[test]
fn refresh_race_of_processes_over_one_sqlite_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    race_of_processes(
        "8 processes of 8 threads over one SQLite file",
        &format!("sqlite:{}", path.display()),
    );
}

#[test]
fn refresh_race_of_processes_over_one_directory_of_encrypted_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions");
    race_of_processes(
        "8 processes of 8 threads over one directory of encrypted files",
        &format!("file:{}", path.display()),
    );
}

/// Rounds in which processes are killed at random while they refresh. Where the provider forgives a
/// used refresh token for three seconds, whoever comes next recovers; where it does not, a process that
/// died between the answer and the write has taken the only refresh token with it.
fn race_with_kills(case: &str, store: &str, grace: u32) {
    const ROUNDS: usize = 30;
    let provider = Provider::builder().reuse_grace(grace).start();
    let clock = TestClock::new();
    let session = SessionId::random();
    let client = application(provider.endpoint(), &clock).session(&open(store), &session);
    sign_in(&client);
    let start = || Asker::start(provider.endpoint(), store, &session);
    let mut askers: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
    let mut random = Random(0x5eed);
    let (mut kills, mut signed_out) = (0, 0);
    for round in 1..=ROUNDS {
        let offset = ROUND.as_secs() * round as u64;
        clock.advance(ROUND);
        provider.set_clock_offset(offset as i64);
        askers.iter_mut().for_each(|asker| asker.ask(offset));
        thread::sleep(Duration::from_millis(random.below(60)));
        let victims = [random.below(8) as usize, random.below(8) as usize];
        for victim in victims {
            // Before its successor starts, so that it dies in the midst of it.
            askers[victim].kill();
            kills += 1;
        }
        for victim in victims {
            askers[victim] = start();
        }
        let living = (0..PROCESSES).filter(|index| !victims.contains(index));
        let answers: BTreeSet<_> = living
            .map(|index| askers[index].answer().expect("alive"))
            .collect();
        if grace > 0 {
            let failed = answers
                .iter()
                .find(|answer| answer.contains("error") || answer.contains("signed out"));
            assert_eq!(failed, None, "round {round}");
        }
        if !matches!(client.access_token(None), Ok(Some(_))) {
            signed_out += 1;
            sign_in(&client);
        }
    }
    println!("{case}: {ROUNDS} rounds, {kills} kills, {signed_out} times signed out");
    assert!(
        signed_out == 0 || (grace == 0 && signed_out < kills),
        "{signed_out}"
    );
}

#[test]
fn refresh_race_of_killed_processes() {
    let stores = [
        ("sqlite", "one SQLite file"),
        ("file", "one directory of encrypted files"),
    ];
    for (scheme, place) in stores {
        for (grace, name) in [(0, "no grace"), (3, "three seconds' grace")] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("sessions");
            race_with_kills(
                &format!("killed processes over {place}, {name}"),
                &format!("{scheme}:{}", path.display()),
                grace,
            );
        }
    }
}
