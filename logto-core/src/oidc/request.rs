//! What requests have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use url::form_urlencoded;

use crate::secret::Redactions;

/// The parameters of a form. Of each is said whether nobody else may see it.
#[derive(Default)]
pub(crate) struct Form<'a> {
    parameters: Vec<(&'a str, &'a str)>,
    secrets: Vec<&'a str>,
}

impl<'a> Form<'a> {
    /// Adds one that may stand in a message or a log. An empty one is left out, which is the same to a
    /// server (RFC 6749, section 3.2).
    pub fn public(mut self, name: &'a str, value: &'a str) -> Self {
        if !value.is_empty() {
            self.parameters.push((name, value));
        }
        self
    }

    /// Adds one that a server must not bring into a message by repeating it.
    pub fn secret(mut self, name: &'a str, value: &'a str) -> Self {
        self.parameters.push((name, value));
        self.secrets.push(value);
        self
    }
}

/// A request, if its URL and its headers make one.
pub(crate) type BuiltRequest = Result<Request<Vec<u8>>, InvalidRequest>;

/// Why no request could be built. The URL is without its query.
#[derive(Debug)]
pub(crate) struct InvalidRequest {
    pub url: String,
    pub source: http::Error,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A GET that wants JSON.
pub(crate) fn get(url: &str) -> BuiltRequest {
    Request::builder()
        .uri(url)
        .header(ACCEPT, JSON)
        .body(Vec::new())
        .map_err(|source| unusable(url, source))
}

/// A POST of form parameters by an authenticated client: with a secret by `client_secret_basic`, whose
/// parts are form-encoded first (section 2.3.1); without, by the `client_id` in the body.
pub(crate) fn post_form(url: &str, client: ClientCredentials<'_>, form: Form<'_>) -> BuiltRequest {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form.parameters);
    let mut builder = Request::builder()
        .method(Method::POST)
        .extension(Redactions::new(
            form.secrets.into_iter().chain(client.secret),
        ))
        .uri(url)
        .header(ACCEPT, JSON)
        .header(CONTENT_TYPE, FORM);
    match client.secret {
        Some(secret) => builder = builder.header(AUTHORIZATION, basic(client.id, secret)),
        None => drop(body.append_pair("client_id", client.id)),
    }
    builder
        .body(body.finish().into_bytes())
        .map_err(|source| unusable(url, source))
}

pub(super) fn unusable(url: &str, source: impl Into<http::Error>) -> InvalidRequest {
    InvalidRequest {
        url: without_query(url).to_owned(),
        source: source.into(),
    }
}

/// The part of a URL that can stand in a message or a log.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// An application's id and, if it has one, its secret.
#[derive(Clone, Copy)]
pub(crate) struct ClientCredentials<'a> {
    pub id: &'a str,
    pub secret: Option<&'a str>,
}

impl<'a> ClientCredentials<'a> {
    pub fn new(id: &'a str, secret: Option<&'a str>) -> Self {
        Self { id, secret }
    }
}

fn basic<'a>(id: &'a str, secret: &'a str) -> HeaderValue {
    let encoded = |part: &'a str| form_urlencoded::byte_serialize(part.as_bytes());
    let pair: String = encoded(id).chain([":"]).chain(encoded(secret)).collect();
    let value = format!("Basic {}", STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(value).expect("base64 is a valid header value");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_basic_are_form_encoded() {
        let header = basic("my app", "p%:ä+/");
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(pair, "my+app:p%25%3A%C3%A4%2B%2F");
    }
}
