//! All that any crate of this process logs, apart from the fake server.

use std::sync::{Mutex, Once};
use std::thread::{self, ThreadId};

use log::{LevelFilter, Log, Metadata, Record};

static CAPTURED: Captured = Captured(Mutex::new(Vec::new()));

/// Where ureq and sled dump, at the level `trace` only, what goes over the wire and to the disk. It is
/// documented, and cannot be turned off by a library.
const DUMPS: [&str; 2] = ["ureq_proto::util", "sled"];

#[derive(Clone)]
pub struct Line {
    pub target: String,
    pub text: String,
    thread: ThreadId,
}

struct Captured(Mutex<Vec<Line>>);

impl Log for Captured {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let is_dump = record.level() == log::Level::Trace
            && DUMPS.iter().any(|dump| record.target().starts_with(dump));
        if !is_dump && !record.target().starts_with("logto_testing") {
            let line = Line {
                target: record.target().to_owned(),
                text: format!("{} {}", record.level(), record.args()),
                thread: thread::current().id(),
            };
            self.0.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

/// Captures from here on.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&CAPTURED).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// What the test of this thread has logged so far.
pub fn lines() -> Vec<Line> {
    let lines = CAPTURED.0.lock().unwrap();
    let here = thread::current().id();
    let lines = lines.iter().filter(|line| line.thread == here);
    lines.cloned().collect()
}

/// The same in one piece.
pub fn text() -> String {
    let lines = lines();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| format!("{}: {}", line.target, line.text))
        .collect();
    lines.join("\n")
}
