//! Sessions of the Logto SDK in Redis or Valkey.

mod error;
mod server;
mod store;

pub use store::{RedisStore, RedisStoreBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
