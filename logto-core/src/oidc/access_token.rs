//! What the access token of an API call must be
//! ([RFC 9068, section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::{
    Audience, UniqueMembers, impl_extra_as, null_as_default, numeric_date, optional_numeric_date,
    unique_members,
};
use super::jwt::{JwtError, is_id};
use crate::utilities::{build_organization_urn, organization_id_from_urn};

/// The claims of an access token that is a JWT ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).
///
/// A claim that the server did not send, or sent as `null`, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessTokenClaims {
    /// The issuer: who made the token.
    pub iss: String,
    /// The subject: the user's id, or the application's for a machine-to-machine token.
    pub sub: String,
    /// The audience: a resource indicator, an organization's URN
    /// (`urn:logto:organization:<organization_id>`), or the application's id.
    pub aud: Audience,
    /// When the token expires, in Unix seconds.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: i64,
    /// When the token was issued, in Unix seconds.
    #[serde(deserialize_with = "numeric_date")]
    pub iat: i64,
    /// When the token becomes valid, in Unix seconds.
    #[serde(default, deserialize_with = "optional_numeric_date")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The scopes that are granted, separated by spaces; empty if there are none.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: String,
    /// The application that the token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The organization of a token for an organization *and* a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// The claims that have no field of their own.
    #[doc(alias = "__pydantic_extra__")]
    #[serde(flatten, deserialize_with = "unique_members")]
    pub extra: Map<String, Value>,
}

impl_extra_as!(AccessTokenClaims);

impl UniqueMembers for AccessTokenClaims {}

impl AccessTokenClaims {
    /// The scopes that are granted, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_ascii_whitespace()
    }

    /// Whether exactly this scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }
}

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
    /// Any organization. Each call says [which one](TokenRequirements::organization), or that it
    /// [looks](TokenRequirements::any_organization) by itself; without that it is refused.
    AnyOrganization,
}

impl<S: AsRef<str>> From<S> for ApiAudience {
    fn from(audience: S) -> Self {
        let audience = audience.as_ref();
        match organization_id_from_urn(audience) {
            Some(id) => Self::Organization(id.to_owned()),
            None => Self::Resource(audience.to_owned()),
        }
    }
}

/// What one call of an API asks of its access token.
///
/// ```
/// # use logto_core as logto;
/// use logto::TokenRequirements;
///
/// let signed_in = TokenRequirements::none();
/// let may_read = TokenRequirements::scopes(["read:orders"]);
/// let may_read_there = TokenRequirements::scopes(["read:orders"]).organization("org_1");
/// # let _ = (signed_in, may_read, may_read_there);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRequirements {
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

impl TokenRequirements {
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

/// What a token is held against.
pub(crate) struct Expected<'a> {
    /// Every name of the one server whose keys are used.
    pub issuers: &'a [String],
    pub audience: &'a ApiAudience,
    /// In Unix seconds.
    pub now: i64,
    /// How much the clocks may differ, in seconds.
    pub clock_tolerance: i64,
}

/// Holds the claims to be what is expected, whoever calls whatever. Returns the organization that the
/// token is for, if it is for one.
pub(crate) fn check(
    claims: &AccessTokenClaims,
    expected: &Expected<'_>,
) -> Result<Option<String>, AccessTokenError> {
    if !expected.issuers.contains(&claims.iss) {
        return Err(AccessTokenError::IssuerMismatch);
    }
    let organization = organization(claims)?;
    check_audience(claims, organization, expected.audience)?;
    check_times(claims, expected)?;
    if !is_id(&claims.sub) {
        return Err(AccessTokenError::InvalidSubject);
    }
    if claims.client_id.as_deref().is_none_or(str::is_empty) {
        return Err(AccessTokenError::InvalidClient);
    }
    // As a bearer token it would be good for whoever has stolen it (RFC 9449, section 7.2).
    if claims.extra.contains_key("cnf") {
        return Err(AccessTokenError::ProofRequired);
    }
    Ok(organization.map(str::to_owned))
}

/// Holds a token that is good in itself to allow this call.
pub(crate) fn check_requirements(
    claims: &AccessTokenClaims,
    organization: Option<&str>,
    audience: &ApiAudience,
    requirements: &TokenRequirements,
) -> Result<(), AccessTokenError> {
    match &requirements.organization {
        RequiredOrganization::Any => {}
        RequiredOrganization::Id(id) if organization == Some(id) => {}
        RequiredOrganization::Id(_) => return Err(AccessTokenError::OrganizationMismatch),
        RequiredOrganization::None => {
            // Where the API is one organization, that is expected.
            let is_expected = matches!(audience, ApiAudience::Organization(_));
            if !is_expected && organization.is_some() {
                return Err(AccessTokenError::UnexpectedOrganization);
            }
        }
    }
    let scopes = &requirements.scopes;
    match scopes.iter().all(|scope| claims.has_scope(scope)) {
        true => Ok(()),
        false => Err(AccessTokenError::InsufficientScope {
            required: required_scope(scopes),
        }),
    }
}

/// No token has an empty one, and no challenge can name it.
fn required_scope(scopes: &[String]) -> String {
    let named = scopes.iter().map(String::as_str);
    let named: Vec<_> = named.filter(|scope| !scope.is_empty()).collect();
    named.join(" ")
}

/// Logto names it in the audience or, in a token for a resource, in a claim; never two of them, whose
/// scopes nobody could tell apart.
fn organization(claims: &AccessTokenClaims) -> Result<Option<&str>, AccessTokenError> {
    let by_audience = claims.aud.as_slice().iter();
    let mut named = by_audience
        .filter_map(|name| organization_id_from_urn(name))
        .chain(claims.organization_id.as_deref());
    let Some(organization) = named.next() else {
        return Ok(None);
    };
    match !organization.is_empty() && named.all(|other| other == organization) {
        true => Ok(Some(organization)),
        false => Err(AccessTokenError::AmbiguousOrganization),
    }
}

/// Further audiences are no harm here (RFC 9068, sections 3 and 4): the server must not issue a token
/// whose scopes could be meant for either. Logto issues none with two.
fn check_audience(
    claims: &AccessTokenClaims,
    organization: Option<&str>,
    audience: &ApiAudience,
) -> Result<(), AccessTokenError> {
    let is_for_organization =
        |id: Option<&str>| id.is_some_and(|id| claims.aud.contains(&build_organization_urn(id)));
    let is_for_this = match audience {
        ApiAudience::Resource(indicator) => claims.aud.contains(indicator),
        ApiAudience::Organization(id) => is_for_organization(Some(id)),
        ApiAudience::AnyOrganization => is_for_organization(organization),
    };
    match is_for_this {
        true => Ok(()),
        false => Err(AccessTokenError::AudienceMismatch),
    }
}

fn check_times(
    claims: &AccessTokenClaims,
    expected: &Expected<'_>,
) -> Result<(), AccessTokenError> {
    let latest = expected.now.saturating_add(expected.clock_tolerance);
    if expected.now >= claims.exp.saturating_add(expected.clock_tolerance) {
        return Err(AccessTokenError::Expired);
    }
    if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
        return Err(AccessTokenError::NotYetValid);
    }
    Ok(())
}

/// A call of an API is refused. The checks are those of
/// [RFC 9068, section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4) and
/// [RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// The request has no `Authorization` header, or an empty one.
    #[error("the request has no access token")]
    Missing,
    /// The `Authorization` header is of another scheme than Bearer.
    #[error("the Authorization header is of another scheme than Bearer")]
    OtherScheme,
    /// The `Authorization` header is not the word Bearer and one token.
    #[error("the Authorization header is not \"Bearer\" and one token")]
    MalformedHeader,
    /// It is no access token of the server's: its form, its header or its signature is wrong. A
    /// token without a resource is opaque, and [`NotAJwt`](JwtError::NotAJwt); an ID token is of the
    /// [wrong type](JwtError::WrongType).
    #[error("the access token is refused: {0}")]
    Jwt(#[from] JwtError),
    /// It is a JWT, where an opaque token is looked up at the server.
    #[error(
        "the token is a JWT, which the server does not look up: verify it with `AccessTokenVerifier`"
    )]
    NotOpaque,
    /// It is of another issuer.
    #[error("the access token is of another issuer")]
    IssuerMismatch,
    /// It is for another API.
    #[error("the access token is for another API")]
    AudienceMismatch,
    /// It has expired.
    #[error("the access token has expired")]
    Expired,
    /// It is not valid yet, or was issued in the future.
    #[error("the access token is not valid yet; is the clock of this machine right?")]
    NotYetValid,
    /// Its subject is empty or longer than 255 bytes.
    #[error("the access token's subject is empty or too long")]
    InvalidSubject,
    /// Its `client_id` is missing or empty.
    #[error("the access token does not say which application it was issued to")]
    InvalidClient,
    /// It names more than one organization, or an empty one.
    #[error("the access token does not name one organization")]
    AmbiguousOrganization,
    /// It is good only together with a proof of a key (`cnf`, as DPoP has), which is not looked at here.
    #[error("the access token needs a proof of a key, which is not supported")]
    ProofRequired,
    /// It has not every scope that is required.
    #[error("the access token has not every scope that is required: {required}")]
    InsufficientScope {
        /// Every scope that is required, separated by spaces.
        required: String,
    },
    /// It is not for the organization that is required.
    #[error("the access token is not for the organization that is required")]
    OrganizationMismatch,
    /// It is for an organization, so that its scopes hold in that organization only, and none is
    /// required.
    #[error(
        "the access token is for an organization: require it with `TokenRequirements::organization`, or accept any with `TokenRequirements::any_organization`"
    )]
    UnexpectedOrganization,
}

impl AccessTokenError {
    /// Whether the token itself is good, and does not allow this call.
    pub fn is_insufficient(&self) -> bool {
        matches!(
            self,
            Self::InsufficientScope { .. }
                | Self::OrganizationMismatch
                | Self::UnexpectedOrganization
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const API: &str = "https://api.example.com";

    fn claims(changes: Value) -> AccessTokenClaims {
        let mut claims = json!({
            "iss": "https://foo.logto.app/oidc", "sub": "alice", "aud": API, "client_id": "app",
            "iat": NOW, "exp": NOW + 3600, "scope": "read:orders write:orders",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        serde_json::from_value(claims).unwrap()
    }

    fn checked(audience: &str, changes: Value) -> Result<Option<String>, AccessTokenError> {
        let audience = match audience {
            "any organization" => ApiAudience::AnyOrganization,
            audience => audience.into(),
        };
        let issuers = [
            "https://foo.logto.app/oidc".to_owned(),
            "https://id.example.com/oidc".to_owned(),
        ];
        let expected = Expected {
            issuers: &issuers,
            audience: &audience,
            now: NOW,
            clock_tolerance: 60,
        };
        check(&claims(changes), &expected)
    }

    #[test]
    fn a_token_for_this_api_is_good() {
        for good in [
            json!({}),
            json!({ "iss": "https://id.example.com/oidc" }),
            json!({ "aud": [API] }),
            json!({ "aud": ["https://other.example.com", API] }),
            json!({ "exp": NOW - 59 }),
            json!({ "iat": NOW + 60, "nbf": NOW + 60 }),
            json!({ "scope": null }),
            json!({ "organization_id": null }),
        ] {
            assert_eq!(checked(API, good.clone()), Ok(None), "{good}");
        }
    }

    #[test]
    fn each_wrong_claim_has_its_own_error() {
        use AccessTokenError::*;
        for (bad, error) in [
            (
                json!({ "iss": "https://foo.logto.app/oidc/" }),
                IssuerMismatch,
            ),
            (json!({ "iss": "" }), IssuerMismatch),
            (
                json!({ "aud": "https://api.example.com/" }),
                AudienceMismatch,
            ),
            (
                json!({ "aud": "https://api.example.com.evil.com" }),
                AudienceMismatch,
            ),
            (json!({ "aud": [] }), AudienceMismatch),
            (json!({ "aud": "app" }), AudienceMismatch),
            (
                json!({ "aud": "urn:logto:organization:org_1" }),
                AudienceMismatch,
            ),
            (json!({ "exp": NOW - 60 }), Expired),
            (json!({ "exp": i64::MIN }), Expired),
            (json!({ "iat": NOW + 61 }), NotYetValid),
            (json!({ "nbf": NOW + 61 }), NotYetValid),
            (json!({ "sub": "" }), InvalidSubject),
            (json!({ "sub": "x".repeat(256) }), InvalidSubject),
            (json!({ "client_id": null }), InvalidClient),
            (json!({ "cnf": { "jkt": "x" } }), ProofRequired),
            (json!({ "cnf": null }), ProofRequired),
            (json!({ "client_id": "" }), InvalidClient),
            (json!({ "organization_id": "" }), AmbiguousOrganization),
        ] {
            assert_eq!(checked(API, bad.clone()), Err(error), "{bad}");
        }
    }

    #[test]
    fn the_organization_is_that_of_the_audience_or_of_the_claim() {
        let one = || Ok(Some("org_1".to_owned()));
        let urn = "urn:logto:organization:org_1";
        let other = "urn:logto:organization:org_2";
        assert_eq!(checked(API, json!({ "organization_id": "org_1" })), one());
        assert_eq!(checked(API, json!({ "aud": [API, urn] })), one());
        for api in [urn, "any organization"] {
            assert_eq!(checked(api, json!({ "aud": urn })), one());
            assert_eq!(
                checked(api, json!({ "aud": [urn], "organization_id": "org_1" })),
                one()
            );
            for (bad, error) in [
                (
                    json!({ "organization_id": "org_1" }),
                    AccessTokenError::AudienceMismatch,
                ),
                (
                    json!({ "aud": "urn:logto:organization:" }),
                    AccessTokenError::AudienceMismatch,
                ),
                (
                    json!({ "aud": [urn, other] }),
                    AccessTokenError::AmbiguousOrganization,
                ),
                (
                    json!({ "aud": urn, "organization_id": "org_2" }),
                    AccessTokenError::AmbiguousOrganization,
                ),
            ] {
                assert_eq!(checked(api, bad.clone()), Err(error), "{api} {bad}");
            }
        }
        assert_eq!(
            checked(urn, json!({ "aud": other })),
            Err(AccessTokenError::AudienceMismatch)
        );
    }

    fn allowed(
        organization: Option<&str>,
        scope: &str,
        requirements: &TokenRequirements,
    ) -> Result<(), AccessTokenError> {
        let claims = claims(json!({ "scope": scope }));
        check_requirements(&claims, organization, &API.into(), requirements)
    }

    #[test]
    fn a_scope_is_never_a_part_of_another() {
        let both = TokenRequirements::scopes(["read:orders", "write:orders"]);
        assert_eq!(allowed(None, "write:orders read:orders x", &both), Ok(()));
        assert_eq!(allowed(None, "", &TokenRequirements::none()), Ok(()));
        for scope in [
            "",
            "read:orders",
            "read:orders write:orders:own",
            "read:orders xwrite:orders",
            "read:orders,write:orders",
            "READ:ORDERS WRITE:ORDERS",
        ] {
            assert_eq!(
                allowed(None, scope, &both),
                Err(AccessTokenError::InsufficientScope {
                    required: "read:orders write:orders".to_owned()
                }),
                "{scope:?}"
            );
        }
        for never in ["", "read:orders write:orders"] {
            let requirements = TokenRequirements::scopes([never]);
            assert!(allowed(None, "read:orders write:orders", &requirements).is_err());
        }
        assert_eq!(
            allowed(None, "", &TokenRequirements::scopes(["", "read:orders"])),
            Err(AccessTokenError::InsufficientScope {
                required: "read:orders".to_owned()
            })
        );
    }

    #[test]
    fn an_organization_is_wanted_or_it_is_refused() {
        let organization = |id: &str| TokenRequirements::none().organization(id);
        assert_eq!(allowed(Some("org_1"), "", &organization("org_1")), Ok(()));
        for token in [None, Some("org_2"), Some("org_11")] {
            assert_eq!(
                allowed(token, "", &organization("org_1")),
                Err(AccessTokenError::OrganizationMismatch)
            );
        }
        assert_eq!(
            allowed(Some("org_1"), "", &TokenRequirements::none()),
            Err(AccessTokenError::UnexpectedOrganization)
        );
        for token in [None, Some("org_1")] {
            let any = TokenRequirements::none().any_organization();
            assert_eq!(allowed(token, "", &any), Ok(()));
        }
        let by_organization = |audience, required: TokenRequirements| {
            check_requirements(&claims(json!({})), Some("org_1"), &audience, &required)
        };
        let this = || ApiAudience::Organization("org_1".to_owned());
        assert_eq!(by_organization(this(), TokenRequirements::none()), Ok(()));
        let any = || ApiAudience::AnyOrganization;
        assert_eq!(
            by_organization(any(), TokenRequirements::none()),
            Err(AccessTokenError::UnexpectedOrganization)
        );
        assert_eq!(
            by_organization(any(), TokenRequirements::scopes(["read:orders"])),
            Err(AccessTokenError::UnexpectedOrganization)
        );
        assert_eq!(by_organization(any(), organization("org_1")), Ok(()));
        let accepted = TokenRequirements::none().any_organization();
        assert_eq!(by_organization(any(), accepted), Ok(()));
    }
}
