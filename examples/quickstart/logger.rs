//! What goes wrong, on the standard error. An application has a logger of its own choice here.

use std::io::{self, Write as _};

use log::{LevelFilter, Log, Metadata, Record};

struct Logger;

/// To be called once.
pub fn start() {
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let _ = writeln!(io::stderr(), "{}: {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}
