//! A refresh never signs anyone out: many ask for an expired token at once, at a provider that rotates
//! refresh tokens and forgives no reuse. `cargo test --test refresh_race -- --nocapture` prints what
//! reached the provider.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{env, thread};

use logto::storage::{
    EncryptionKey, FileStore, MemoryStorage, MemoryStore, PersistKey, SqliteStore, Storage,
    StorageError,
};
use logto::{
    HttpClient, HttpError, Logto, LogtoBuilder, LogtoClient, LogtoConfig, SessionId, SessionStore,
    UreqClient,
};
use logto_testing::TestClock;
use support::browser::Browser;
use support::provider::{ALICE, NATIVE_CLIENT, NATIVE_REDIRECT_URI, Provider, RESOURCE};

const ROUNDS: usize = 50;
const THREADS: usize = 64;
const PROCESSES: usize = 8;
const THREADS_PER_PROCESS: usize = 8;

/// Longer than an access token lives.
const ROUND: Duration = Duration::from_secs(3700);

fn application(endpoint: &str, clock: &TestClock) -> Logto {
    builder(endpoint, clock).build().unwrap()
}

fn builder(endpoint: &str, clock: &TestClock) -> LogtoBuilder {
    let config = LogtoConfig::new(endpoint, NATIVE_CLIENT)
        .resources([RESOURCE])
        .scopes(["read:items"]);
    Logto::builder(config)
        .clock(clock.clone())
        .lock_timeout(Duration::from_secs(120))
}

fn sign_in(client: &LogtoClient) {
    let callback = Browser::new().sign_in(&client.sign_in(NATIVE_REDIRECT_URI).unwrap(), ALICE);
    client.handle_sign_in_callback(&callback).unwrap();
}

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
fn threads_on_one_client() {
    race("64 threads on one client", |logto| {
        vec![logto.client(MemoryStorage::new()); THREADS]
    });
}

#[test]
fn clients_over_one_store() {
    race("64 clients over one store", |logto| {
        let (store, id) = (MemoryStore::new(), SessionId::random());
        (0..THREADS).map(|_| logto.session(&store, &id)).collect()
    });
}

#[test]
fn clients_over_one_sqlite_file() {
    let directory = tempfile::tempdir().unwrap();
    race("64 clients over one SQLite file", |logto| {
        let store = SqliteStore::open(directory.path().join("sessions.db")).unwrap();
        let id = SessionId::random();
        (0..THREADS).map(|_| logto.session(&store, &id)).collect()
    });
}

/// What a storage is that implements only what it must.
#[derive(Debug, Clone)]
struct GetAndSet(Arc<MemoryStorage>);

impl Storage for GetAndSet {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.0.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.0.set(key, value)
    }
}

#[test]
fn clients_over_storages_that_only_get_and_set() {
    race(
        "64 clients over a storage that only gets and sets",
        |logto| {
            let storage = GetAndSet(Arc::new(MemoryStorage::new()));
            (0..THREADS)
                .map(|_| logto.client(storage.clone()))
                .collect()
        },
    );
}

#[test]
fn different_tokens_of_one_session() {
    let provider = Provider::start();
    let clock = TestClock::new();
    let logto = application(provider.endpoint(), &clock);
    for client in [
        logto.client(MemoryStorage::new()),
        logto.client(GetAndSet(Arc::new(MemoryStorage::new()))),
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

/// How far a clock is ahead of the system's, in seconds.
fn clock_offset(clock: &TestClock) -> u64 {
    use logto::{Clock, SystemClock};

    (clock.unix_seconds() - SystemClock.unix_seconds()) as u64
}

/// A process that asks whenever it is told to, with eight threads of its own.
struct Asker {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

const ENDPOINT: &str = "REFRESH_RACE_ENDPOINT";
const STORE: &str = "REFRESH_RACE_STORE";
const SESSION: &str = "REFRESH_RACE_SESSION";

impl Asker {
    fn start(endpoint: &str, store: &str, session: &SessionId) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "process_that_asks", "--nocapture"])
            .env(ENDPOINT, endpoint)
            .env(STORE, store)
            .env(SESSION, session.expose())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut asker = Self {
            child,
            commands,
            answers,
        };
        assert_eq!(asker.answer().as_deref(), Some("ready"));
        asker
    }

    fn ask(&mut self, offset: u64) {
        // A process that was killed has no ears.
        let _ = writeln!(self.commands, "{offset}");
    }

    /// What it says next; `None` if it is dead.
    fn answer(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            match self.answers.read_line(&mut line) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
            if let Some((_, answer)) = line.trim_end().split_once("asker: ") {
                return Some(answer.to_owned());
            }
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes its time between the server's answer and what is done with it, so that a process is killed
/// just then.
#[derive(Debug, Default)]
struct SlowReader(UreqClient);

impl HttpClient for SlowReader {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let answer = self.0.send(request, body_limit);
        thread::sleep(Duration::from_millis(10));
        answer
    }
}

/// Does nothing by itself: the tests start this in processes of their own.
#[test]
fn process_that_asks() {
    let Ok(endpoint) = env::var(ENDPOINT) else {
        return;
    };
    let clock = TestClock::new();
    let logto = builder(&endpoint, &clock)
        .http_client(SlowReader::default())
        .build()
        .unwrap();
    let store = open(&env::var(STORE).unwrap());
    let session = SessionId::parse(&env::var(SESSION).unwrap()).unwrap();
    println!("\nasker: ready");
    for line in std::io::stdin().lines() {
        let offset: u64 = line.unwrap().parse().unwrap();
        clock.advance(Duration::from_secs(offset - clock_offset(&clock)));
        let clients: Vec<_> = (0..THREADS_PER_PROCESS)
            .map(|_| logto.session(&store, &session))
            .collect();
        let results = thread::scope(|threads| {
            let askers: Vec<_> = clients
                .iter()
                .map(|client| threads.spawn(|| client.access_token(None)))
                .collect();
            askers
                .into_iter()
                .map(|asker| asker.join().unwrap())
                .collect::<Vec<_>>()
        });
        let answers: BTreeSet<_> = results
            .into_iter()
            .map(|result| match result {
                Ok(Some(token)) => token,
                Ok(None) => "signed out".to_owned(),
                Err(error) => format!("error: {error}"),
            })
            .collect();
        println!("\nasker: {}", Vec::from_iter(answers).join(", "));
    }
}

fn open(store: &str) -> Box<dyn SessionStore> {
    match store.split_once(':').unwrap() {
        ("sqlite", path) => Box::new(SqliteStore::open(Path::new(path)).unwrap()),
        ("file", path) => {
            let key = EncryptionKey::from_bytes([7; 32]);
            Box::new(FileStore::open(Path::new(path), key).unwrap())
        }
        (kind, _) => panic!("no store {kind}"),
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
fn processes_over_one_sqlite_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    race_of_processes(
        "8 processes of 8 threads over one SQLite file",
        &format!("sqlite:{}", path.display()),
    );
}

#[test]
fn processes_over_one_directory_of_encrypted_files() {
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
            let _ = askers[victim].child.kill();
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

/// Enough to kill by (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn killed_processes() {
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
