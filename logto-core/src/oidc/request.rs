//! What requests have in common.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use url::form_urlencoded;

use super::client_auth::{ClientCredentials, authenticate};
use crate::error::HttpError;
use crate::secret::Sent;

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

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A GET that wants JSON.
pub(crate) fn get(url: &str) -> Result<Request<Vec<u8>>, HttpError> {
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
) -> Result<Request<Vec<u8>>, HttpError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters.iter().map(|each| (each.name, each.value)));
    let secrets = parameters.iter().filter(|each| each.is_secret);
    let sent = Sent::new(secrets.map(|each| each.value).chain(client.secret));
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

fn unusable(url: &str, source: http::Error) -> HttpError {
    HttpError::Other {
        url: without_query(url).to_owned(),
        source: source.into(),
    }
}

/// The part of a URL that can stand in a message or a log.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
