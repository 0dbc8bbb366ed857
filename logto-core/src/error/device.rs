//! What can go wrong with a sign-in on a device.

/// A sign-in on a device has come to its end, or could not be started
/// ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The server has no endpoint for it, by its metadata.
    #[error(
        "the server does not support sign-in on devices: its metadata has no device_authorization_endpoint"
    )]
    Unsupported,
    /// The server wants the user to be sent to something else than a web page over https.
    #[error("the server's {name} is not a https URL")]
    InvalidVerificationUri {
        /// The member's name.
        name: &'static str,
    },
    /// The user code is empty, longer than 64 characters, or has others than printable ASCII: it
    /// could not be shown in a terminal as it is.
    #[error("the server's user code is empty, too long, or not printable")]
    InvalidUserCode,
    /// The user declined.
    #[error("the user declined the sign-in")]
    AccessDenied,
    /// The user did not finish before the code expired. Start a new sign-in.
    #[error("the code of this sign-in has expired")]
    Expired,
}
