//! A Logto server for tests, in the process of the test; and tests for storages.
//!
//! [`FakeLogto`] listens on a free port of 127.0.0.1 and answers as a Logto server does: the same
//! statuses, headers, members and error bodies, real signatures, rotating refresh tokens.
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
//! A whole test of a program that signs in with the SDK (`logto` is `logto_core` here):
//!
//! ```
//! # use logto_core as logto;
//! # use logto_core::MemoryStorage;
//! use logto::{Logto, LogtoConfig, SessionId};
//! use logto_testing::{FakeLogto, FakeUser};
//! use std::time::Duration;
//!
//! let fake = FakeLogto::builder()
//!     .user(FakeUser::new("alice").name("Alice Example"))
//!     .resource("https://api.example.com", ["read:items"])
//!     .start();
//! let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
//!     .app_secret(fake.app_secret())
//!     .resources(["https://api.example.com"]);
//! let logto = Logto::builder(config).clock(fake.clock()).build()?;
//! let (storage, id) = (MemoryStorage::new(), SessionId::random()); // the id is in the cookie
//! let client = logto.session(&storage, &id);
//!
//! let sign_in = client.sign_in("http://localhost:3000/callback")?;
//! let user = client.handle_sign_in_callback(&fake.authorize(&sign_in))?;
//! assert_eq!(user.claims.name.as_deref(), Some("Alice Example"));
//!
//! let token = client.access_token("https://api.example.com")?;
//! fake.clock().advance(Duration::from_secs(3600));
//! assert_ne!(client.access_token("https://api.example.com")?, token, "refreshed");
//! # Ok::<(), logto_core::LogtoError>(())
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
//! # Keys and tokens
//!
//! ```
//! # let fake = logto_testing::FakeLogto::start();
//! use logto_testing::SigningAlgorithm;
//! use serde_json::json;
//!
//! // The owner of the server changes its key to an RSA one.
//! fake.rotate_keys_to(SigningAlgorithm::Rs256);
//!
//! // A token as no server makes it, rightly signed.
//! let key_id = fake.jwks()["keys"][0]["kid"].clone();
//! let token = fake.sign_jwt(
//!     json!({"alg": "RS256", "kid": key_id}),
//!     json!({"iss": fake.issuer(), "aud": "another-app"}),
//! );
//! # assert_eq!(token.split('.').count(), 3);
//! ```
//!
//! # Signing out elsewhere
//!
//! ```
//! use logto_testing::{FakeApp, FakeLogto};
//!
//! let app = FakeApp::web("shop", "s3cret")
//!     .backchannel_logout_uri("http://127.0.0.1:3000/backchannel-logout")
//!     .backchannel_logout_session_required();
//! let fake = FakeLogto::builder().app(app).start();
//!
//! // What the server would send, for your program to take, or not.
//! let right = fake.logout_token("shop", "alice").sign();
//! let forged = fake.logout_token("shop", "alice").forged().sign();
//! # assert_ne!(right, forged);
//!
//! // An administrator signs Alice out; each application of hers is told, and how it answered is kept.
//! fake.end_sessions("alice");
//! for delivery in fake.logout_deliveries() {
//!     assert_eq!(delivery.outcome, Ok(200), "{}", delivery.app);
//! }
//! ```
//!
//! # Devices, and acting for users
//!
//! ```
//! # fn device_starts_its_sign_in(_: &str) {}
//! use logto_testing::{FakeApp, FakeLogto};
//!
//! let fake = FakeLogto::builder()
//!     .app(FakeApp::native("tv").device_flow())
//!     .app(FakeApp::web("support", "s3cret").token_exchange())
//!     .start();
//!
//! device_starts_its_sign_in(fake.endpoint());
//! for user_code in fake.pending_devices() {
//!     fake.approve_device(&user_code, "alice"); // or `deny_device`
//! }
//!
//! // `support` exchanges this for an access token of Alice's.
//! let subject_token = fake.subject_token("alice");
//! # assert!(subject_token.starts_with("sub_"));
//! ```
//!
//! With [`login_page`](FakeLogtoBuilder::login_page) a real browser can be sent to the server: it shows a
//! page where one of the users is chosen. The page for devices is always there.
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
//! # For a storage of your own
//!
//! [`storage_contract!`] makes a test of each promise that a backend gives, and [`crash_contract!`] kills
//! processes that write, 200 times, and looks at what they left. [`contract`] shows a whole backend with
//! its tests.
//!
//! And [`Faulty`] makes a storage fail, to see what your program does then:
//!
//! ```
//! use logto_core::{MemoryStorage, SessionKey, Storage, StorageErrorKind};
//! use logto_testing::{Faulty, StorageCall};
//!
//! let storage = Faulty::new(MemoryStorage::new());
//! storage.fail(StorageCall::Load, 1, StorageErrorKind::Backend); // the next one
//! assert!(storage.load(&SessionKey::ONLY).is_err());
//! ```
//!
//! # What the server leaves out
//!
//! Pushed authorization requests, consent pages, ES512, the Management API and TLS. Accounts have no passwords.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod algorithm;
mod app;
mod browser;
mod builder;
mod claims;
mod clock;
pub mod contract;
mod courier;
mod device_codes;
mod endpoint;
mod fake;
mod faulty;
mod grants;
mod http;
mod keys;
mod logout_token;
mod misbehaviour;
mod people;
mod provider;
mod random;
mod record;
mod scopes;
mod signing_key;
mod store;
mod subject_tokens;
mod user;

pub use algorithm::SigningAlgorithm;
pub use app::FakeApp;
pub use builder::FakeLogtoBuilder;
pub use clock::TestClock;
pub use courier::LogoutDelivery;
pub use endpoint::Endpoint;
pub use fake::FakeLogto;
pub use faulty::{Faulty, StorageCall};
pub use logout_token::LogoutToken;
pub use misbehaviour::Misbehaviour;
pub use record::RecordedRequest;
pub use user::FakeUser;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
