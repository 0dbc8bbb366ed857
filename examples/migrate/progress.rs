//! How far it has come: a bar in a terminal, and a line now and then elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};
use logto::storage::MigrationCounts;

/// Between two pictures of the bar.
const SHORT: Duration = Duration::from_millis(100);
/// Between two lines.
const LONG: Duration = Duration::from_secs(5);

/// To the beginning of the line, and all that is on it away.
const CLEAR: &str = "\r\x1b[K";

pub struct Progress {
    is_terminal: bool,
    started: Instant,
    shown: Option<Instant>,
}

impl Progress {
    pub fn start() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            started: Instant::now(),
            shown: None,
        }
    }

    pub fn show(&mut self, counts: &MigrationCounts) {
        let pause = if self.is_terminal { SHORT } else { LONG };
        if self.shown.is_some_and(|shown| shown.elapsed() < pause) {
            return;
        }
        self.shown = Some(Instant::now());
        let total = counts.total.unwrap_or_default().max(counts.visited);
        let text = match left(counts.visited, total, self.started.elapsed()) {
            Some(left) => format!("{} of {total}, {left} s left", counts.visited),
            None => format!("{} of {total}", counts.visited),
        };
        // That nobody sees it is no reason to stop.
        let _ = match self.is_terminal {
            true => write!(
                io::stderr(),
                "{CLEAR}{}",
                bar(counts.visited, total, &text, width())
            ),
            false => writeln!(io::stderr(), "{text}"),
        };
    }

    /// The last words.
    pub fn end(&self, counts: &MigrationCounts) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
        let MigrationCounts {
            visited,
            copied,
            already_there,
            removed,
            ..
        } = counts;
        let mut text =
            format!("{visited} sessions: {copied} copied, {already_there} there already");
        let others = [
            (counts.gone, "ended meanwhile"),
            (counts.busy, "in use: run it again"),
            (counts.unreadable, "unreadable: see above"),
            (
                counts.not_removed,
                "still in the old storage too: run it again",
            ),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            text = format!("{text}, {count} {what}");
        }
        if *removed > 0 {
            text = format!("{text}; {removed} removed from the old storage");
        }
        let _ = writeln!(io::stdout(), "{text}");
    }
}

/// How many seconds it takes still, by what it took so far.
fn left(visited: u64, total: u64, elapsed: Duration) -> Option<u64> {
    let is_early = visited == 0 || elapsed < Duration::from_secs(1);
    let each = elapsed.as_secs_f64() / visited as f64;
    (!is_early).then(|| (each * (total - visited) as f64).ceil() as u64)
}

fn bar(visited: u64, total: u64, text: &str, width: usize) -> String {
    // Two brackets, a blank, and the last column, behind which some terminals begin a new line.
    let length = width.saturating_sub(text.len() + 4).min(60);
    if length < 10 {
        return text.chars().take(width.saturating_sub(1)).collect();
    }
    let done = (length as u64 * visited)
        .checked_div(total)
        .unwrap_or(length as u64) as usize;
    format!("[{}{}] {text}", "#".repeat(done), "-".repeat(length - done))
}

fn width() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(80, |(width, _)| width.0.into())
}

/// Says why sessions are passed over, on lines of their own.
struct Logger;

/// To be called once.
pub fn start_logger() {
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
            let clear = if io::stderr().is_terminal() {
                CLEAR
            } else {
                ""
            };
            let _ = writeln!(io::stderr(), "{clear}{}", record.args());
        }
    }

    fn flush(&self) {}
}
