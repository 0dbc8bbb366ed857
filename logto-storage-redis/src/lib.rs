//! Sessions of the Logto SDK in Redis or Valkey.

mod error;
mod lease;
mod lifetime;
mod lock;
mod moving;
mod names;
mod owners;
mod rename;
mod reply;
mod scripts;
mod server;
mod sessions;
mod storage;
mod store;
mod token;

pub use store::{RedisStore, RedisStoreBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
