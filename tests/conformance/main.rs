//! The client against a server, a callback and a storage that do exactly one thing wrong.
//!
//! The tests of the OpenID Foundation's conformance suite for relying parties are here by the suite's
//! names: [`basic`], [`config`], [`refresh`], [`back_channel`] and [`logout`]; what is worth having of its
//! FAPI profiles is in [`fapi`]. The suite cannot see whether something is refused; these tests do.
//! The modules `inputs_…` feed what is wrong beyond that, a table a place.
//!
//! Of every refusal they hold the error, the requests that it cost, the session byte for byte, and that
//! neither the error nor the log has a secret.
//!
//! Elsewhere are: when and how a user was authenticated (`tests/authentication.rs`), access tokens at an API's
//! server (`tests/access_token_verifier.rs`), which sessions a sign-out at the server ends
//! (`tests/back_channel.rs`), connections, redirects, sizes and slowness at every endpoint (`tests/transport`),
//! rotated keys (`tests/key_rotation.rs`), every other way in which a refresh can fail (`tests/refresh_failures`),
//! what is printed and logged (`tests/secrecy`), inputs made from bytes (`tests/hostile`), the stores' files
//! (`refused.rs` and `permissions.rs` of logto-storage-file and their like), and the loopback listener and the
//! device flow (`logto::desktop`).

mod captured;
mod forger;
mod scene;
mod secrets;

mod another_server;
mod back_channel;
mod basic;
mod config;
mod fapi;
mod inputs_callback;
mod inputs_discovery;
mod inputs_id_token;
mod inputs_jwt;
mod inputs_keys;
mod inputs_refresh;
mod inputs_signature;
mod inputs_token;
mod inputs_user_info;
mod logout;
mod refresh;
mod sessions;

#[path = "../support/held_answer.rs"]
mod held_answer;
#[path = "../support/hooked.rs"]
mod hooked;
