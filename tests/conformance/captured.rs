//! What is logged on the thread of a test, which is where the client works.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Capture;

/// Where ureq dumps, at the level `trace` only, what goes over the wire. It says so, and a library cannot
/// turn it off.
const WIRE_DUMP: &str = "ureq_proto::util";

impl Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() != WIRE_DUMP {
            let line = format!(
                "{} {}: {}\n",
                record.level(),
                record.target(),
                record.args()
            );
            LINES.with_borrow_mut(|lines| lines.push_str(&line));
        }
    }

    fn flush(&self) {}
}

/// Captures every level from here on.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Capture).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// What was logged on this thread so far.
pub fn text() -> String {
    LINES.with_borrow(String::clone)
}
