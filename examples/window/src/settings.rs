//! What the environment says.

use std::env;
use std::path::{Path, PathBuf};

use logto::Secret;

/// The value of an environment variable; `None` if it is not set, or empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// What the session's file is encrypted with; `None` if the session is kept in memory only.
pub fn passphrase() -> Option<Secret> {
    variable("LOGTO_WINDOW_PASSPHRASE").map(Secret::from)
}

/// The file of the session. One of another server or application means nothing to this one.
pub fn session_folder(endpoint: &str, app_id: &str) -> PathBuf {
    let name: String = format!("{endpoint} {app_id}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    directory().join(format!("session-{name}"))
}

fn directory() -> PathBuf {
    match variable("LOGTO_WINDOW_DATA") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/window"),
    }
}
