//! Responses.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

pub(super) type Answer = Response<Vec<u8>>;

/// Nothing of a sign-in is kept by a cache, and no address of it is told to the next page.
fn answer(status: StatusCode, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// To a place that is checked, or made by the client: such a URL has no character that a header has
/// not.
pub(super) fn see_other(location: &str) -> Answer {
    let mut answer = answer(StatusCode::SEE_OTHER, Vec::new());
    match HeaderValue::try_from(location) {
        Ok(mut value) => {
            // A sign-out's holds the ID token.
            value.set_sensitive(true);
            answer.headers_mut().insert(LOCATION, value);
        }
        Err(_) => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    answer
}

pub(super) fn json(status: StatusCode, body: &Value) -> Answer {
    let mut answer = answer(status, body.to_string().into_bytes());
    let content_type = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// A page that loads nothing and sends nothing.
pub(super) fn page(status: StatusCode, html: String) -> Answer {
    let mut answer = answer(status, html.into_bytes());
    let headers = answer.headers_mut();
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    );
    answer
}

pub(super) fn with_cookie(mut answer: Answer, cookie: HeaderValue) -> Answer {
    answer.headers_mut().append(SET_COOKIE, cookie);
    answer
}
