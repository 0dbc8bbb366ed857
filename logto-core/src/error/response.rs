//! What can be wrong with an answer.

use std::time::Duration;

/// The server answered with something else than the protocol says. `what` names the answer, such as
/// "token response".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// A status that tells of a failure, without an OAuth error.
    #[error("{what}: HTTP status {status}")]
    Status {
        /// Which answer it is.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait (`Retry-After`), at most a day; `None` if it
        /// did not say.
        retry_after: Option<Duration>,
    },
    /// A redirect, which is never followed: it could send the code or the secret elsewhere.
    #[error("{what}: redirected with HTTP status {status}, which is not followed")]
    Redirect {
        /// Which answer it is.
        what: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// Another content type than JSON: a captive portal, a proxy's page.
    #[error("{what}: content type {actual:?}, expected JSON")]
    ContentType {
        /// Which answer it is.
        what: &'static str,
        /// The content type of the answer; empty if there was none.
        actual: String,
    },
    /// Not JSON, or JSON of another shape. The reason holds no value of the answer.
    #[error("{what}: {reason}")]
    Json {
        /// Which answer it is.
        what: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// A token type that this client cannot use.
    #[error("the token type is not Bearer")]
    TokenType,
    /// The answer to the code has no ID token.
    #[error("the token response has no ID token")]
    IdTokenMissing,
}

impl ResponseError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status >= 500 || *status == 429)
    }

    /// How long the server asks to wait; `None` if it did not say.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
