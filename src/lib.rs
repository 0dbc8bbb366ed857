//! The blocking Rust SDK for [Logto](https://logto.io): sign-in, sessions and access tokens for web,
//! desktop and command-line programs, without an async runtime.
//!
//! A program makes one [`Logto`] at start, and a [`LogtoClient`] of it for each user session:
//!
//! ```
//! use logto::storage::MemoryStore;
//! use logto::{Logto, LogtoConfig, SessionId};
//!
//! let logto = Logto::new(LogtoConfig::new("https://foo.logto.app", "my-app-id"))?;
//! let store = MemoryStore::new(); // or a store that survives a restart: see `storage`
//!
//! let session_id = SessionId::random(); // or parsed from the session cookie
//! let client = logto.session(&store, &session_id);
//! assert!(!client.is_authenticated()?);
//! # Ok::<(), logto::LogtoError>(())
//! ```
//!
//! From there: [`LogtoClient::sign_in`] gives the URL to send the browser to,
//! [`LogtoClient::handle_sign_in_callback`] finishes the sign-in, [`LogtoClient::access_token`] gives a
//! fresh token for an API for as long as the user stays signed in, and [`LogtoClient::sign_out`] ends
//! it. [`storage`] says where sessions can be kept, and [`guides::many_machines`] how an application grows
//! from one process to many machines. An API server holds what it is called with against an
//! [`AccessTokenVerifier`]. A desktop or command-line program signs its user in with one call: see the module
//! `desktop`, of the feature of that name.
//!
//! # Features
//!
//! | feature | what it adds | default |
//! | --- | --- | --- |
//! | `rustls` | TLS by rustls with ring, trusting the compiled-in Mozilla roots | yes |
//! | `platform-verifier` | `UreqClient::with_platform_verifier`: rustls, trusting the operating system's certificates | |
//! | `native-tls` | `UreqClient::with_native_tls`: TLS by the operating system's own library | |
//! | `aws-lc-rs` | checks signatures with aws-lc-rs, not ring: ES384 in less than a third of the time, and ES512 at all | |
//! | `sqlite` | `storage::SqliteStore`, with SQLite compiled in | |
//! | `sqlite-system` | `storage::SqliteStore` over the system's SQLite, 3.45.3 or newer | |
//! | `file` | `storage::FileStore` and `storage::FileStorage`: encrypted files | |
//! | `redis` | `storage::RedisStore`: Redis or Valkey, for several machines | |
//! | `sled` | `storage::SledStore`: for one process, without C code | |
//! | `web` | `web`: routes, session cookie and guard for web applications | |
//! | `rouille` | `web::rouille`: the same for the framework rouille | |
//! | `desktop` | `desktop`: sign-in by the system's browser, or on another device | |
//!
//! # Logging
//!
//! The crate [`log`](https://docs.rs/log) is told of each request (method, URL without query, status,
//! time) at the level `debug`, and of what goes wrong at `warn`; never of a token, a code, a secret or a
//! session id. Two of the crates below are not so careful at `trace`: `ureq_proto` dumps what goes over the
//! wire, and `sled` what it writes. A logger that keeps its lines leaves these two at `debug`. And
//! `webbrowser`, of the feature `desktop`, tells at `debug` what address it opens, which at a sign-out
//! holds the ID token: leave it at `info`.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use logto_core::*;

#[cfg(feature = "desktop")]
pub mod desktop;
pub mod guides;
#[cfg(any(feature = "desktop", feature = "web"))]
mod html;
pub mod storage;
#[cfg(feature = "web")]
pub mod web;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
