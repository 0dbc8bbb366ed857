//! What requests have in common.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use url::form_urlencoded;

use super::client_auth::{ClientCredentials, authenticate};
use crate::error::HttpError;
use crate::secret::Sent;

/// The parameters that nobody else may see.
const SECRET_PARAMETERS: [&str; 4] = ["code", "code_verifier", "refresh_token", "token"];

/// A GET that wants JSON.
pub(crate) fn get(url: &str) -> Result<Request<Vec<u8>>, HttpError> {
    Request::builder()
        .uri(url)
        .header(ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|source| unusable(url, source))
}

/// A POST of form parameters by an authenticated client.
pub(crate) fn post_form(
    url: &str,
    client: ClientCredentials<'_>,
    parameters: &[(&str, &str)],
) -> Result<Request<Vec<u8>>, HttpError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters);
    let is_secret = |(name, _): &&(&str, &str)| SECRET_PARAMETERS.contains(name);
    let secrets = parameters.iter().filter(is_secret).map(|(_, value)| *value);
    let sent = Sent::new(secrets.chain(client.secret));
    let builder = Request::builder()
        .method(Method::POST)
        .extension(sent)
        .uri(url)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
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
