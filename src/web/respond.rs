//! Responses.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

pub(super) type Response = http::Response<Vec<u8>>;

/// Nothing of a sign-in is kept by a cache, and no address of it is told to the next page.
fn response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// To a place that is checked, or made by the client: such a URL has no character that a header has
/// not.
pub(super) fn see_other(location: &str) -> Response {
    let mut response = response(StatusCode::SEE_OTHER, Vec::new());
    match HeaderValue::try_from(location) {
        Ok(mut value) => {
            // A sign-out's holds the ID token.
            value.set_sensitive(true);
            response.headers_mut().insert(LOCATION, value);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = response(status, body.to_string().into_bytes());
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A page that loads nothing and sends nothing.
pub(super) fn page(status: StatusCode, html: String) -> Response {
    let mut response = response(status, html.into_bytes());
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    );
    response
}

pub(super) fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}
