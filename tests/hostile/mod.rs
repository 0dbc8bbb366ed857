//! Everything that comes from outside, made from bytes, and what must hold whatever the bytes are.
//! `tests/hostile_input.rs` tries some of them in every test run, and `fuzz/` as many as it is given
//! time for.

// The fuzzer's crate compiles these modules too, and each of its targets uses one.
#![allow(dead_code)]

pub mod callback;
mod choices;
mod document;
pub mod id_token;
pub mod key_set;
pub mod metadata;
mod place;
mod planted;
mod server;
pub mod stored_session;
mod token;
pub mod token_response;
pub mod user_info;
