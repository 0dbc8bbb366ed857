//! A Logto server for tests, in the process of the test.
//!
//! [`FakeLogto`] listens on a free port of 127.0.0.1 and answers as a Logto server does: the same
//! statuses, headers, members and error bodies, real ES384 signatures, rotating refresh tokens.
//! Unlike a real one it starts in milliseconds, signs users in without a password, has a clock
//! that a test can move, and misbehaves on request.
//!
//! ```
//! use logto_testing::FakeLogto;
//!
//! let fake = FakeLogto::start();
//!
//! // Your program makes this address, from `fake.endpoint()`, `fake.app_id()` and
//! // `fake.app_secret()`.
//! let sign_in = format!(
//!     "{}/oidc/auth?client_id={}&redirect_uri=http://localhost:3000/callback\
//!      &response_type=code&scope=openid+profile&state=xyz",
//!     fake.endpoint(),
//!     fake.app_id(),
//! );
//!
//! // The fake plays the browser of Alice, and your program is given the callback's address.
//! let callback = fake.authorize(&sign_in);
//! assert!(callback.starts_with("http://localhost:3000/callback?code="));
//! assert!(callback.contains("&state=xyz&iss="));
//! ```
//!
//! # Time
//!
//! All lifetimes follow [`FakeLogto::clock`]. Give the same clock to your program, and an hour
//! passes in a line:
//!
//! ```
//! # use std::time::Duration;
//! # let fake = logto_testing::FakeLogto::start();
//! let clock = fake.clock();
//! clock.freeze(); // from here on a slow machine makes no difference
//! clock.advance(Duration::from_secs(3600));
//! ```
//!
//! # When things go wrong
//!
//! ```
//! # let fake = logto_testing::FakeLogto::start();
//! use logto_testing::{Endpoint, Misbehaviour};
//!
//! // The answer to the next token request is lost, although the server has acted on it.
//! fake.misbehave_times(Endpoint::Token, 1, Misbehaviour::CloseBeforeResponse);
//!
//! // The server is down.
//! fake.misbehave(Endpoint::Discovery, Misbehaviour::Status(503));
//! fake.calm();
//!
//! // The ID token is for someone else.
//! fake.tamper_id_token(|_header, claims| {
//!     claims.insert("aud".to_owned(), "another-app".into());
//! });
//! ```
//!
//! # What was asked
//!
//! ```
//! # let fake = logto_testing::FakeLogto::start();
//! use logto_testing::Endpoint;
//!
//! assert!(fake.requests_to(Endpoint::Token).is_empty());
//! assert_eq!(fake.connections(), 0);
//! ```
//!
//! # What it leaves out
//!
//! The device flow, token exchange, pushed authorization requests, back-channel logout, consent
//! pages, RSA keys, the Management API and TLS. Accounts have no passwords.

mod app;
mod browser;
mod builder;
mod claims;
mod clock;
pub mod contract;
mod endpoint;
mod fake;
mod faulty;
mod grants;
mod http;
mod keys;
mod misbehaviour;
mod people;
mod provider;
mod random;
mod record;
mod scopes;
mod store;
mod user;

pub use app::FakeApp;
pub use builder::FakeLogtoBuilder;
pub use clock::TestClock;
pub use endpoint::Endpoint;
pub use fake::FakeLogto;
pub use faulty::{Faulty, StorageCall};
pub use misbehaviour::Misbehaviour;
pub use record::RecordedRequest;
pub use user::FakeUser;
