//! Token revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use http::{Request, Response};

use super::client_auth::ClientCredentials;
use super::{request, response};
use crate::error::{HttpError, LogtoError};

pub(crate) fn request(
    endpoint: &str,
    client: ClientCredentials<'_>,
    refresh_token: &str,
) -> Result<Request<Vec<u8>>, HttpError> {
    let parameters = [
        ("token", refresh_token),
        ("token_type_hint", "refresh_token"),
    ];
    request::post_form(endpoint, client, &parameters)
}

/// The body of a success does not matter (section 2.2).
pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<(), LogtoError> {
    response::success("revocation response", response)
}
