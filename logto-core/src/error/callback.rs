//! What can be wrong with a callback.

/// The URL that the browser came back with is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// It is neither a URL nor a path with a query, or it is longer than 16 KiB.
    #[error("the callback is neither a URL nor a path with a query")]
    Malformed,
    /// It has a fragment. Logto answers in the query.
    #[error("the callback has a fragment; the response is expected in the query")]
    Fragment,
    /// It has a parameter of another flow than the authorization code flow.
    #[error("the callback has the parameter {name:?}, which is not of the authorization code flow")]
    UnexpectedParameter {
        /// The parameter's name.
        name: &'static str,
    },
    /// It has a parameter twice ([RFC 6749, section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).
    #[error("the callback has the parameter {name:?} more than once")]
    DuplicateParameter {
        /// The parameter's name.
        name: &'static str,
    },
    /// It has no `state`, so it belongs to no sign-in.
    #[error("the callback has no state")]
    StateMissing,
    /// Its `state` is of no sign-in that was started in this session.
    #[error(
        "the callback's state is of no sign-in that was started in this session; was the sign-in started in another browser, or on another host name?"
    )]
    StateMismatch,
    /// Its `state` is not that of the sign-out.
    #[error("the callback's state is not that of the sign-out")]
    SignOutStateMismatch,
    /// Its sign-in has been finished already, and the user is signed in: the page was reloaded, or the link was
    /// opened twice.
    #[error("this sign-in has been finished already")]
    AlreadyUsed,
    /// Its sign-in has been tried already and has failed; start a new one.
    #[error("this sign-in has failed already; start a new one")]
    AlreadyFailed,
    /// Its sign-in was started more than ten minutes ago.
    #[error("this sign-in was started too long ago")]
    Expired,
    /// The user was signed out while this sign-in was being finished.
    #[error("the user was signed out while this sign-in was being finished")]
    SignedOutMeanwhile,
    /// Its scheme, host, port or path is not that of the redirect URI.
    #[error("the callback is not at the redirect URI of this sign-in")]
    RedirectUriMismatch,
    /// It has no `iss`, although the server's metadata promises one
    /// ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    #[error("the callback has no issuer")]
    IssuerMissing,
    /// Its `iss` is another server's, or its sign-in was begun at another one than the configured one.
    #[error("the callback is of another issuer")]
    IssuerMismatch,
    /// It has neither a code nor an error.
    #[error("the callback has no authorization code")]
    CodeMissing,
    /// It has both a code and an error.
    #[error("the callback has both a code and an error")]
    CodeAndError,
}
