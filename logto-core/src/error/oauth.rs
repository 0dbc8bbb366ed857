//! What the server says when it refuses.

use std::fmt;
use std::time::Duration;

/// An error as OAuth 2.0 defines it: in the body of an answer
/// ([RFC 6749, section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)) or in a callback
/// ([section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
///
/// The texts are the server's; each is cut after 500 characters and has no control characters. They
/// are text: escape them before they go into a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthError {
    /// The error code, such as `invalid_grant` or `access_denied`.
    pub error: String,
    /// A text for developers; `None` if there is none.
    pub error_description: Option<String>,
    /// A page about the error; `None` if there is none.
    pub error_uri: Option<String>,
    /// Logto's own code, such as `oidc.invalid_grant`; `None` if there is none.
    pub code: Option<String>,
    /// Logto's localised text; `None` if there is none.
    pub message: Option<String>,
    /// The HTTP status; `None` if the error came by a callback.
    pub status: Option<u16>,
    /// How long the server asks to wait (`Retry-After`), at most a day; `None` if it
    /// did not say.
    pub retry_after: Option<Duration>,
}

impl OAuthError {
    const TEXT_LIMIT: usize = 500;

    /// An error with this code and nothing else.
    pub(crate) fn new(error: &str) -> Self {
        Self {
            error: Self::clean(error),
            error_description: None,
            error_uri: None,
            code: None,
            message: None,
            status: None,
            retry_after: None,
        }
    }

    /// A text of the server, cut and without control characters.
    pub(crate) fn clean(text: &str) -> String {
        text.chars()
            .filter(|c| !c.is_control())
            .take(Self::TEXT_LIMIT)
            .collect()
    }

    /// Whether only a new sign-in helps.
    pub fn requires_sign_in(&self) -> bool {
        matches!(
            self.error.as_str(),
            "invalid_grant" | "login_required" | "interaction_required" | "consent_required"
        )
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.status
            .is_some_and(|status| status >= 500 || status == 429)
            || matches!(
                self.error.as_str(),
                "temporarily_unavailable" | "server_error" | "slow_down"
            )
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused: {}", self.error)?;
        if let Some(description) = &self.error_description {
            write!(f, " ({description})")?;
        }
        if let Some(status) = self.status {
            write!(f, ", HTTP {status}")?;
        }
        Ok(())
    }
}

impl std::error::Error for OAuthError {}
