//! What can be wrong with an access token that an API is called with.

use super::JwtError;

/// A call of an API is refused. The checks are those of
/// [RFC 9068, section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4) and
/// [RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// The request has no `Authorization` header, or an empty one.
    #[error("the request has no access token")]
    Missing,
    /// The `Authorization` header is of another scheme than Bearer.
    #[error("the Authorization header is of another scheme than Bearer")]
    OtherScheme,
    /// The `Authorization` header is not the word Bearer and one token.
    #[error("the Authorization header is not \"Bearer\" and one token")]
    MalformedHeader,
    /// It is no access token of the server's: its form, its header or its signature is wrong. A
    /// token without a resource is opaque, and [`NotAJwt`](JwtError::NotAJwt); an ID token is of the
    /// [wrong type](JwtError::WrongType).
    #[error("the access token is refused: {0}")]
    Jwt(#[from] JwtError),
    /// It is a JWT, where an opaque token is looked up at the server.
    #[error(
        "the token is a JWT, which the server does not look up: verify it with `AccessTokenVerifier`"
    )]
    NotOpaque,
    /// It is of another issuer.
    #[error("the access token is of another issuer")]
    IssuerMismatch,
    /// It is for another API.
    #[error("the access token is for another API")]
    AudienceMismatch,
    /// It has expired.
    #[error("the access token has expired")]
    Expired,
    /// It is not valid yet, or was issued in the future.
    #[error("the access token is not valid yet; is the clock of this machine right?")]
    NotYetValid,
    /// Its subject is empty or longer than 255 bytes.
    #[error("the access token's subject is empty or too long")]
    InvalidSubject,
    /// Its `client_id` is missing or empty.
    #[error("the access token does not say which application it was issued to")]
    InvalidClient,
    /// It names more than one organization, or an empty one.
    #[error("the access token does not name one organization")]
    AmbiguousOrganization,
    /// It is good only together with a proof of a key (`cnf`, as DPoP has), which is not looked at here.
    #[error("the access token needs a proof of a key, which is not supported")]
    ProofRequired,
    /// It has not every scope that is required.
    #[error("the access token has not every scope that is required: {required}")]
    InsufficientScope {
        /// Every scope that is required, separated by spaces.
        required: String,
    },
    /// It is not for the organization that is required.
    #[error("the access token is not for the organization that is required")]
    OrganizationMismatch,
    /// It is for an organization, so that its scopes hold in that organization only, and none is
    /// required.
    #[error(
        "the access token is for an organization: require it with `Requirements::organization`, or accept any with `Requirements::any_organization`"
    )]
    UnexpectedOrganization,
}

impl AccessTokenError {
    /// Whether the token itself is good, and does not allow this call.
    pub fn is_insufficient(&self) -> bool {
        matches!(
            self,
            Self::InsufficientScope { .. }
                | Self::OrganizationMismatch
                | Self::UnexpectedOrganization
        )
    }
}
