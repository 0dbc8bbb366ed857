//! What an API asks of the access tokens that it is called with.

use crate::utilities::organization_id_from_urn;

/// What an API is, in the `aud` of its access tokens. A string makes one: an API resource's
/// indicator, or the URN of an organization.
///
/// ```
/// # use logto_core as logto;
/// use logto::ApiAudience;
///
/// assert_eq!(
///     ApiAudience::from("https://api.example.com"),
///     ApiAudience::Resource("https://api.example.com".to_owned())
/// );
/// assert_eq!(
///     ApiAudience::from("urn:logto:organization:org_1"),
///     ApiAudience::Organization("org_1".to_owned())
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiAudience {
    /// An API resource, by its indicator as in the Logto Console, to the byte.
    Resource(String),
    /// The organization of this id: what its
    /// [organization tokens](crate::LogtoClient::organization_token) are for.
    Organization(String),
    /// Any organization. Each call says [which one](Requirements::organization), or that it
    /// [looks](Requirements::any_organization) by itself; without that it is refused.
    AnyOrganization,
}

impl From<&str> for ApiAudience {
    fn from(audience: &str) -> Self {
        match organization_id_from_urn(audience) {
            Some(id) => Self::Organization(id.to_owned()),
            None => Self::Resource(audience.to_owned()),
        }
    }
}

impl From<String> for ApiAudience {
    fn from(audience: String) -> Self {
        audience.as_str().into()
    }
}

impl From<&String> for ApiAudience {
    fn from(audience: &String) -> Self {
        audience.as_str().into()
    }
}

/// What one call of an API asks of its access token.
///
/// ```
/// # use logto_core as logto;
/// use logto::Requirements;
///
/// let signed_in = Requirements::none();
/// let may_read = Requirements::scopes(["read:orders"]);
/// let may_read_there = Requirements::scopes(["read:orders"]).organization("org_1");
/// # let _ = (signed_in, may_read, may_read_there);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    pub(crate) scopes: Vec<String>,
    pub(crate) organization: RequiredOrganization,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum RequiredOrganization {
    #[default]
    None,
    Any,
    Id(String),
}

impl Requirements {
    /// Nothing but a good access token for this API: of no organization, unless the API is
    /// [one](ApiAudience::Organization) itself. For [any organization](ApiAudience::AnyOrganization) add
    /// [`organization`](Self::organization) or [`any_organization`](Self::any_organization).
    pub fn none() -> Self {
        Self::default()
    }

    /// Every one of these scopes. They are compared as a whole: `read:orders` is neither
    /// `read:orders:own` nor `read`.
    pub fn scopes<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self {
            scopes: scopes.into_iter().map(Into::into).collect(),
            organization: RequiredOrganization::None,
        }
    }

    /// The token must be for this organization. Default: only tokens are accepted that are for no
    /// organization, or for the one that the API is, because scopes hold in their organization only.
    pub fn organization(mut self, id: impl Into<String>) -> Self {
        self.organization = RequiredOrganization::Id(id.into());
        self
    }

    /// The token may be for any organization or for none: the program looks at
    /// [`organization_id`](crate::VerifiedAccessToken::organization_id) by itself.
    pub fn any_organization(mut self) -> Self {
        self.organization = RequiredOrganization::Any;
        self
    }
}
