//! How the application can fail, and what it tells the shell.

use std::error::Error;

use logto::desktop::DesktopError;
use logto::{ConfigError, LogtoError};

/// As of a shell that a program was interrupted in: 128 and the number of the signal.
pub const INTERRUPTED: u8 = 130;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}\nTry `logto-cli --help`.")]
    Usage(String),
    #[error("you are not signed in; run `logto-cli login`")]
    NotSignedIn,
    #[error("the server has ended your session; run `logto-cli login`")]
    SessionEnded,
    #[error("cancelled")]
    Cancelled,
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A failure with its causes in its message.
    pub fn other(error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let error_text = error.to_string();
            if !text.ends_with(&error_text) {
                text.push_str(&format!(": {error_text}"));
            }
            cause = error.source();
        }
        Self::Other(text)
    }

    /// The exit status of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::NotSignedIn | Self::SessionEnded => 3,
            Self::Cancelled => INTERRUPTED,
        }
    }
}

impl From<LogtoError> for Failure {
    fn from(error: LogtoError) -> Self {
        match &error {
            LogtoError::NotAuthenticated => Self::NotSignedIn,
            LogtoError::Config(ConfigError::UnknownResource { resource }) => Self::Usage(format!(
                "the API {resource:?} is not among LOGTO_RESOURCES; add it there, and sign in again"
            )),
            LogtoError::Config(error) => Self::Usage(error.to_string()),
            error if error.requires_sign_in() => Self::SessionEnded,
            error => Self::other(error),
        }
    }
}

impl From<DesktopError> for Failure {
    fn from(error: DesktopError) -> Self {
        match error {
            error if error.is_cancelled() => Self::Cancelled,
            error if error.is_denied() => Self::Other("you declined the sign-in".to_owned()),
            error if error.is_timeout() => {
                Self::Other("the sign-in was not finished in time".to_owned())
            }
            // Nothing that a sign-in fails with says anything of the session before it.
            DesktopError::Logto(error) => match error {
                LogtoError::Config(_) => error.into(),
                error => Self::other(&error),
            },
            error => Self::other(&error),
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}
