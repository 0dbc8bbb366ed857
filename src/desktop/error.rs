//! What can go wrong in a desktop program.

use std::io;
use std::time::Duration;

use logto_core::{DeviceError, LogtoError};

/// A sign-in or a sign-out of a desktop program has failed.
///
/// What a program decides on are its methods. None of it holds a token, a code or a state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DesktopError {
    /// No port could be had for the browser to come back to. The browser was not opened.
    #[error(
        "no port of {host} could be had to wait for the browser at (tried: {})",
        listed(ports)
    )]
    NoPort {
        /// The address, such as `127.0.0.1`.
        host: &'static str,
        /// The ports that were tried; 0 is any free one.
        ports: Vec<u16>,
        /// Why the last one could not be had.
        source: io::Error,
    },
    /// The path for the browser to come back to is none, or is written in an unusual way.
    #[error("{path:?} is not a path like /callback")]
    InvalidPath {
        /// The path as given.
        path: String,
    },
    /// It was [cancelled](super::Cancel).
    #[error("cancelled")]
    Cancelled,
    /// The user did not finish in time.
    #[error("the sign-in was not finished within {} seconds", after.as_secs())]
    TimedOut {
        /// How long it was waited.
        after: Duration,
    },
    /// What the client of the session reports.
    #[error(transparent)]
    Logto(#[from] LogtoError),
}

impl DesktopError {
    /// Whether it was [cancelled](super::Cancel).
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// Whether the user did not finish in time, or the code on a device has expired.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { .. } | Self::Logto(LogtoError::Device(DeviceError::Expired))
        )
    }

    /// Whether the user declined at the server.
    pub fn is_denied(&self) -> bool {
        match self.logto_error() {
            Some(LogtoError::Device(DeviceError::AccessDenied)) => true,
            Some(error) => error
                .oauth_error()
                .is_some_and(|error| error.error == "access_denied"),
            None => false,
        }
    }

    /// What the client of the session reports; `None` if the failure is another one.
    pub fn logto_error(&self) -> Option<&LogtoError> {
        match self {
            Self::Logto(error) => Some(error),
            _ => None,
        }
    }
}

fn listed(ports: &[u16]) -> String {
    let name = |port: &u16| match port {
        0 => "any free one".to_owned(),
        port => port.to_string(),
    };
    ports.iter().map(name).collect::<Vec<_>>().join(", ")
}
