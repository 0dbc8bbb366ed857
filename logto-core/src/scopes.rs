//! What an application may ask for.

use std::fmt;

/// The scope of a refresh token. Logto grants it only when the prompt contains
/// [`Consent`](crate::Prompt::Consent).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// A scope (permission) to ask for: one of [user information](UserInfoScope), or one of your API's.
///
/// ```
/// # use logto_core as logto;
/// use logto::{Scope, UserInfoScope};
///
/// assert_eq!(Scope::from("email"), Scope::UserInfo(UserInfoScope::Email));
/// assert_eq!(Scope::from("read:items").as_str(), "read:items");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// A scope of user information.
    UserInfo(UserInfoScope),
    /// Any other scope, such as one of an API resource.
    Other(String),
}

impl Scope {
    /// The scope as it is sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::UserInfo(scope) => scope.as_str(),
            Self::Other(scope) => scope,
        }
    }
}

impl From<UserInfoScope> for Scope {
    fn from(scope: UserInfoScope) -> Self {
        Self::UserInfo(scope)
    }
}

impl<S: AsRef<str>> From<S> for Scope {
    fn from(scope: S) -> Self {
        let scope = scope.as_ref();
        let known = UserInfoScope::ALL
            .into_iter()
            .find(|known| known.as_str() == scope);
        known.map_or_else(|| Self::Other(scope.to_owned()), Self::UserInfo)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scopes of user information: what stands in the ID token and in the answer of the user info
/// endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserInfoScope {
    /// `openid`: the `sub` claim. Always asked for.
    #[doc(alias = "openid")]
    OpenId,
    /// `profile`: `name`, `username`, `picture` and the other claims of the profile. Always asked for.
    Profile,
    /// `email`: `email` and `email_verified`.
    Email,
    /// `phone`: `phone_number` and `phone_number_verified`.
    Phone,
    /// `address`: the `address` claim.
    Address,
    /// `custom_data`: the user's custom data, which only
    /// [`fetch_user_info`](crate::LogtoClient::fetch_user_info) gives.
    #[doc(alias = "customData")]
    CustomData,
    /// `identities`: the user's social identities, which only
    /// [`fetch_user_info`](crate::LogtoClient::fetch_user_info) gives.
    Identities,
    /// `roles`: the names of the user's roles.
    Roles,
    /// `urn:logto:scope:organizations`: the user's organizations; needed for organization tokens.
    Organizations,
    /// `urn:logto:scope:organization_roles`: the user's roles in the organizations.
    #[doc(alias = "organization_roles")]
    OrganizationRoles,
}

impl UserInfoScope {
    /// Every scope of user information.
    pub const ALL: [Self; 10] = [
        Self::OpenId,
        Self::Profile,
        Self::Email,
        Self::Phone,
        Self::Address,
        Self::CustomData,
        Self::Identities,
        Self::Roles,
        Self::Organizations,
        Self::OrganizationRoles,
    ];

    /// The scope as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Address => "address",
            Self::CustomData => "custom_data",
            Self::Identities => "identities",
            Self::Roles => "roles",
            Self::Organizations => "urn:logto:scope:organizations",
            Self::OrganizationRoles => "urn:logto:scope:organization_roles",
        }
    }
}

impl fmt::Display for UserInfoScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Resources that Logto itself defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReservedResource {
    /// `urn:logto:resource:organizations`: the organization template. Asked for by itself where
    /// [`UserInfoScope::Organizations`] is.
    Organizations,
}

impl ReservedResource {
    /// The resource indicator as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organizations => "urn:logto:resource:organizations",
        }
    }
}

impl fmt::Display for ReservedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<ReservedResource> for String {
    fn from(resource: ReservedResource) -> Self {
        resource.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_scope_is_recognised_by_its_name() {
        for scope in UserInfoScope::ALL {
            assert_eq!(Scope::from(scope.as_str()), Scope::UserInfo(scope));
        }
    }
}
