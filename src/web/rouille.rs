//! [`WebAuth`] for the framework [`rouille`].
//!
//! ```no_run
//! use logto::storage::MemoryStorage;
//! use logto::web::WebAuth;
//! use logto::{Logto, LogtoConfig};
//! use rouille::Response;
//!
//! let logto = Logto::new(LogtoConfig::from_env()?)?;
//! let auth = WebAuth::new(logto, MemoryStorage::new(), "http://localhost:3000")?;
//! rouille::start_server("localhost:3000", move |request| {
//!     logto::web::rouille::answer(&auth, request, |user| {
//!         Response::text(format!("Hello, {}", user.claims().sub))
//!     })
//! });
//! # #[allow(unreachable_code)]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;
use std::io::Read as _;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use rouille::{Request, Response, ResponseBody};

use super::{LONGEST_BODY, Rejection, User, WebAuth};
use crate::LogtoError;

/// Answers the [routes](super#routes); the rest is the application's, for those who are signed in.
/// Whoever is not is sent to sign in, and then back to the page.
///
/// An answer of the application's without a `Cache-Control` gets `no-store`, so that what a user saw
/// cannot be had from the browser after they have left.
pub fn answer(auth: &WebAuth, request: &Request, app: impl FnOnce(User) -> Response) -> Response {
    if let Some(response) = handle(auth, request) {
        return response;
    }
    match require_user(auth, request) {
        Ok(user) => uncached(app(user)),
        Err(response) => response,
    }
}

/// [`WebAuth::handle`]: answers a request to one of the [routes](super#routes); `None` if it is to none
/// of them.
pub fn handle(auth: &WebAuth, request: &Request) -> Option<Response> {
    let mut head = head(request)?;
    if auth.reads_body(&head) {
        *head.body_mut() = body(request);
    }
    auth.handle(&head).map(from_http)
}

/// [`WebAuth::user`]: who is signed in; `None` if nobody is.
///
/// # Errors
///
/// If the session cannot be read, which is not the same as nobody being signed in.
pub fn user(auth: &WebAuth, request: &Request) -> Result<Option<User>, LogtoError> {
    let mut head = http::Request::new(());
    *head.headers_mut() = headers(request);
    auth.user(&head)
}

/// [`WebAuth::require_user`]: who is signed in, for a page.
///
/// # Errors
///
/// The answer to send instead of the page.
pub fn require_user(auth: &WebAuth, request: &Request) -> Result<User, Response> {
    guard(request, |head| auth.require_user(head))
}

/// [`WebAuth::require_api_user`]: who is signed in, for an API.
///
/// # Errors
///
/// The answer to send instead.
pub fn require_api_user(auth: &WebAuth, request: &Request) -> Result<User, Response> {
    guard(request, |head| auth.require_api_user(head))
}

fn guard(
    request: &Request,
    require: impl FnOnce(&http::Request<Vec<u8>>) -> Result<User, Rejection>,
) -> Result<User, Response> {
    let head = head(request).ok_or_else(Response::empty_400)?;
    require(&head).map_err(|rejection| from_http(rejection.into_response()))
}

/// The request without its body; `None` if it is none that HTTP allows.
fn head(request: &Request) -> Option<http::Request<Vec<u8>>> {
    let mut head = http::Request::new(Vec::new());
    *head.method_mut() = Method::from_bytes(request.method().as_bytes()).ok()?;
    *head.uri_mut() = request.raw_url().parse::<Uri>().ok()?;
    *head.headers_mut() = headers(request);
    Some(head)
}

/// One byte more than is taken tells that it is too long.
fn body(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(body) = request.data() {
        // What is cut short has no token that verifies.
        let _ = body.take(LONGEST_BODY as u64 + 1).read_to_end(&mut bytes);
    }
    bytes
}

fn headers(request: &Request) -> HeaderMap {
    let headers = request.headers().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    headers.collect()
}

fn uncached(response: Response) -> Response {
    let mut names = response.headers.iter().map(|(name, _)| name);
    match names.any(|name| name.eq_ignore_ascii_case("cache-control")) {
        true => response,
        false => response.with_additional_header("Cache-Control", "no-store"),
    }
}

fn from_http(response: http::Response<Vec<u8>>) -> Response {
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (Cow::Owned(name.to_string()), Cow::Owned(value))
    });
    Response {
        status_code: parts.status.as_u16(),
        headers: headers.collect(),
        data: ResponseBody::from_data(body),
        upgrade: None,
    }
}
