//! The endpoints that can be made to misbehave.

/// An endpoint of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/oidc/.well-known/openid-configuration`
    Discovery,
    /// `/oidc/jwks`
    Jwks,
    /// `/oidc/auth`
    Authorization,
    /// `/oidc/device/auth`
    DeviceAuthorization,
    /// `/oidc/token`
    Token,
    /// `/oidc/me`
    UserInfo,
    /// `/oidc/token/revocation`
    Revocation,
    /// `/oidc/token/introspection`
    Introspection,
    /// `/oidc/session/end`
    EndSession,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 9] = [
        Self::Discovery,
        Self::Jwks,
        Self::Authorization,
        Self::DeviceAuthorization,
        Self::Token,
        Self::UserInfo,
        Self::Revocation,
        Self::Introspection,
        Self::EndSession,
    ];

    /// Where the endpoint is on the server.
    pub fn path(self) -> &'static str {
        match self {
            Self::Discovery => "/oidc/.well-known/openid-configuration",
            Self::Jwks => "/oidc/jwks",
            Self::Authorization => "/oidc/auth",
            Self::DeviceAuthorization => "/oidc/device/auth",
            Self::Token => "/oidc/token",
            Self::UserInfo => "/oidc/me",
            Self::Revocation => "/oidc/token/revocation",
            Self::Introspection => "/oidc/token/introspection",
            Self::EndSession => "/oidc/session/end",
        }
    }

    pub(crate) fn at(path: &str) -> Option<Self> {
        if path == "/oidc/.well-known/oauth-authorization-server" {
            return Some(Self::Discovery);
        }
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == path)
    }
}
