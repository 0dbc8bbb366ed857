//! The user info endpoint
//! ([OpenID Connect Core, section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};

use super::{request, response};
use crate::error::{HttpError, LogtoError};
use crate::models::UserInfoResponse;
use crate::secret::Sent;

pub(crate) fn request(endpoint: &str, access_token: &str) -> Result<Request<Vec<u8>>, HttpError> {
    let mut request = request::get(endpoint)?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {access_token}")).map_err(|source| {
        HttpError::Other {
            url: request::without_query(endpoint).to_owned(),
            source: source.into(),
        }
    })?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request.extensions_mut().insert(Sent::new([access_token]));
    Ok(request)
}

pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<UserInfoResponse, LogtoError> {
    response::json("user info response", response)
}
