//! Token introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use http::{Request, Response};

use super::client_auth::ClientCredentials;
use super::jwt::Jwt;
use super::request::{self, Form};
use super::response;
use crate::error::{AccessTokenError, HttpError, JwtError, LogtoError};
use crate::models::Introspection;

/// Refuses what is no opaque token: Logto looks up no JWT, and who sends one means to verify it.
pub(crate) fn check_opaque(token: &str) -> Result<(), AccessTokenError> {
    if token.is_empty() {
        return Err(AccessTokenError::Missing);
    }
    match Jwt::parse(token).err() {
        Some(JwtError::NotAJwt) => Ok(()),
        Some(error @ JwtError::TooLarge { .. }) => Err(error.into()),
        _ => Err(AccessTokenError::NotOpaque),
    }
}

pub(crate) fn request(
    endpoint: &str,
    client: ClientCredentials<'_>,
    token: &str,
) -> Result<Request<Vec<u8>>, HttpError> {
    let form = Form::default().secret("token", token);
    request::post_form(endpoint, client, form)
}

pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<Introspection, LogtoError> {
    response::json("introspection response", response)
}
