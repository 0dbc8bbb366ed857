//! The scopes and resources that Logto itself has.

pub(crate) const OPENID: &str = "openid";
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";
pub(crate) const ORGANIZATIONS: &str = "urn:logto:scope:organizations";
pub(crate) const ORGANIZATION_ROLES: &str = "urn:logto:scope:organization_roles";

/// The resource whose scopes are the permissions in organizations.
pub(crate) const ORGANIZATION_RESOURCE: &str = "urn:logto:resource:organizations";

/// Those that are about the user, not about a resource.
pub(crate) const SUPPORTED: [&str; 13] = [
    OPENID,
    OFFLINE_ACCESS,
    "profile",
    "email",
    "phone",
    "address",
    "custom_data",
    "identities",
    "roles",
    ORGANIZATIONS,
    ORGANIZATION_ROLES,
    "urn:logto:scope:sessions",
    "urn:logto:scope:trusted_devices",
];

/// The scopes in a string, each once.
pub(crate) fn split(scope: &str) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for one in scope.split_ascii_whitespace() {
        if !scopes.iter().any(|known| known == one) {
            scopes.push(one.to_owned());
        }
    }
    scopes
}

pub(crate) fn has(scopes: &[String], scope: &str) -> bool {
    scopes.iter().any(|one| one == scope)
}
