//! Who may see what.

use std::fmt;

use http::{HeaderMap, Request, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use super::Inner;
use super::base_url::is_unsafe;
use super::builder::Route;
use super::problem::{Problem, ProblemKind, is_unreadable, with_causes};
use super::respond::{self, Response};
use crate::storage::{StorageError, StorageErrorKind};
use crate::{IdTokenClaims, LogtoClient, LogtoError};

/// A visitor who is signed in.
#[derive(Debug, Clone)]
pub struct User {
    client: LogtoClient,
    claims: IdTokenClaims,
}

impl User {
    /// Who it is: the claims of the ID token, as of the sign-in or the last refresh.
    pub fn claims(&self) -> &IdTokenClaims {
        &self.claims
    }

    /// The user's session: for access tokens, organization tokens and user information.
    pub fn client(&self) -> &LogtoClient {
        &self.client
    }
}

/// The response to send instead of the page or the API's response.
#[derive(Debug)]
#[must_use = "the browser is to get its response"]
pub struct Rejection(Box<Response>);

impl Rejection {
    /// The response.
    pub fn into_response(self) -> Response {
        *self.0
    }

    /// The status of the response: 303 to the sign-in, 401, 403, or 500 and 503 where the session could
    /// not be read.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status() {
            StatusCode::SEE_OTHER | StatusCode::UNAUTHORIZED => f.write_str("nobody is signed in"),
            StatusCode::FORBIDDEN => f.write_str("another site has sent the request"),
            _ => f.write_str("the session cannot be read"),
        }
    }
}

impl std::error::Error for Rejection {}

/// Who reads a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// A person, whose browser can be sent elsewhere.
    Page,
    /// A script, which wants to know.
    Script,
}

impl Inner {
    pub fn user(&self, headers: &HeaderMap) -> Result<Option<User>, LogtoError> {
        let Some(id) = self.cookie.read(headers) else {
            return Ok(None);
        };
        let client = self.logto.session(&self.storage, &id);
        match client.id_token_claims() {
            Ok(claims) => Ok(Some(User { client, claims })),
            Err(LogtoError::NotAuthenticated) => Ok(None),
            Err(error @ (LogtoError::Jwt(_) | LogtoError::IdToken(_))) => Err(damaged(error)),
            Err(error) => Err(error),
        }
    }

    pub fn require_user<B>(
        &self,
        request: &Request<B>,
        audience: Audience,
    ) -> Result<User, Rejection> {
        if is_unsafe(request.method()) && self.base_url.is_cross_origin(request.headers()) {
            return Err(self.reject(audience, &Problem::cross_origin()));
        }
        match self.user(request.headers()) {
            Ok(Some(user)) => Ok(user),
            Ok(None) if audience == Audience::Page && is_navigation(request.headers()) => {
                let link = self.sign_in_link(return_target(request));
                Err(Rejection(Box::new(respond::see_other(&link))))
            }
            Ok(None) => Err(unauthorized()),
            Err(error) => {
                log::error!("the session cannot be read: {}", with_causes(&error));
                let page = return_target(request);
                let link = match is_unreadable(&error) {
                    true => self.sign_in_link(page),
                    false => self.base_url.local(page).unwrap_or("/").to_owned(),
                };
                Err(self.reject(audience, &Problem::of(&error).or_try_again(&link)))
            }
        }
    }

    pub fn sign_in_link(&self, return_to: &str) -> String {
        self.link(self.paths.of(Route::SignIn), return_to)
    }

    /// To the route at `path`, which starts a sign-in.
    pub fn link(&self, path: &str, return_to: &str) -> String {
        match self.base_url.local(return_to) {
            None | Some("/") => path.to_owned(),
            Some(target) => {
                let target: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
                format!("{path}?return_to={target}")
            }
        }
    }

    pub fn reject(&self, audience: Audience, problem: &Problem) -> Rejection {
        let response = match audience {
            Audience::Page => self.show(problem),
            Audience::Script => {
                let body = json!({ "error": code(problem.kind) });
                let mut response = respond::json(problem.status, &body);
                problem.say_when_to_retry(response.headers_mut());
                response
            }
        };
        Rejection(Box::new(response))
    }
}

/// An ID token was checked before it was stored, so one that cannot be decoded was damaged there.
fn damaged(error: LogtoError) -> LogtoError {
    let message = "the stored ID token cannot be decoded";
    let damaged = StorageError::new(StorageErrorKind::Corrupt, message);
    damaged.with_source(error).into()
}

/// Whether a person sees the response, as far as the browser says: an image or a script's request would
/// start a sign-in that nobody finishes.
fn is_navigation(headers: &HeaderMap) -> bool {
    let mut modes = headers.get_all("sec-fetch-mode").iter();
    modes.all(|mode| mode == "navigate")
}

/// What a script is told.
fn code(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::CrossOrigin => "cross_origin",
        ProblemKind::Unavailable => "unavailable",
        _ => "internal",
    }
}

/// Who is signed in by a cookie is not told how to authenticate by a header, so there is no
/// `WWW-Authenticate`, at which browsers would ask for a password.
pub(super) fn unauthorized() -> Rejection {
    let body = json!({ "error": "unauthenticated" });
    Rejection(Box::new(respond::json(StatusCode::UNAUTHORIZED, &body)))
}

/// A form that was sent cannot be sent again after the sign-in, so such a visitor ends up elsewhere.
fn return_target<B>(request: &Request<B>) -> &str {
    match request.uri().path_and_query() {
        Some(target) if !is_unsafe(request.method()) => target.as_str(),
        _ => "/",
    }
}
