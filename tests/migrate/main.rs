//! Sessions move from any store to any store, and nobody is signed out by it.

mod library;
mod lost_locks;
#[cfg(unix)]
mod program;
mod scene;
#[cfg(unix)]
#[path = "../../logto-storage-redis/tests/common/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod users;
mod wrapped;
