//! What can go wrong.

mod storage;

use std::time::Duration;

pub use self::storage::{StorageError, StorageErrorKind};
use crate::config::ConfigError;
use crate::http::HttpError;
use crate::oidc::access_token::AccessTokenError;
use crate::oidc::authorize::SignInError;
use crate::oidc::callback::CallbackError;
use crate::oidc::device::DeviceError;
use crate::oidc::discovery::DiscoveryError;
use crate::oidc::id_token::IdTokenError;
use crate::oidc::jwt::JwtError;
use crate::oidc::logout_token::LogoutTokenError;
use crate::oidc::response::{OAuthError, ResponseError};

/// Everything that the client can fail with.
///
/// What a program decides on are its methods: [`requires_sign_in`](Self::requires_sign_in),
/// [`is_retryable`](Self::is_retryable), [`oauth_error`](Self::oauth_error). The variants tell
/// more, for a message or a log. None of them holds a token, a secret, a code or a session id.
///
/// ```
/// # use logto_core as logto;
/// use logto::{LogtoClient, LogtoError};
///
/// fn call_api(client: &LogtoClient) -> Result<String, LogtoError> {
///     match client.access_token("https://api.example.com") {
///         Ok(Some(token)) => Ok(token),
///         Ok(None) => Err(LogtoError::NotAuthenticated),
///         Err(error) if error.is_retryable() => Err(error), // answer 503
///         Err(error) => Err(error),
///     }
/// }
/// ```
#[doc(alias = "LogtoException")]
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogtoError {
    /// The configuration is incomplete or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A sign-in or a sign-out could not be started with these options.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The URL that the browser came back with is refused.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// A sign-in on a device has come to its end, or could not be started.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The server's metadata is refused.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The ID token is refused.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// The access token that an API is called with is refused.
    #[error(transparent)]
    AccessToken(#[from] AccessTokenError),
    /// The server's request to end sessions is refused.
    #[error(transparent)]
    LogoutToken(#[from] LogoutTokenError),
    /// A token cannot be decoded.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// The server answered with an OAuth error.
    #[error(transparent)]
    OAuth(Box<OAuthError>),
    /// The server answered with something else than the protocol says.
    #[error(transparent)]
    Response(Box<ResponseError>),
    /// The server could not be asked.
    #[error(transparent)]
    Http(Box<HttpError>),
    /// The user information is that of another user than the session's.
    #[error("the user information is not that of the user who is signed in")]
    UserInfoSubjectMismatch,
    /// The session's tokens were issued by another server than the configured one. They were not sent.
    /// Unless it was a sign-out, they are as they were: a client of the other server can still use them.
    #[error("the session was begun at another server than the configured one")]
    SessionIssuerMismatch,
    /// The session's tokens were issued to another application of the server than the configured one. They
    /// were not sent: the server would refuse them, and the session would lose them. Unless it was a
    /// sign-out, they are as they were.
    #[error("the session was begun by another application than the configured one")]
    SessionAudienceMismatch,
    /// The session could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nobody is signed in, or there is no token that this call needs.
    #[error("nobody is signed in")]
    NotAuthenticated,
}

impl LogtoError {
    /// Whether only a new sign-in helps: nobody is signed in, the server no longer accepts the session,
    /// or the session is another server's or another application's.
    ///
    /// `false` for a refused [callback](Self::Callback), which starts no new sign-in by itself: a
    /// program that redirected each of them would send a browser with a lost cookie in circles. Show
    /// a page with a link instead.
    pub fn requires_sign_in(&self) -> bool {
        match self {
            Self::NotAuthenticated
            | Self::SessionIssuerMismatch
            | Self::SessionAudienceMismatch => true,
            Self::OAuth(error) => error.requires_sign_in(),
            _ => false,
        }
    }

    /// Whether the same call may succeed later: the server or the storage could not be had.
    ///
    /// After a failed [`handle_sign_in_callback`](crate::LogtoClient::handle_sign_in_callback) the
    /// call to repeat is `sign_in`: a code is never sent twice.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Http(error) => error.is_retryable(),
            Self::Response(error) => error.is_retryable(),
            Self::OAuth(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// How long the server asks to wait before the next try (`Retry-After`), at most a day; `None` if it
    /// did not say.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Response(error) => error.retry_after(),
            Self::OAuth(error) => error.retry_after,
            _ => None,
        }
    }

    /// The OAuth error as the server gave it; `None` if it is none.
    pub fn oauth_error(&self) -> Option<&OAuthError> {
        match self {
            Self::OAuth(error) => Some(error),
            _ => None,
        }
    }
}

impl From<OAuthError> for LogtoError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(Box::new(error))
    }
}

impl From<ResponseError> for LogtoError {
    fn from(error: ResponseError) -> Self {
        Self::Response(Box::new(error))
    }
}

impl From<HttpError> for LogtoError {
    fn from(error: HttpError) -> Self {
        Self::Http(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_and_can_cross_threads() {
        fn assert_error<T: std::error::Error + Send + Sync + 'static>() {}
        assert_error::<LogtoError>();
        assert!(size_of::<LogtoError>() <= 56, "{}", size_of::<LogtoError>());
    }
}
