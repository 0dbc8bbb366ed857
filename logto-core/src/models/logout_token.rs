//! The claims of a logout token.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::audience::Audience;
use super::extra::{impl_extra_as, null_as_default};
use super::numeric_date;
use super::unique::{self, UniqueMembers};

/// The claims of a logout token ([Back-Channel Logout, section 2.4](https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken)):
/// whose sessions end.
///
/// A verified one has [`sub`](Self::sub), [`sid`](Self::sid) or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogoutTokenClaims {
    /// The issuer: who made the token.
    pub iss: String,
    /// The audience: the application's id.
    pub aud: Audience,
    /// When the token was issued, in Unix seconds.
    #[serde(deserialize_with = "numeric_date::deserialize")]
    pub iat: i64,
    /// When the token expires, in Unix seconds.
    #[serde(deserialize_with = "numeric_date::deserialize")]
    pub exp: i64,
    /// When the token begins to be valid, in Unix seconds; `None` if the server did not say.
    #[serde(
        default,
        deserialize_with = "numeric_date::option::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<i64>,
    /// The token's own id.
    #[serde(default, deserialize_with = "null_as_default")]
    pub jti: String,
    /// The user. Without [`sid`](Self::sid) all sessions of this user end; `None` if the server did not
    /// say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The server's session, as in the [ID token](crate::IdTokenClaims::sid): the application's sessions
    /// that came of it end; `None` if the server did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What has happened; the member for back-channel logout is among it.
    #[serde(default, deserialize_with = "unique::value")]
    pub events: Value,
    /// The claims that have no field of their own.
    #[serde(flatten, deserialize_with = "unique::members")]
    pub extra: Map<String, Value>,
}

impl_extra_as!(LogoutTokenClaims);

impl UniqueMembers for LogoutTokenClaims {}
