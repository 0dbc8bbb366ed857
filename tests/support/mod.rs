//! What the integration tests share: a real provider and a browser for it, and a desktop program.

// Each test file compiles these modules for itself and uses a part of them.
#![allow(dead_code)]

pub mod browser;
#[cfg(feature = "desktop")]
pub mod desktop;
pub mod provider;
