//! Other processes for the checks: the test's own program, started again to run one test, which calls
//! [`play`] and is named `plays_a_process`.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use logto_core::{Record, SessionKey, Storage, StorageErrorKind};

use super::support::{count_up, load, lock, record, save, try_lock};
use super::{Fixture, crash};

const ROLE: &str = "LOGTO_CONTRACT_ROLE";
const PLACE: &str = "LOGTO_CONTRACT_PLACE";

/// What a line begins with that a process says, unlike those of the test harness.
const SAYS: &str = "says ";

/// For a process to start and to do what it has to.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const COUNTS: usize = 15;

/// The session that all processes use.
pub(super) const SHARED_SESSION: SessionKey = SessionKey::from_bytes([7; 32]);

/// Plays the part of another process, if this is one that a check has started; otherwise returns at
/// once.
pub fn play<F: Fixture>() {
    let (Ok(role), Ok(place)) = (env::var(ROLE), env::var(PLACE)) else {
        return;
    };
    if crash::play::<F>(&role, &place) {
        return;
    }
    let storage = F::open_place(&place);
    match role.as_str() {
        "answer" => answer(&storage),
        "try the lock" => match try_lock(&storage, &SHARED_SESSION) {
            Ok(()) => say("had"),
            Err(error) if error.kind() == StorageErrorKind::Busy => say("busy"),
            Err(error) => say(&format!("{error:?}")),
        },
        "hold the lock" => {
            let _held = lock(&storage, &SHARED_SESSION);
            say("held");
            wait_for_the_end();
        }
        "count" => {
            say("ready");
            wait_for_the_end();
            (0..COUNTS).for_each(|_| count_up(&storage, &SHARED_SESSION));
        }
        role => panic!("there is no role {role:?}"),
    }
}

fn answer(storage: &dyn Storage) {
    let found = load(storage, &SHARED_SESSION);
    let version = found.as_ref().map(Record::version);
    save(storage, &SHARED_SESSION, &record("answer"), version);
    say(found.as_ref().map_or("nothing", Record::data));
}

/// In one write, so that a process that is killed has said the line or has not.
pub(super) fn say(line: &str) {
    let line = format!("{SAYS}{line}\n");
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes()).expect("a listener");
}

/// Until the standard input ends.
fn wait_for_the_end() {
    io::read_to_string(io::stdin()).expect("the end of the input");
}

/// As the test harness names it: without the crate.
pub(super) fn test_in(module: &str) -> String {
    match module.split_once("::") {
        None => "plays_a_process".to_owned(),
        Some((_, path)) => format!("{path}::plays_a_process"),
    }
}

/// Another process. It is killed when this is dropped.
pub(super) struct Player {
    child: Child,
    says: Receiver<String>,
}

impl Player {
    pub(super) fn start(test: &str, role: &str, place: &str) -> Self {
        let program = env::current_exe().expect("this program's path");
        let mut child = Command::new(program)
            // With one thread the harness does not end its own line before the test begins.
            .args([test, "--exact", "--nocapture", "--test-threads=2"])
            .env(ROLE, role)
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("another process");
        let stdout = child.stdout.take().expect("its output");
        let (sender, says) = mpsc::channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            while stdout.read_line(&mut line).is_ok_and(|length| length > 0) {
                // The last line of a process that is killed may be cut.
                if let Some(words) = line.strip_suffix('\n').and_then(|l| l.strip_prefix(SAYS)) {
                    // Nobody may be listening any more.
                    let _ = sender.send(words.to_owned());
                }
                line.clear();
            }
        });
        Self { child, says }
    }

    pub(super) fn hear(&self) -> String {
        let words = self.says.recv_timeout(PATIENCE);
        words.expect("words of another process; does the module have the test `plays_a_process`?")
    }

    pub(super) fn is_alive(&mut self) -> bool {
        let ended = self.child.try_wait().expect("the state of the process");
        ended.is_none()
    }

    /// What it said until it was killed, which is now, and was not heard yet.
    pub(super) fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("the death of the process");
        self.child.wait().expect("the end of the process");
        self.says.iter().collect()
    }

    pub(super) fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Ends its input and waits for a good end.
    pub(super) fn finish(mut self) {
        self.end_input();
        let status = self.child.wait().expect("the end of the process");
        assert!(status.success(), "another process failed");
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // After `finish` it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
