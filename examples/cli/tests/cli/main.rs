//! The application as its user and their scripts see it.

#[cfg_attr(not(unix), allow(dead_code))]
mod scene;

#[cfg(unix)]
#[path = "../../../../tests/support/browser.rs"]
#[allow(dead_code)]
mod browser;
#[cfg(unix)]
#[path = "../../../../tests/support/provider.rs"]
#[allow(dead_code)]
mod provider;

#[cfg(unix)]
mod at_a_terminal;
#[cfg(unix)]
mod on_another_device;
#[cfg(unix)]
mod session_file;
#[cfg(unix)]
mod signed_in;

mod without_a_session;
