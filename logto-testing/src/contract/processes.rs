//! What [`Storage`](logto_core::Storage) promises where several processes use one place. A check does nothing if
//! [`Fixture::place`] is `None` or the place is not [`SHARED`](Fixture::SHARED).
//!
//! The other processes are the test's own program, started again to run one test, which calls
//! [`play`]. A check is told the path of the module that has this test, named `plays_a_process`.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use logto_core::{Record, SessionKey, Storage as _, StorageErrorKind};

use super::support::{PATIENCE, SHORT, Stage, assert_kind, count_of, count_up, load, owner, save};
use super::{Fixture, crash};

/// The session that all processes use.
const SHARED_SESSION: SessionKey = SessionKey::ONLY;

const ROLE: &str = "LOGTO_CONTRACT_ROLE";
const PLACE: &str = "LOGTO_CONTRACT_PLACE";

/// What a line begins with that a process says, unlike those of the test harness.
const SAYS: &str = "says ";

const COUNTS: usize = 15;

/// A record that one process saves is loaded by another.
pub fn processes_see_the_same_records<F: Fixture>(module: &str) {
    let Some(cast) = Cast::<F>::new(module) else {
        return;
    };
    let storage = &*cast.stage.storage;
    let question = Record::new(Some(owner("alice")), "question");
    save(storage, &SHARED_SESSION, &question, None);
    let player = cast.start("answer");
    assert_eq!(player.hear(), "question");
    player.finish();
    let answer = load(storage, &SHARED_SESSION).expect("the answer");
    assert_eq!(answer.data(), "answer");
    assert_eq!(answer.owner(), Some(owner("alice")));
    let late = storage.save(&SHARED_SESSION, &question, Some(question.version()));
    assert_kind(late, StorageErrorKind::Conflict);
}

/// Processes that load, add one and save, again on a conflict, lose no count.
pub fn processes_lose_no_count<F: Fixture>(module: &str) {
    let Some(cast) = Cast::<F>::new(module) else {
        return;
    };
    let mut players = [(); 3].map(|()| cast.start("count"));
    for player in &players {
        assert_eq!(player.hear(), "ready");
    }
    players.iter_mut().for_each(Player::end_input);
    players.into_iter().for_each(Player::finish);
    let count = load(&*cast.stage.storage, &SHARED_SESSION).expect("the count");
    assert_eq!(count_of(&count), 3 * COUNTS);
}

/// While one process holds the lock, no other has it.
pub fn processes_exclude_each_other_by_the_lock<F: Fixture>(module: &str) {
    let Some(cast) = Cast::<F>::new(module).filter(|_| F::LOCKS) else {
        return;
    };
    let storage = &*cast.stage.storage;
    let held = storage
        .lock(&SHARED_SESSION, PATIENCE)
        .expect("a free lock");
    let player = cast.start("try the lock");
    assert_eq!(player.hear(), "busy");
    player.finish();
    drop(held);

    let holder = cast.start("hold the lock");
    assert_eq!(holder.hear(), "held");
    let outcome = storage.lock(&SHARED_SESSION, SHORT).map(drop);
    assert_kind(outcome, StorageErrorKind::Busy);
    holder.finish();
    drop(
        storage
            .lock(&SHARED_SESSION, PATIENCE)
            .expect("a released lock"),
    );
}

/// The lock of a process that is killed is free within [`Fixture::lock_recovery`].
pub fn processes_that_are_killed_release_the_lock<F: Fixture>(module: &str) {
    let Some(cast) = Cast::<F>::new(module).filter(|_| F::LOCKS) else {
        return;
    };
    for _ in 0..2 {
        let holder = cast.start("hold the lock");
        assert_eq!(holder.hear(), "held");
        drop(holder);
        let next = cast.stage.storage.lock(&SHARED_SESSION, F::lock_recovery());
        drop(next.expect("the lock of a process that was killed"));
    }
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
    let storage = F::open_place(&place);
    match role.as_str() {
        "answer" => {
            let question = load(&*storage, &SHARED_SESSION).expect("a question");
            let answer = Record::new(question.owner(), "answer");
            save(
                &*storage,
                &SHARED_SESSION,
                &answer,
                Some(question.version()),
            );
            say(question.data());
        }
        "try the lock" => match storage.lock(&SHARED_SESSION, SHORT) {
            Ok(_) => say("had"),
            Err(error) if error.kind() == StorageErrorKind::Busy => say("busy"),
            Err(error) => say(&format!("{error:?}")),
        },
        "hold the lock" => {
            let held = storage
                .lock(&SHARED_SESSION, PATIENCE)
                .expect("a free lock");
            say("held");
            wait_for_the_end();
            drop(held);
        }
        "count" => {
            say("ready");
            wait_for_the_end();
            (0..COUNTS).for_each(|_| count_up(&*storage, &SHARED_SESSION));
        }
        role => panic!("there is no role {role:?}"),
    }
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

/// A place, and what is needed to start other processes that use it.
struct Cast<F> {
    stage: Stage<F>,
    place: String,
    test: String,
}

impl<F: Fixture> Cast<F> {
    fn new(module: &str) -> Option<Self> {
        // Other processes go by the system's clock.
        let stage = Stage::<F>::with_lifetime(Duration::MAX);
        let place = stage.fixture.place().filter(|_| F::SHARED)?;
        Some(Self {
            stage,
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
                    // The listener may be gone.
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
