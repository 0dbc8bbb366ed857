//! What of a web application's sign-in can be set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use http::{Method, Request, Response};

use super::base_url::BaseUrl;
use super::cookie::SessionCookie;
use super::problem::{Problem, Render};
use super::{Inner, WebAuth};
use crate::storage::Storage;
use crate::{Logto, SignInOptions};

/// Settings of [`WebAuth`].
///
/// ```
/// # use logto::storage::MemoryStorage;
/// # use logto::{Logto, LogtoConfig};
/// use logto::web::WebAuth;
///
/// # let logto = Logto::new(LogtoConfig::new("https://foo.logto.app", "my-app-id"))?;
/// let auth = WebAuth::builder(logto, MemoryStorage::new(), "https://app.example.com")
///     .sign_in_path("/login")
///     .after_sign_in("/dashboard")
///     .user_path("/api/me")
///     .build()?;
/// assert_eq!(auth.redirect_uri(), "https://app.example.com/callback");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is made until `build`"]
pub struct WebAuthBuilder {
    logto: Logto,
    storage: Arc<dyn Storage>,
    base_url: String,
    paths: Paths,
    cookie_name: String,
    problem_page: Option<Box<Render>>,
    set_options: Option<Box<SetOptions>>,
}

/// Changes what a sign-in asks of Logto.
pub(super) type SetOptions = dyn Fn(&Request<()>, SignInOptions) -> SignInOptions + Send + Sync;

/// Where the routes are.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    routes: BTreeMap<Route, String>,
    pub after_sign_in: String,
    pub after_sign_out: String,
}

/// The sign-in of a web application could not work with these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebConfigError {
    /// The base URL is not where browsers could reach the application safely.
    #[error(
        "the base URL cannot be used: {reason}; expected is https://host or, on this machine, http://localhost:port"
    )]
    InvalidBaseUrl {
        /// What is wrong.
        reason: &'static str,
    },
    /// A path does not begin with `/`, or holds something that a path has not.
    #[error("the {name} path {path:?} is not a path such as /sign-in")]
    InvalidPath {
        /// Which path.
        name: &'static str,
        /// The path as given.
        path: String,
    },
    /// Two routes have the same path.
    #[error("two routes have the path {path:?}")]
    DuplicatePath {
        /// The path.
        path: String,
    },
    /// A browser that has signed in would land on a route of the sign-in, and so come round again.
    #[error("the {name} path {path:?} is a route of the sign-in itself")]
    NoLanding {
        /// Which path.
        name: &'static str,
        /// The path as given.
        path: String,
    },
    /// The cookie's name is empty, or holds something else than letters, digits, `-` and `_`.
    #[error("the cookie's name {name:?} is not made of letters, digits, - and _")]
    InvalidCookieName {
        /// The name as given.
        name: String,
    },
}

impl WebAuthBuilder {
    pub(super) fn new(logto: Logto, storage: Arc<dyn Storage>, base_url: &str) -> Self {
        Self {
            logto,
            storage,
            base_url: base_url.to_owned(),
            paths: Paths {
                routes: BTreeMap::from([
                    (Route::SignIn, "/sign-in".to_owned()),
                    (Route::SignUp, "/sign-up".to_owned()),
                    (Route::Callback, "/callback".to_owned()),
                    (Route::SignOut, "/sign-out".to_owned()),
                ]),
                after_sign_in: "/".to_owned(),
                after_sign_out: "/".to_owned(),
            },
            cookie_name: "logto".to_owned(),
            problem_page: None,
            set_options: None,
        }
    }

    /// Where a sign-in starts. Default: `/sign-in`.
    pub fn sign_in_path(mut self, path: impl Into<String>) -> Self {
        self.paths.routes.insert(Route::SignIn, path.into());
        self
    }

    /// Where a sign-in starts that shows the registration page first. Default: `/sign-up`.
    pub fn sign_up_path(mut self, path: impl Into<String>) -> Self {
        self.paths.routes.insert(Route::SignUp, path.into());
        self
    }

    /// Where Logto sends the browser back to. Default: `/callback`.
    pub fn callback_path(mut self, path: impl Into<String>) -> Self {
        self.paths.routes.insert(Route::Callback, path.into());
        self
    }

    /// Where a form that signs out is sent to. Default: `/sign-out`.
    pub fn sign_out_path(mut self, path: impl Into<String>) -> Self {
        self.paths.routes.insert(Route::SignOut, path.into());
        self
    }

    /// Where scripts ask who is signed in: the claims of the ID token as JSON, without those of the
    /// protocol, or 401. Default: nowhere.
    pub fn user_path(mut self, path: impl Into<String>) -> Self {
        self.paths.routes.insert(Route::User, path.into());
        self
    }

    /// Where Logto tells of a sign-out that happened elsewhere, such as in another application or by an
    /// administrator: the sessions of that user end. The Logto Console must know it, after the base URL, as
    /// the back-channel logout URI, and Logto must be able to reach it. The storage must be able to find
    /// sessions by their user, as all of this crate's can. Default: nowhere.
    pub fn back_channel_logout_path(mut self, path: impl Into<String>) -> Self {
        self.paths
            .routes
            .insert(Route::BackChannelLogout, path.into());
        self
    }

    /// Where the browser goes after a sign-in that began on no page. Default: `/`.
    pub fn after_sign_in(mut self, path: impl Into<String>) -> Self {
        self.paths.after_sign_in = path.into();
        self
    }

    /// Where the browser goes after a sign-out; the Logto Console must know it, after the base URL, as a
    /// post sign-out redirect URI. Default: `/`.
    pub fn after_sign_out(mut self, path: impl Into<String>) -> Self {
        self.paths.after_sign_out = path.into();
        self
    }

    /// The cookie's name, to which https adds the prefix `__Host-`. Default: `logto`. Applications on
    /// several ports of one host share its cookies, so each needs a name of its own.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// How problems are shown. Default: a plain page. The answer's status is the application's to set;
    /// `Retry-After` is added.
    pub fn problem_page(
        mut self,
        render: impl Fn(&Problem) -> Response<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.problem_page = Some(Box::new(render));
        self
    }

    /// What a sign-in asks of Logto: is given the request for it, and the options as they are, and returns
    /// those to use. Where the browser comes back to stays what it is. Default: as they are.
    ///
    /// Anybody can make a link to the sign-in with any query, so take over from it only what does no harm.
    ///
    /// ```
    /// # use logto::storage::MemoryStorage;
    /// # use logto::{Logto, LogtoConfig};
    /// use logto::DirectSignIn;
    /// use logto::web::WebAuth;
    /// use url::form_urlencoded;
    ///
    /// # let logto = Logto::new(LogtoConfig::new("https://foo.logto.app", "my-app-id"))?;
    /// let auth = WebAuth::builder(logto, MemoryStorage::new(), "https://app.example.com")
    ///     // GET /sign-in?email=alice@example.com, or GET /sign-in?with=google
    ///     .sign_in_options(|request, options| {
    ///         let query = request.uri().query().unwrap_or_default();
    ///         let options = options.ui_locales(["de"]);
    ///         form_urlencoded::parse(query.as_bytes()).fold(options, |options, (name, value)| {
    ///             match (&*name, &*value) {
    ///                 ("email", email) => options.login_hint(email),
    ///                 ("with", "google") => {
    ///                     options.direct_sign_in(DirectSignIn::Social("google".to_owned()))
    ///                 }
    ///                 _ => options,
    ///             }
    ///         })
    ///     })
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sign_in_options(
        mut self,
        set: impl Fn(&Request<()>, SignInOptions) -> SignInOptions + Send + Sync + 'static,
    ) -> Self {
        self.set_options = Some(Box::new(set));
        self
    }

    /// The sign-in of the application.
    ///
    /// # Errors
    ///
    /// [`WebConfigError`] if the settings could not work.
    pub fn build(self) -> Result<WebAuth, WebConfigError> {
        let base_url = BaseUrl::parse(&self.base_url)?;
        self.paths.check(&base_url)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.cookie_name.is_empty() || !self.cookie_name.chars().all(is_name) {
            return Err(WebConfigError::InvalidCookieName {
                name: self.cookie_name,
            });
        }
        Ok(WebAuth {
            inner: Arc::new(Inner {
                cookie: SessionCookie::new(&self.cookie_name, base_url.is_https()),
                logto: self.logto,
                storage: self.storage,
                base_url,
                paths: self.paths,
                problem_page: self.problem_page,
                set_options: self.set_options,
            }),
        })
    }
}

/// What a path of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    SignIn,
    SignUp,
    Callback,
    SignOut,
    User,
    BackChannelLogout,
}

impl Route {
    /// The only method that it takes.
    pub fn method(self) -> Method {
        match self {
            Self::SignIn | Self::SignUp | Self::Callback | Self::User => Method::GET,
            Self::SignOut | Self::BackChannelLogout => Method::POST,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::SignUp => "sign-up",
            Self::Callback => "callback",
            Self::SignOut => "sign-out",
            Self::User => "user",
            Self::BackChannelLogout => "back-channel-logout",
        }
    }
}

impl Paths {
    /// Whether a target is one of the routes, on which no browser may land: it might come round again.
    pub fn is_route(&self, base_url: &BaseUrl, target: &str) -> bool {
        let path = base_url.resolved_path(target);
        path.is_some_and(|path| self.route(&path).is_some())
    }

    /// The route at this path; `None` if it is the application's.
    pub fn route(&self, path: &str) -> Option<Route> {
        let (route, _) = self.routes.iter().find(|(_, known)| *known == path)?;
        Some(*route)
    }

    /// The path of a route; empty if it is turned off.
    pub fn of(&self, route: Route) -> &str {
        self.routes.get(&route).map_or("", String::as_str)
    }

    fn check(&self, base_url: &BaseUrl) -> Result<(), WebConfigError> {
        let mut seen = BTreeSet::new();
        for (route, path) in &self.routes {
            if !base_url.is_plain_path(path) {
                return Err(invalid_path(route.name(), path));
            }
            if !seen.insert(path) {
                let path = path.clone();
                return Err(WebConfigError::DuplicatePath { path });
            }
        }
        for (name, path) in [
            ("after-sign-in", &self.after_sign_in),
            ("after-sign-out", &self.after_sign_out),
        ] {
            if base_url.local(path).is_none() {
                return Err(invalid_path(name, path));
            }
            if self.is_route(base_url, path) {
                let path = path.clone();
                return Err(WebConfigError::NoLanding { name, path });
            }
        }
        Ok(())
    }
}

fn invalid_path(name: &'static str, path: &str) -> WebConfigError {
    WebConfigError::InvalidPath {
        name,
        path: path.to_owned(),
    }
}

impl fmt::Debug for WebAuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAuthBuilder")
            .field("base_url", &self.base_url)
            .field("paths", &self.paths)
            .field("cookie_name", &self.cookie_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogtoConfig;
    use crate::storage::MemoryStorage;

    fn build(
        set: impl FnOnce(WebAuthBuilder) -> WebAuthBuilder,
    ) -> Result<WebAuth, WebConfigError> {
        let logto = Logto::new(LogtoConfig::new("https://foo.logto.app", "app")).unwrap();
        let storage = MemoryStorage::new();
        set(WebAuth::builder(logto, storage, "https://app.example.com")).build()
    }

    #[test]
    fn a_route_is_a_path_as_browsers_send_it() {
        assert!(build(|builder| builder.callback_path("/auth/callback")).is_ok());
        for path in [
            "",
            "callback",
            "//evil.example",
            "/a?b",
            "/a#b",
            "/%61",
            "/a b",
            "/a/../b",
            "/\u{e4}",
        ] {
            let result = build(|builder| builder.callback_path(path));
            let refused = matches!(
                result,
                Err(WebConfigError::InvalidPath {
                    name: "callback",
                    ..
                })
            );
            assert!(refused, "{path}");
        }
    }

    #[test]
    fn two_routes_have_two_paths() {
        let result = build(|builder| builder.user_path("/sign-in"));
        let expected = WebConfigError::DuplicatePath {
            path: "/sign-in".to_owned(),
        };
        assert_eq!(result.unwrap_err(), expected);
    }

    #[test]
    fn nobody_is_sent_round_in_circles() {
        let result = build(|builder| builder.sign_in_path("/"));
        assert!(matches!(result, Err(WebConfigError::NoLanding { .. })));
        for path in ["/sign-in?return_to=/", "/./sign-in", "/a/%2e%2E/sign-in"] {
            let result = build(|builder| builder.after_sign_in(path));
            let refused = matches!(
                result,
                Err(WebConfigError::NoLanding {
                    name: "after-sign-in",
                    ..
                })
            );
            assert!(refused, "{path}");
        }
    }

    #[test]
    fn a_cookies_name_cannot_hold_attributes() {
        for name in ["", "a=b", "a; Domain=evil.example", "a\r\n", "\u{e4}"] {
            let result = build(|builder| builder.cookie_name(name));
            assert!(
                matches!(result, Err(WebConfigError::InvalidCookieName { .. })),
                "{name}"
            );
        }
    }
}
