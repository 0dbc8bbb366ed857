//! Which access token is wanted, of a user or of the application itself.

use std::borrow::Cow;

use serde_json::json;

use crate::utilities::build_organization_urn;

/// Which access token is wanted. A resource indicator alone makes one; so does `None`.
///
/// ```
/// # use logto_core as logto;
/// use logto::AccessTokenRequest;
///
/// let without_resource = AccessTokenRequest::from(None);
/// let for_api = AccessTokenRequest::from("https://api.example.com");
/// let for_api_in_organization = AccessTokenRequest::from("https://api.example.com")
///     .organization("org_1")
///     .force_refresh(true);
/// # let _ = (without_resource, for_api, for_api_in_organization);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessTokenRequest<'a> {
    /// The API resource, by its indicator; empty for none. An organization's URN stands for that
    /// organization.
    pub resource: &'a str,
    /// The organization; `None` for none. With a resource: the token for that API in that
    /// organization.
    pub organization_id: Option<&'a str>,
    /// Whether the cache is passed over, because the user's permissions have changed, say.
    pub force_refresh: bool,
}

impl<'a> AccessTokenRequest<'a> {
    /// The token without a resource, which is for the user info endpoint.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the organization. Default: none.
    pub fn organization(mut self, organization_id: &'a str) -> Self {
        self.organization_id = Some(organization_id);
        self
    }

    /// Sets whether the cache is passed over. Default: no.
    pub fn force_refresh(mut self, force: bool) -> Self {
        self.force_refresh = force;
        self
    }

    /// The key in the cache. A resource indicator has no fragment
    /// ([RFC 8707, section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)), so the keys do not
    /// collide.
    pub(crate) fn cache_key(&self) -> Cow<'a, str> {
        match (self.resource, self.organization_id) {
            (resource, None) => Cow::Borrowed(resource),
            ("", Some(organization)) => Cow::Owned(build_organization_urn(organization)),
            (resource, Some(organization)) => Cow::Owned(format!("{resource}#{organization}")),
        }
    }
}

impl<'a> From<&'a str> for AccessTokenRequest<'a> {
    fn from(resource: &'a str) -> Self {
        Self {
            resource,
            ..Self::default()
        }
    }
}

impl<'a> From<&'a String> for AccessTokenRequest<'a> {
    fn from(resource: &'a String) -> Self {
        resource.as_str().into()
    }
}

impl<'a> From<Option<&'a str>> for AccessTokenRequest<'a> {
    fn from(resource: Option<&'a str>) -> Self {
        resource.unwrap_or_default().into()
    }
}

/// Which access token an application wants for itself. A resource indicator alone makes one.
///
/// ```
/// # use logto_core as logto;
/// use logto::MachineTokenRequest;
///
/// let for_api = MachineTokenRequest::from("https://api.example.com").scopes(["read:items"]);
/// let for_organization = MachineTokenRequest::new().organization("org_1");
/// let for_logto = MachineTokenRequest::management_api("default");
/// assert_eq!(for_logto.resource, "https://default.logto.app/api");
/// # let _ = (for_api, for_organization);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineTokenRequest<'a> {
    /// The API resource, by its indicator; empty for none. An organization's URN stands for that
    /// organization.
    pub resource: Cow<'a, str>,
    /// The organization; `None` for none. With a resource: the token for that API in that
    /// organization.
    pub organization_id: Option<&'a str>,
    /// The scopes to ask for. Logto gives those that the application's roles allow, and without any
    /// asked for a token without scopes.
    pub scopes: Vec<Cow<'a, str>>,
    /// Whether the cache is passed over.
    pub force_refresh: bool,
}

impl<'a> MachineTokenRequest<'a> {
    /// A request for nothing yet; set a [resource](Self::from) or an organization.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token for all of Logto's Management API. The tenant is the first part of the host name of
    /// `https://<tenant>.logto.app`; a Logto that you host yourself has the tenant `default`.
    pub fn management_api(tenant: &str) -> Self {
        Self {
            resource: Cow::Owned(format!("https://{tenant}.logto.app/api")),
            ..Self::default()
        }
        .scopes(["all"])
    }

    /// Sets the organization. Default: none.
    pub fn organization(mut self, organization_id: &'a str) -> Self {
        self.organization_id = Some(organization_id);
        self
    }

    /// Adds scopes. Default: none.
    pub fn scopes<S: Into<Cow<'a, str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Sets whether the cache is passed over. Default: no.
    pub fn force_refresh(mut self, force: bool) -> Self {
        self.force_refresh = force;
        self
    }

    /// The scopes as they are sent; the same for any order.
    pub(crate) fn scope(&self) -> String {
        let mut scopes: Vec<&str> = self.scopes.iter().map(AsRef::as_ref).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes.join(" ")
    }

    /// The key in the cache of this application at this server. No other application's token has one
    /// like it, and no user's.
    pub(crate) fn cache_key(&self, endpoint: &str, app_id: &str) -> String {
        let organization = self.organization_id.unwrap_or_default();
        let parts = json!([endpoint, app_id, self.resource, organization, self.scope()]);
        format!("client_credentials {parts}")
    }
}

impl<'a> From<&'a str> for MachineTokenRequest<'a> {
    fn from(resource: &'a str) -> Self {
        Self {
            resource: Cow::Borrowed(resource),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_a_key_of_its_own() {
        let api = AccessTokenRequest::from("https://api");
        for (request, key) in [
            (AccessTokenRequest::new(), ""),
            (None.into(), ""),
            (api, "https://api"),
            (api.organization("o"), "https://api#o"),
            (
                AccessTokenRequest::new().organization("o"),
                "urn:logto:organization:o",
            ),
        ] {
            assert_eq!(request.cache_key(), key);
        }
    }
}

#[cfg(test)]
mod machine_token_request_tests {
    use super::*;

    #[test]
    fn what_is_the_same_has_the_same_key() {
        let api = MachineTokenRequest::from("https://a");
        let ordered = api.clone().scopes(["a", "b"]);
        let other = api.clone().scopes(["b", "a", "b"]);
        let key = |request: &MachineTokenRequest<'_>| request.cache_key("https://l", "app");
        assert_eq!(key(&ordered), key(&other));
        assert_eq!(ordered.scope(), "a b");
        let keys = [
            key(&api),
            api.cache_key("https://l", "other"),
            api.cache_key("https://other", "app"),
            key(&ordered),
            key(&api.clone().organization("o")),
            key(&MachineTokenRequest::new().organization("o")),
            key(&MachineTokenRequest::management_api("default")),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
