//! Nothing that is printed or logged has a secret in it.

mod captured;
mod errors;
mod hunt;
#[path = "../../logto-storage-redis/tests/common/server.rs"]
mod server;
mod sign_ins;
mod types;
