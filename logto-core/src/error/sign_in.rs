//! What can be wrong with the options of a sign-in or sign-out.

/// A sign-in or a sign-out could not be started with these options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The redirect URI is no absolute URI, or has a fragment.
    #[error("the redirect URI {uri:?} is not an absolute URI without a fragment")]
    InvalidRedirectUri {
        /// The URI as given.
        uri: String,
    },
    /// A URI has a user name or a password, which would show in the browser's history and in logs.
    #[error("the {what} has a user name or a password in it")]
    CredentialsInUri {
        /// Which URI it is.
        what: &'static str,
    },
    /// The query of the redirect URI has a parameter that the server's answer is read by.
    #[error("the query of the redirect URI has {name:?}, which is for the server's answer")]
    AnswerInRedirectUri {
        /// The parameter's name.
        name: &'static str,
    },
    /// The place to go to after the sign-in is on another origin than the redirect URI.
    #[error(
        "the post-redirect URI {uri:?} is neither a path nor of the same origin as the redirect URI"
    )]
    ForeignPostRedirectUri {
        /// The URI as given.
        uri: String,
    },
    /// An extra parameter has the name of one that the client sets itself.
    #[error("the extra parameter {name:?} is set by the client itself")]
    ReservedParameter {
        /// The parameter's name.
        name: String,
    },
    /// A value of `acr_values` is empty or has spaces in it.
    #[error("the acr value {value:?} is empty or has spaces in it")]
    InvalidAcrValue {
        /// The value as given.
        value: String,
    },
    /// The server has no endpoint to end its session at, by its metadata.
    #[error("the server does not support sign-out: its metadata has no end_session_endpoint")]
    SignOutUnsupported,
}
