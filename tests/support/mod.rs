//! What the integration tests share: a real provider and a browser for it, a desktop program, and the examples as
//! running programs.

// Each test file compiles these modules for itself and uses a part of them.
#![allow(dead_code)]

pub mod asker;
pub mod browser;
pub mod curl;
#[cfg(feature = "desktop")]
pub mod desktop;
// Only on Unix does `cargo run` become the program that it runs, so that killing the one kills the other.
pub mod hooked;
pub mod least;
#[cfg(unix)]
pub mod program;
pub mod provider;
pub mod raw;
#[cfg(unix)]
pub mod webdriver;
