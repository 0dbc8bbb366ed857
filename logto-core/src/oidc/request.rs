//! What requests have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, request};
use url::form_urlencoded;

use crate::secret::Redactions;

/// The parameters of a form. Of each is said whether nobody else may see it.
#[derive(Default)]
pub(crate) struct Form<'a>(Vec<Parameter<'a>>);

struct Parameter<'a> {
    name: &'a str,
    value: &'a str,
    is_secret: bool,
}

impl<'a> Form<'a> {
    /// Adds one that may stand in a message or a log.
    pub fn public(self, name: &'a str, value: &'a str) -> Self {
        self.with(name, value, false)
    }

    /// Adds one that a server must not bring into a message by repeating it.
    pub fn secret(self, name: &'a str, value: &'a str) -> Self {
        self.with(name, value, true)
    }

    fn with(mut self, name: &'a str, value: &'a str, is_secret: bool) -> Self {
        self.0.push(Parameter {
            name,
            value,
            is_secret,
        });
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

/// A POST of form parameters by an authenticated client.
pub(crate) fn post_form(
    url: &str,
    client: ClientCredentials<'_>,
    Form(parameters): Form<'_>,
) -> BuiltRequest {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters.iter().map(|each| (each.name, each.value)));
    let secrets = parameters.iter().filter(|each| each.is_secret);
    let sent = Redactions::new(secrets.map(|each| each.value).chain(client.secret));
    let builder = Request::builder()
        .method(Method::POST)
        .extension(sent)
        .uri(url)
        .header(ACCEPT, JSON)
        .header(CONTENT_TYPE, FORM);
    authenticate(builder, &mut form, client)
        .body(form.finish().into_bytes())
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

/// With a secret `client_secret_basic`, whose parts are form-encoded first (section 2.3.1);
/// without, the `client_id` in the body.
pub(crate) fn authenticate(
    builder: request::Builder,
    form: &mut form_urlencoded::Serializer<'_, String>,
    client: ClientCredentials<'_>,
) -> request::Builder {
    match client.secret {
        Some(secret) => builder.header(AUTHORIZATION, basic(client.id, secret)),
        None => {
            form.append_pair("client_id", client.id);
            builder
        }
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
