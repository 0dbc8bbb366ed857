//! Token revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use http::{Request, Response};

use super::client_auth::ClientCredentials;
use super::request::{self, Form};
use super::response;
use crate::error::{HttpError, LogtoError};

pub(crate) fn request(
    endpoint: &str,
    client: ClientCredentials<'_>,
    refresh_token: &str,
) -> Result<Request<Vec<u8>>, HttpError> {
    let form = Form::default()
        .secret("token", refresh_token)
        .public("token_type_hint", "refresh_token");
    request::post_form(endpoint, client, form)
}

/// The body of a success does not matter (section 2.2).
pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<(), LogtoError> {
    response::success("revocation response", response)
}
