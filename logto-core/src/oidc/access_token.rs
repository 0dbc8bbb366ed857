//! What the access token of an API call must be
//! ([RFC 9068, section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).

use super::jwt::is_id;
use crate::error::AccessTokenError;
use crate::models::{AccessTokenClaims, ApiAudience, RequiredOrganization, Requirements};
use crate::utilities::{build_organization_urn, organization_id_from_urn};

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
    requirements: &Requirements,
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
        requirements: &Requirements,
    ) -> Result<(), AccessTokenError> {
        let claims = claims(json!({ "scope": scope }));
        check_requirements(&claims, organization, &API.into(), requirements)
    }

    #[test]
    fn a_scope_is_never_a_part_of_another() {
        let both = Requirements::scopes(["read:orders", "write:orders"]);
        assert_eq!(allowed(None, "write:orders read:orders x", &both), Ok(()));
        assert_eq!(allowed(None, "", &Requirements::none()), Ok(()));
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
            let requirements = Requirements::scopes([never]);
            assert!(allowed(None, "read:orders write:orders", &requirements).is_err());
        }
        assert_eq!(
            allowed(None, "", &Requirements::scopes(["", "read:orders"])),
            Err(AccessTokenError::InsufficientScope {
                required: "read:orders".to_owned()
            })
        );
    }

    #[test]
    fn an_organization_is_wanted_or_it_is_refused() {
        let organization = |id: &str| Requirements::none().organization(id);
        assert_eq!(allowed(Some("org_1"), "", &organization("org_1")), Ok(()));
        for token in [None, Some("org_2"), Some("org_11")] {
            assert_eq!(
                allowed(token, "", &organization("org_1")),
                Err(AccessTokenError::OrganizationMismatch)
            );
        }
        assert_eq!(
            allowed(Some("org_1"), "", &Requirements::none()),
            Err(AccessTokenError::UnexpectedOrganization)
        );
        for token in [None, Some("org_1")] {
            let any = Requirements::none().any_organization();
            assert_eq!(allowed(token, "", &any), Ok(()));
        }
        let by_organization = |audience, required: Requirements| {
            check_requirements(&claims(json!({})), Some("org_1"), &audience, &required)
        };
        let this = || ApiAudience::Organization("org_1".to_owned());
        assert_eq!(by_organization(this(), Requirements::none()), Ok(()));
        let any = || ApiAudience::AnyOrganization;
        assert_eq!(
            by_organization(any(), Requirements::none()),
            Err(AccessTokenError::UnexpectedOrganization)
        );
        assert_eq!(
            by_organization(any(), Requirements::scopes(["read:orders"])),
            Err(AccessTokenError::UnexpectedOrganization)
        );
        assert_eq!(by_organization(any(), organization("org_1")), Ok(()));
        let accepted = Requirements::none().any_organization();
        assert_eq!(by_organization(any(), accepted), Ok(()));
    }
}
