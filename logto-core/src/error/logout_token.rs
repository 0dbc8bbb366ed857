//! What can be wrong with a back-channel logout.

use super::JwtError;

/// A logout request is refused, and ends no session. The checks are those of
/// [Back-Channel Logout, section 2.6](https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogoutTokenError {
    /// The request's body is no form (`application/x-www-form-urlencoded`), or is longer than 64 KiB.
    #[error("the logout request is not a form")]
    NotAForm,
    /// The form has no `logout_token`.
    #[error("the logout request has no logout_token")]
    Missing,
    /// The form has more than one `logout_token`.
    #[error("the logout request has the logout_token more than once")]
    Duplicated,
    /// It is no logout token of the server's: its form, its header or its signature is wrong.
    #[error("the logout token is refused: {0}")]
    Jwt(#[from] JwtError),
    /// It is of another issuer.
    #[error("the logout token is of another issuer")]
    IssuerMismatch,
    /// It is for another application.
    #[error("the logout token is for another application")]
    AudienceMismatch,
    /// It is for further applications, which this one does not trust.
    #[error("the logout token is for other applications too")]
    UntrustedAudience,
    /// It has expired.
    #[error("the logout token has expired; is the clock of this machine right?")]
    Expired,
    /// It is not valid yet, or was issued in the future.
    #[error("the logout token is not valid yet; is the clock of this machine right?")]
    NotYetValid,
    /// It was issued more than ten minutes ago.
    #[error("the logout token was issued too long ago; is the clock of this machine right?")]
    TooOld,
    /// It is valid for more than ten minutes from now, which is longer than it is remembered.
    #[error("the logout token is valid for too long")]
    LivesTooLong,
    /// It has neither a `sub` nor a `sid`.
    #[error("the logout token names neither a user nor a session")]
    NobodyNamed,
    /// Its `sub` is empty or longer than 255 bytes.
    #[error("the logout token's subject is empty or too long")]
    InvalidSubject,
    /// Its `sid` is empty or longer than 255 bytes.
    #[error("the logout token's session id is empty or too long")]
    InvalidSessionId,
    /// Its `events` have no member for back-channel logout, or it is no object.
    #[error("the logout token has not the event of a back-channel logout")]
    EventMissing,
    /// It has a `nonce`, as only ID tokens have.
    #[error("the logout token has a nonce")]
    NoncePresent,
    /// Its `jti` is missing, empty or longer than 255 bytes.
    #[error("the logout token's own id is missing, empty or too long")]
    InvalidId,
    /// A token of this `jti` has been taken already.
    #[error("the logout token has been used already")]
    AlreadyUsed,
}
