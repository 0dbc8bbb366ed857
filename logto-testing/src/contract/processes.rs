//! What [`SessionStore`](logto_core::SessionStore) promises where several processes use one place: one check for each
//! promise. A check panics if the promise is not kept, and does nothing if [`Fixture::place`] is
//! `None` or the place is not [`SHARED`](Fixture::SHARED).
//!
//! The other processes are the test's own program, started again to run one test, which calls
//! [`play`]. A check is told the path of the module that has this test, named `plays_a_process`.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{SessionId, Storage as _};

use super::support::{
    assert_busy, assert_value, count_up, count_up_by_replacing, counted, get, lock, set, try_lock,
    while_held,
};
use super::{Fixture, SessionInPlace, crash};

/// A check of one promise. It is given the path of the module with `plays_a_process`.
pub type Check = fn(&str);

/// Every check, by its name.
pub fn all<F: Fixture>() -> Vec<(&'static str, Check)> {
    crate::__process_promises!(__list <F> as Check).to_vec()
}

/// Names the checks to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __process_promises {
    ($then:ident $($arguments:tt)*) => {
        $crate::$then! {
            [$($arguments)*]
            [
                processes_see_the_same_values
                a_lock_excludes_other_processes
                a_lock_is_released_when_its_process_is_killed
                nothing_that_processes_count_is_lost
            ]
        }
    };
}

const ROLE: &str = "LOGTO_CONTRACT_ROLE";
const PLACE: &str = "LOGTO_CONTRACT_PLACE";

/// What a line begins with that a process says, unlike those of the test harness.
const SAYS: &str = "says ";

/// For a process to start and to do what it has to.
const PATIENCE: Duration = Duration::from_secs(60);

const COUNTS: usize = 15;

/// Values that one process writes are read by another.
pub fn processes_see_the_same_values<F: Fixture>(module: &str) {
    let Some(stage) = Stage::<F>::new(module) else {
        return;
    };
    set(&stage.session, IdToken, "question");
    let player = stage.start("answer");
    assert_eq!(player.hear(), "question");
    assert_value(&stage.session, RefreshToken, Some("answer"));
    player.finish();
}

/// While one process holds the lock, no other has it.
pub fn a_lock_excludes_other_processes<F: Fixture>(module: &str) {
    let Some(stage) = Stage::<F>::new(module) else {
        return;
    };
    let held = lock(&stage.session);
    let player = stage.start("try the lock");
    assert_eq!(player.hear(), "busy");
    player.finish();
    drop(held);

    let holder = stage.start("hold the lock");
    assert_eq!(holder.hear(), "held");
    assert_busy(Some(try_lock(&stage.session)));
    holder.finish();
    drop(lock(&stage.session));
}

/// The lock of a process that is killed is had within [`Fixture::lock_recovery`].
pub fn a_lock_is_released_when_its_process_is_killed<F: Fixture>(module: &str) {
    let Some(stage) = Stage::<F>::new(module) else {
        return;
    };
    for _ in 0..2 {
        let holder = stage.start("hold the lock");
        assert_eq!(holder.hear(), "held");
        drop(holder);
        let next = stage.session.lock(F::lock_recovery());
        let held = next.expect("the lock of a process that was killed");
        assert_busy(while_held(held, || try_lock(&stage.session)));
    }
}

/// Processes that read, add one and write under the lock, or under one to write, lose no count.
pub fn nothing_that_processes_count_is_lost<F: Fixture>(module: &str) {
    let Some(stage) = Stage::<F>::new(module) else {
        return;
    };
    let mut players = [(); 3].map(|()| stage.start("count"));
    for player in &players {
        assert_eq!(player.hear(), "ready");
    }
    players.iter_mut().for_each(Player::end_input);
    players.into_iter().for_each(Player::finish);
    assert_eq!(counted(&stage.session), 3 * COUNTS);
}

/// Plays the part of another process, if this is one that a check has started; otherwise returns at
/// once.
pub fn play<F: Fixture>() {
    let (Ok(role), Ok(place)) = (env::var(ROLE), env::var(PLACE)) else {
        return;
    };
    if crash::play::<F>(&role, &place) {
        return;
    }
    let store = F::open_place(&place);
    let session = store.session(&shared_id());
    match role.as_str() {
        "answer" => {
            set(&session, RefreshToken, "answer");
            say(&get(&session, IdToken).unwrap_or_default());
        }
        "try the lock" => match try_lock(&session) {
            Ok(()) => say("had"),
            Err(error) if error.is_retryable() => say("busy"),
            Err(error) => say(&format!("{error:?}")),
        },
        "hold the lock" => {
            let held = lock(&session);
            say("held");
            wait_for_the_end();
            drop(held);
        }
        "count" => {
            say("ready");
            wait_for_the_end();
            for round in 0..COUNTS {
                match round % 4 {
                    0 => count_up_by_replacing(&*store, &shared_id()),
                    _ => count_up(&session, round),
                }
            }
        }
        role => panic!("there is no role {role:?}"),
    }
}

/// The session that all processes use.
fn shared_id() -> SessionId {
    SessionId::parse(&"A".repeat(43)).expect("the form of an id")
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

/// A place, and the session in it that all processes use.
struct Stage<F> {
    session: SessionInPlace<F>,
    place: String,
    test: String,
}

impl<F: Fixture> Stage<F> {
    fn new(module: &str) -> Option<Self> {
        let fixture = F::new();
        let place = fixture.place().filter(|_| F::SHARED)?;
        Some(Self {
            session: SessionInPlace::new(fixture, &shared_id()),
            place,
            test: test_in(module),
        })
    }

    fn start(&self, role: &str) -> Player {
        Player::start(&self.test, role, &self.place)
    }
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

    fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Ends its input and waits for a good end.
    fn finish(mut self) {
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
