//! What must not be found where it does not belong: each of these has the mark in it.

use std::cell::RefCell;
use std::error::Error;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

pub const MARK: &str = "planted";

pub const APP_SECRET: &str = "planted-app-secret";
/// How the application's secret is sent.
pub const BASIC: &str = "YXBwOnBsYW50ZWQtYXBwLXNlY3JldA==";
pub const CODE: &str = "planted-code";
pub const CODE_VERIFIER: &str = "planted-code-verifier";
pub const NONCE: &str = "planted-nonce";
pub const ACCESS_TOKEN: &str = "planted-access-token";
pub const REFRESH_TOKEN: &str = "planted-refresh-token";
pub const OLD_ACCESS_TOKEN: &str = "planted-old-access-token";
pub const OLD_REFRESH_TOKEN: &str = "planted-old-refresh-token";

/// The longest message, in characters: some texts of the server, of 500 characters each.
const LONGEST_MESSAGE: usize = 2000;

/// Holds an error, and all that was logged on the way to it, to tell no secret: neither a planted one
/// nor a part of these tokens. Each of its messages is one short line.
pub fn assert_silent(error: &(dyn Error + 'static), tokens: &[&str]) {
    let mut text = taken_log();
    let mut next = Some(error);
    while let Some(error) = next {
        let message = error.to_string();
        assert!(!message.contains(char::is_control), "{error:?}");
        assert!(message.chars().count() <= LONGEST_MESSAGE, "{error:?}");
        text.push_str(&format!("{message} {error:?} {error:#?}\n"));
        next = error.source();
    }
    assert_no_secret(&text, tokens);
}

/// The same of the log alone.
pub fn assert_silent_log(tokens: &[&str]) {
    assert_no_secret(&taken_log(), tokens);
}

/// Forgets what was logged.
pub fn taken_log() -> String {
    LOG.take()
}

/// From now on, what this process logs is looked at.
pub fn watch_log() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        log::set_logger(&Watch).expect("no other logger in this process");
        log::set_max_level(LevelFilter::Trace);
    });
}

/// Whether the mark, or the secret as it is sent, is in these bytes, once what is no printable ASCII is left out of them.
pub fn is_marked(bytes: &[u8]) -> bool {
    let printable = bytes.iter().filter(|byte| byte.is_ascii_graphic());
    let text: String = printable.map(|byte| char::from(*byte)).collect();
    text.contains(MARK) || text.contains(BASIC)
}

fn assert_no_secret(text: &str, tokens: &[&str]) {
    assert!(!text.contains(MARK) && !text.contains(BASIC), "{text}");
    for part in tokens.iter().flat_map(|token| token.split('.')) {
        assert!(part.len() < 16 || !text.contains(part), "{text}");
    }
}

thread_local! {
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Watch;

impl Log for Watch {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("logto") {
            let line = format!("{}\n", record.args());
            LOG.with_borrow_mut(|log| log.push_str(&line));
        }
    }

    fn flush(&self) {}
}
