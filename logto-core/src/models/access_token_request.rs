//! Which access token is wanted.

use std::borrow::Cow;

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
