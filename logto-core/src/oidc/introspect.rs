//! Token introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::access_token::AccessTokenError;
use super::claims::{Audience, impl_extra_as};
use super::jwt::{Jwt, JwtError};
use super::request::{self, BuiltRequest, ClientCredentials, Form};
use super::response;
use crate::error::LogtoError;

/// What the server says of an opaque token ([RFC 7662, section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
///
/// What the server did not say, or said as `null`, is `None`; of a token that is not active it says
/// nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether the token is good: issued by this server, not expired, not revoked. Nothing else counts
    /// where it is `false`.
    pub active: bool,
    /// The scopes that are granted, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The application that the token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Whom the token is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// Who made the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// When the token expires, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When the token was issued, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// How the token is used, such as `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// The members that have no field of their own.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl_extra_as!(Introspection);

impl Introspection {
    /// Whether the token is good and exactly this scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        let granted = self.scope.as_deref().unwrap_or_default();
        self.active && granted.split_ascii_whitespace().any(|one| one == scope)
    }
}

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

pub(crate) fn request(endpoint: &str, client: ClientCredentials<'_>, token: &str) -> BuiltRequest {
    let form = Form::default().secret("token", token);
    request::post_form(endpoint, client, form)
}

pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<Introspection, LogtoError> {
    response::json("introspection response", response)
}
