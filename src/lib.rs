//! The blocking Rust SDK for [Logto](https://logto.io): sign-in, sessions and access tokens for web,
//! desktop and command-line programs, without an async runtime.
//!
//! Logto is an open-source identity server: it shows the sign-in page, knows the users, their organizations and
//! roles, and speaks OpenID Connect. This crate is the program's side of that. It is for programs that have no
//! async runtime and want none: web applications on a blocking framework, desktop and command-line programs,
//! API servers, background jobs. A program that has one calls it from the threads it has for blocking work.
//!
//! # Where to begin
//!
//! | you write | begin with | guide |
//! | --- | --- | --- |
//! | a web application | `web::WebAuth`, feature `web` or `rouille` | [`web_application`](guides::web_application) |
//! | a desktop program | `desktop::sign_in`, feature `desktop` | [`desktop`](guides::desktop) |
//! | a command-line program | the same, and `desktop::device_sign_in` | [`command_line`](guides::command_line) |
//! | an API that is called with access tokens | [`AccessTokenVerifier`] | [`api_server`](guides::api_server) |
//! | a job that acts for itself | [`Logto::machine`] | [`MachineClient`] |
//! | anything else that signs users in | [`Logto`] and [`LogtoClient`], as below | |
//!
//! What concerns all of them, such as which storage, what to do on which error, and what an attacker may try, is in the
//! other [`guides`].
//!
//! # The first sign-in
//!
//! A program makes one [`Logto`] at start. It holds the settings, and what has been learnt from the server. For
//! each user session it makes a [`LogtoClient`], which costs next to nothing. What a session holds lies in a
//! storage, under a [`SessionId`]. `web` and `desktop` do all of this for you; this is what they do:
//!
//! ```
//! use logto::storage::MemoryStorage;
//! use logto::{Logto, LogtoConfig, SessionId};
//! # let fake = logto_testing::FakeLogto::builder()
//! #     .user(logto_testing::FakeUser::new("alice").name("Alice"))
//! #     .resource("https://api.example.com", ["read:orders"])
//! #     .start();
//! # let (endpoint, app_id, app_secret) = (fake.endpoint(), fake.app_id(), fake.app_secret());
//!
//! // Once, at start. `LogtoConfig::from_env` takes these three from the environment.
//! let config = LogtoConfig::new(endpoint, app_id)
//!     .app_secret(app_secret)
//!     .resources(["https://api.example.com"])
//!     .scopes(["read:orders"]);
//! let logto = Logto::new(config)?;
//! let storage = MemoryStorage::new(); // or one that survives a restart: see `storage`
//!
//! // A visitor wants to sign in: their browser is sent to Logto, and keeps the id in a cookie.
//! let visitor = SessionId::random();
//! let url = logto.session(&storage, &visitor).sign_in("http://localhost:3000/callback")?;
//!
//! // It comes back. The session gets a new id, for the cookie, and holds the tokens.
//! # let callback = fake.authorize(&url);
//! let (user, signed_in) = logto.finish_sign_in(&storage, &visitor, &callback)?;
//! assert_eq!(signed_in.claims.name.as_deref(), Some("Alice"));
//!
//! // Every later request: one read of the storage, and nothing over the network.
//! let client = logto.session(&storage, &user);
//! assert!(client.is_authenticated()?);
//!
//! // A token for an API: from the storage while it is fresh, else refreshed, once for all.
//! let token = client.access_token("https://api.example.com")?;
//! assert!(token.is_some());
//!
//! // The end: tokens are gone here, and the browser is sent to end the session at Logto.
//! let signed_out = client.sign_out("http://localhost:3000/")?;
//! assert!(!client.is_authenticated()?);
//! # assert!(signed_out.url.starts_with(fake.endpoint()));
//! # Ok::<(), logto::LogtoError>(())
//! ```
//!
//! # What you can lean on
//!
//! - Every check that OpenID Connect asks of a relying party is made, on by default: state, nonce, PKCE, issuer,
//!   audience, times, signatures. See the [threat model](guides::threat_model).
//! - A refresh token that is used up is never shown again: threads, clients and processes that share a storage wait for one
//!   refresh, which is stored before anybody sees its token.
//! - Nothing is stored before it is known to be good, and what is stored survives `kill -9`.
//! - Nothing panics on bad input, and no secret is in an error, a `Debug` or a log line.
//!
//! # Features
//!
//! | feature | what it adds | default |
//! | --- | --- | --- |
//! | `rustls` | TLS by rustls with ring, trusting the compiled-in Mozilla roots | yes |
//! | `platform-verifier` | `UreqClient::with_platform_verifier`: rustls, trusting the operating system's certificates | |
//! | `native-tls` | `UreqClient::with_native_tls`: TLS by the operating system's own library | |
//! | `aws-lc-rs` | checks signatures with aws-lc-rs, not ring: ES384 in less than a third of the time, and ES512 at all | |
//! | `sqlite` | `storage::SqliteStorage`, with SQLite compiled in | |
//! | `sqlite-system` | `storage::SqliteStorage` over the system's SQLite, 3.45.3 or newer | |
//! | `file` | `storage::FileStorage` and `storage::FileStorage`: encrypted files | |
//! | `redis` | `storage::RedisStorage`: Redis or Valkey, for several machines | |
//! | `sled` | `storage::SledStorage`: for one process, without C code | |
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
