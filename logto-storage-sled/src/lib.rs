//! Sessions of the Logto SDK in a sled database.

mod database;
mod directory;
mod durable;
mod error;
mod idle;
mod permissions;
mod record;
mod storage;
mod store;

pub use store::{SledStore, SledStoreBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
