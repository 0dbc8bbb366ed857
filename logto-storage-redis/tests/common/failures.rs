//! What is asked of every failure: the right kind, a message that helps, no secret, and in time.
#![allow(dead_code)]

use std::error::Error;
use std::fmt::Debug;
use std::sync::{Mutex, Once, mpsc};
use std::thread;
use std::time::Duration;

use logto_core::{StorageError, StorageErrorKind};

/// What no error and no log may show.
pub const SECRET: &str = "5ecret-marker";

/// Far above every timeout that a test sets, and far below that of a test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails if it is not this kind of error, does not say this, or shows a secret.
pub fn assert_failed<T: Debug>(
    result: Result<T, StorageError>,
    kind: StorageErrorKind,
    says: &str,
) -> StorageError {
    let error = result.expect_err(says);
    let told = all_that_is_told_by(&error);
    assert_eq!(error.kind(), kind, "{told}");
    assert!(error.to_string().contains(says), "{told}");
    assert!(!told.contains(SECRET), "{told}");
    error
}

/// The message, the sources, and all of it for developers.
pub fn all_that_is_told_by(error: &StorageError) -> String {
    let mut told = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        told.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    told
}

/// What this returns; fails the test if it hangs.
pub fn in_time<T: Send + 'static>(does: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(does()));
    receiver
        .recv_timeout(PATIENCE)
        .expect("it hangs, or has panicked")
}

/// What this process has logged so far, all levels.
pub fn logged() -> String {
    LOGGED.lock().unwrap().clone()
}

/// Keeps what is logged from now on.
pub fn keep_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Kept).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

static LOGGED: Mutex<String> = Mutex::new(String::new());

struct Kept;

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.level(), record.args());
        LOGGED.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}
