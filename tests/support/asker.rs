//! Processes that ask for access tokens at a provider whenever they are told to, each with eight threads.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use logto::{
    Clock, HttpClient, HttpError, Logto, LogtoBuilder, LogtoClient, LogtoConfig, SessionId,
    Storage, SystemClock, UreqClient,
};
use logto_testing::TestClock;

use super::browser::Browser;
use super::provider::{ALICE, NATIVE_CLIENT, NATIVE_REDIRECT_URI, RESOURCE};

pub const PROCESSES: usize = 8;
const THREADS_PER_PROCESS: usize = 8;

/// Longer than an access token lives.
pub const ROUND: Duration = Duration::from_secs(3700);

pub fn application(endpoint: &str, clock: &TestClock) -> Logto {
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

pub fn sign_in(client: &LogtoClient) {
    let callback = Browser::new().sign_in(&client.sign_in(NATIVE_REDIRECT_URI).unwrap(), ALICE);
    client.handle_sign_in_callback(&callback).unwrap();
}

/// A process that asks whenever it is told to, with eight threads of its own.
pub struct Asker {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

const ENDPOINT: &str = "REFRESH_RACE_ENDPOINT";
const STORE: &str = "REFRESH_RACE_STORE";
const SESSION: &str = "REFRESH_RACE_SESSION";
/// Where each refresh token is noted before it is shown to the provider, if anywhere.
const SHOWN: &str = "REFRESH_RACE_SHOWN";

impl Asker {
    pub fn start(endpoint: &str, store: &str, session: &SessionId) -> Self {
        Self::spawn(
            &mut Command::new(env::current_exe().unwrap()),
            endpoint,
            store,
            session,
        )
    }

    /// One that notes each refresh token that it shows to the provider, in a line of this file.
    pub fn noting(shown: &Path, endpoint: &str, store: &str, session: &SessionId) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        Self::spawn(command.env(SHOWN, shown), endpoint, store, session)
    }

    fn spawn(command: &mut Command, endpoint: &str, store: &str, session: &SessionId) -> Self {
        let mut child = command
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

    pub fn ask(&mut self, offset: u64) {
        // A process that was killed has no ears.
        let _ = writeln!(self.commands, "{offset}");
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// What it says next; `None` if it is dead.
    pub fn answer(&mut self) -> Option<String> {
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
        note(request.body());
        let answer = self.0.send(request, body_limit);
        thread::sleep(Duration::from_millis(10));
        answer
    }
}

/// Before it is sent, so that a token is noted even where the answer never came.
fn note(body: &[u8]) {
    let Ok(path) = env::var(SHOWN) else { return };
    let mut pairs = url::form_urlencoded::parse(body);
    if let Some((_, token)) = pairs.find(|(name, _)| name == "refresh_token") {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(format!("{token}\n").as_bytes()).unwrap();
    }
}

/// The process: what the test `process_that_asks` of each file does, and nothing unless it was started for it.
pub fn play(open: impl Fn(&str) -> Arc<dyn Storage>) {
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

/// How far a clock is ahead of the system's, in seconds.
pub fn clock_offset(clock: &TestClock) -> u64 {
    (clock.unix_seconds() - SystemClock.unix_seconds()) as u64
}

/// Enough to kill by (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
