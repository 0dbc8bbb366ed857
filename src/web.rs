//! Sign-in for web applications, whatever the framework: the routes, the session cookie and the guard,
//! over the request and response types of the [`http`] crate.
//!
//! ```
//! use http::{Request, Response};
//! use logto::storage::MemoryStorage;
//! use logto::web::WebAuth;
//! use logto::{Logto, LogtoConfig};
//!
//! // Once, at start. The base URL is where browsers reach the application.
//! let config = LogtoConfig::new("https://foo.logto.app", "my-app-id").app_secret("my-app-secret");
//! let auth = WebAuth::new(Logto::new(config)?, MemoryStorage::new(), "https://app.example.com")?;
//!
//! // For each request.
//! fn answer(auth: &WebAuth, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
//!     if let Some(response) = auth.handle(request) {
//!         return response; // one of the routes below
//!     }
//!     match auth.require_user(request) {
//!         Ok(user) => Response::new(format!("Hello, {}", user.claims().sub).into_bytes()),
//!         Err(rejection) => rejection.into_response(), // to the sign-in, and back to this page
//!     }
//! }
//!
//! let request = Request::get("/orders?page=2").body(Vec::new())?;
//! let response = answer(&auth, &request);
//! assert_eq!(response.headers()["location"], "/sign-in?return_to=%2Forders%3Fpage%3D2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Routes
//!
//! | route | what it does |
//! | --- | --- |
//! | `GET /sign-in` | sends the browser to Logto; `?return_to=/path` is where it ends up |
//! | `GET /sign-up` | the same, starting with the registration page |
//! | `GET /callback` | finishes the sign-in, gives the session a new id, and sends the browser on |
//! | `POST /sign-out` | ends the session here and at Logto, or says that Logto could not be told; refused when another site sends it |
//! | `POST /backchannel-logout` | Logto ends the sessions of a user; only if [turned on](WebAuthBuilder::back_channel_logout_path) |
//! | `GET /user` | the claims of the signed-in user as JSON; only if [turned on](WebAuthBuilder::user_path) |
//!
//! In the Logto Console the application is a *Traditional web* one, with the redirect URI
//! `<base URL>/callback` and the post sign-out redirect URI `<base URL>/`.
//!
//! # The cookie
//!
//! It holds nothing but the random id of the session: `HttpOnly`, `SameSite=Lax`, on https `Secure` and
//! with the name prefix `__Host-`, which no other host of the domain can set. The session itself is
//! in the storage, which ends it after its idle lifetime. The cookie outlives it, so that no response has to
//! renew it; a cookie of a session that has ended signs nobody in.
//!
//! # The storage
//!
//! Each sign-in that is started makes a session, and those of visitors who never come back from Logto
//! lie in the storage too until their idle lifetime ends. Call
//! [`purge_expired`](Storage::purge_expired) now and then, which frees their space:
//!
//! ```
//! # use logto::storage::{MemoryStorage, Storage, StorageError};
//! # fn hourly(storage: &MemoryStorage) -> Result<(), StorageError> {
//! log::info!("{} sessions have ended", storage.purge_expired()?);
//! # Ok(())
//! # }
//! ```
//!
//! # What went wrong
//!
//! Users are told what they can do about it, and no more. The reason goes to the crate [`log`]: without
//! a backend for it, such as `env_logger`, nobody sees why a sign-in failed.
//!
//! # Pages of users
//!
//! They should be `Cache-Control: no-store`, as all of this module's answers are: or else the browser
//! shows them from its memory when their user has left. Where a page sets a content security policy with
//! `form-action`, that has to allow Logto's endpoint, to which the form that signs out is redirected.

mod back_channel;
mod base_url;
mod builder;
mod cookie;
mod guard;
mod problem;
mod respond;
#[cfg(feature = "rouille")]
pub mod rouille;
mod routes;

use std::fmt;
use std::sync::Arc;

use http::{Method, Request, Response};

use crate::storage::Storage;
use crate::{Logto, LogtoError};

pub use self::builder::{WebAuthBuilder, WebConfigError};
pub use self::guard::{Rejection, User};
pub use self::problem::{Problem, ProblemKind};

use self::base_url::BaseUrl;
use self::builder::{Paths, Route, SetOptions};
use self::cookie::SessionCookie;
use self::problem::Render;

/// The longest body that [`WebAuth::handle`] reads, in bytes. A longer one is refused.
pub const LONGEST_BODY: usize = 64 * 1024;

/// The sign-in of a web application: make one at start, and ask it for each request.
///
/// `Clone` is cheap and shares everything.
#[derive(Clone)]
pub struct WebAuth {
    inner: Arc<Inner>,
}

struct Inner {
    logto: Logto,
    storage: Arc<dyn Storage>,
    base_url: BaseUrl,
    paths: Paths,
    cookie: SessionCookie,
    problem_page: Option<Box<Render>>,
    set_options: Option<Box<SetOptions>>,
}

impl WebAuth {
    /// The sign-in of the application that browsers reach at `base_url`, with the defaults. Does no I/O.
    ///
    /// The base URL is configured and never taken from a request: headers such as `Host` and
    /// `X-Forwarded-Host` say whatever the client wants.
    ///
    /// # Errors
    ///
    /// [`WebConfigError`] if the base URL is not `https://host[:port]`; `http` is for loopback hosts.
    pub fn new(
        logto: Logto,
        storage: impl Storage + 'static,
        base_url: &str,
    ) -> Result<Self, WebConfigError> {
        Self::builder(logto, storage, base_url).build()
    }

    /// Sets what differs from the defaults.
    pub fn builder(
        logto: Logto,
        storage: impl Storage + 'static,
        base_url: &str,
    ) -> WebAuthBuilder {
        WebAuthBuilder::new(logto, Arc::new(storage), base_url)
    }

    /// Answers a request to one of the [routes](self#routes); `None` if it is to none of them.
    ///
    /// What goes wrong is answered with a page, and logged. Every answer is `Cache-Control: no-store`.
    pub fn handle<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Option<Response<Vec<u8>>> {
        self.inner.handle(request)
    }

    /// Whether [`handle`](Self::handle) reads the body of this request: for a framework that hands bodies
    /// over as a stream. What is longer than [`LONGEST_BODY`] need not be read on.
    pub fn reads_body<B>(&self, request: &Request<B>) -> bool {
        let route = self.inner.paths.route(request.uri().path());
        route == Some(Route::BackChannelLogout) && *request.method() == Method::POST
    }

    /// Who is signed in; `None` if nobody is. One read of the storage, and no network.
    ///
    /// # Errors
    ///
    /// If the session cannot be read, which is not the same as nobody being signed in.
    pub fn user<B>(&self, request: &Request<B>) -> Result<Option<User>, LogtoError> {
        self.inner.user(request.headers())
    }

    /// Who is signed in, for a page. Otherwise the browser is sent to sign in, and then back to this
    /// page; but what it fetches for a page, such as an image or a script's data
    /// ([`Sec-Fetch-Mode`](https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header) is there and is not
    /// `navigate`), is answered with 401.
    ///
    /// A request that changes something (neither `GET`, `HEAD` nor `OPTIONS`) and comes from another
    /// origin is refused with 403.
    ///
    /// # Errors
    ///
    /// The [answer](Rejection) to send instead of the page.
    pub fn require_user<B>(&self, request: &Request<B>) -> Result<User, Rejection> {
        self.inner.require_user(request, guard::Audience::Page)
    }

    /// Who is signed in, for an API that scripts of this application's pages call. Otherwise the answer
    /// is 401 with a body of JSON.
    ///
    /// A request that changes something (neither `GET`, `HEAD` nor `OPTIONS`) and comes from another
    /// origin is refused with 403.
    ///
    /// # Errors
    ///
    /// The [answer](Rejection) to send instead.
    pub fn require_api_user<B>(&self, request: &Request<B>) -> Result<User, Rejection> {
        self.inner.require_user(request, guard::Audience::Script)
    }

    /// The path that starts a sign-in and ends on this page, for a link. A page of another origin is
    /// left out.
    ///
    /// ```
    /// # use logto::storage::MemoryStorage;
    /// # use logto::{Logto, LogtoConfig, web::WebAuth};
    /// # let logto = Logto::new(LogtoConfig::new("https://foo.logto.app", "my-app-id"))?;
    /// let auth = WebAuth::new(logto, MemoryStorage::new(), "https://app.example.com")?;
    /// assert_eq!(auth.sign_in_link("/orders"), "/sign-in?return_to=%2Forders");
    /// assert_eq!(auth.sign_in_link("https://evil.example"), "/sign-in");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sign_in_link(&self, return_to: &str) -> String {
        self.inner.sign_in_link(return_to)
    }

    /// The redirect URI that the Logto Console must know.
    pub fn redirect_uri(&self) -> String {
        self.inner.redirect_uri()
    }

    /// The application.
    pub fn logto(&self) -> &Logto {
        &self.inner.logto
    }
}

impl fmt::Debug for WebAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAuth")
            .field("base_url", &self.inner.base_url.as_str())
            .field("logto", &self.inner.logto)
            .field("storage", &self.inner.storage)
            .finish_non_exhaustive()
    }
}
