//! What our own answers have in common.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

/// An answer of JSON, of the members that have a value.
pub(crate) fn json(
    status: StatusCode,
    members: &[(&'static str, Option<&str>)],
) -> Response<String> {
    let members: Map<String, Value> = members
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), Value::from((*value)?))))
        .collect();
    let mut response = not_kept(status, Value::from(members).to_string());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// An answer that no cache keeps.
pub(crate) fn not_kept(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}
