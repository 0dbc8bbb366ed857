//! What the contract is tested with, and other processes: this test binary, started again to play a
//! part.

// Each test binary that includes this uses what it needs.
#![allow(dead_code)]

use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use logto_core::{EncryptionKey, SessionId, SessionStore};
use logto_storage_file::FileStore;
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use tempfile::TempDir;

const PART: &str = "LOGTO_FILE_TEST_PART";
const DIRECTORY: &str = "LOGTO_FILE_TEST_DIRECTORY";
const SEED: &str = "LOGTO_FILE_TEST_SEED";

/// What every line begins with that a part says, so that the test harness's own lines are left out.
const SAYS: &str = "says ";

/// What this process is to play, for the directory it is given; `None` where it is the test itself.
pub(crate) fn part() -> Option<(String, PathBuf, u64)> {
    let part = env::var(PART).ok()?;
    let seed = env::var(SEED).unwrap().parse().unwrap();
    Some((part, env::var_os(DIRECTORY).unwrap().into(), seed))
}

/// Says a line to the test that started this process. It has been said when this returns, even if the
/// process is killed the moment after.
pub(crate) fn say(line: impl std::fmt::Display) {
    // The line before may not have ended: the harness writes to it too.
    let line = format!("\n{SAYS}{line}\n");
    io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// A process that plays a part. It is killed when this is dropped.
pub(crate) struct Player {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Option<JoinHandle<Vec<String>>>,
}

impl Player {
    /// Starts the test `another_process` of this binary in a process of its own.
    pub(crate) fn start(part: &str, directory: &Path, seed: u64) -> Self {
        Self::start_and_hear(part, directory, seed, |_| {})
    }

    /// As [`start`](Self::start), and `hear` is given each line as it is said.
    pub(crate) fn start_and_hear(
        part: &str,
        directory: &Path,
        seed: u64,
        hear: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["another_process", "--exact", "--nocapture"])
            .env(PART, part)
            .env(DIRECTORY, directory)
            .env(SEED, seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let said = thread::spawn(move || {
            let mut said = Vec::new();
            let mut line = String::new();
            while stdout.read_line(&mut line).unwrap() > 0 {
                // The last line of a process that was killed may be cut.
                if let Some(words) = line.strip_suffix('\n').and_then(|l| l.strip_prefix(SAYS)) {
                    hear(words);
                    said.push(words.to_owned());
                }
                line.clear();
            }
            said
        });
        Self {
            stdin: child.stdin.take(),
            child,
            said: Some(said),
        }
    }

    /// What it said until it was killed, which is now.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.take().unwrap().join().unwrap()
    }

    /// What it said until its end, which must be a good one. Its standard input ends now.
    pub(crate) fn finish(mut self) -> Vec<String> {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.said.take().unwrap().join().unwrap()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same session in every process.
pub(crate) fn session_id(number: usize) -> SessionId {
    format!("{number:042}A").parse().unwrap()
}

/// Numbers that only look random: the same for the same seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The seed of the environment variable, or another one each time. It is printed with a failure.
pub(crate) fn seed() -> u64 {
    let given = env::var("LOGTO_CRASH_SEED").map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|_| RandomState::new().hash_one(0));
    println!("LOGTO_CRASH_SEED={seed}");
    seed
}

/// The key of every store in these tests.
pub(crate) fn key() -> EncryptionKey {
    EncryptionKey::from_bytes([0x5a; 32])
}

pub(crate) fn open(directory: &Path) -> FileStore {
    FileStore::open(directory, key()).unwrap()
}

/// The names in a directory that end like this.
pub(crate) fn names(directory: &Path, end: &str) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(end))
        .collect()
}

/// A directory with a directory of sessions in it.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("sessions")
    }
}

impl Fixture for Files {
    const PERSISTENT: bool = true;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
        let builder = FileStore::builder(self.path(), key());
        let builder = builder.idle_lifetime(idle_lifetime).clock(clock);
        Box::new(builder.open().unwrap())
    }

    fn place(&self) -> Option<String> {
        self.path().to_str().map(str::to_owned)
    }

    fn open_place(place: &str) -> Box<dyn SessionStore> {
        Box::new(open(Path::new(place)))
    }

    fn lock_recovery() -> Duration {
        Duration::from_secs(5)
    }
}
