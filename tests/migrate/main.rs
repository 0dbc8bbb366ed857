//! Sessions move from any storage to any storage, and no user is signed out by it.

mod library;
#[cfg(unix)]
mod program;
mod scene;
#[cfg(unix)]
#[path = "../../logto-storage-redis/tests/common/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod users;
#[path = "../support/with_defaults.rs"]
mod with_defaults;
