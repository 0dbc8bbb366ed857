//! The names under which a session's values are stored.

use std::fmt;

/// The keys of a session's values. The names are those of Logto's other SDKs, so that a session
/// stored by the Python SDK can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PersistKey {
    /// `idToken`: the ID token, as it came from the server.
    IdToken,
    /// `refreshToken`: the refresh token.
    RefreshToken,
    /// `pendingRefreshToken`: a rotated refresh token that is not part of the session yet, a JSON
    /// object. Logto's other SDKs do not have it.
    PendingRefreshToken,
    /// `accessTokenMap`: the cached access tokens, a JSON object.
    AccessTokenMap,
    /// `signInSession`: the sign-ins under way, a JSON object.
    SignInSession,
    /// `owner`: the text of a [`SessionOwner`](crate::SessionOwner), by which a store finds the
    /// session. Logto's other SDKs do not have it: what they have stored is found from the next sign-in
    /// or refresh on.
    Owner,
}

impl PersistKey {
    /// Every key there is.
    pub const ALL: [Self; 6] = [
        Self::IdToken,
        Self::RefreshToken,
        Self::PendingRefreshToken,
        Self::AccessTokenMap,
        Self::SignInSession,
        Self::Owner,
    ];

    /// The key's name in the storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdToken => "idToken",
            Self::RefreshToken => "refreshToken",
            Self::PendingRefreshToken => "pendingRefreshToken",
            Self::AccessTokenMap => "accessTokenMap",
            Self::SignInSession => "signInSession",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for PersistKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
