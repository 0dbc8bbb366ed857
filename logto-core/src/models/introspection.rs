//! What the server says of an opaque token.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::audience::Audience;
use super::extra::impl_extra_as;

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
