//! Tokens for a program of its own, without a user.

use serde_json::{Value, json};

use super::Resource;
use super::error::OidcError;
use super::token::TokenRequest;
use super::tokens::JwtClaims;
use crate::scopes;

pub(super) fn issue(request: &TokenRequest<'_>) -> Result<Value, OidcError> {
    let organization = request.params.get("organization_id");
    let permissions = permissions(request, organization)?;
    let resource = resource(request)?;
    let (audience, available) = match (resource, organization) {
        (Some(resource), _) => (resource.indicator.clone(), resource.scopes.as_slice()),
        (None, Some(organization)) => (
            format!("urn:logto:organization:{organization}"),
            permissions,
        ),
        (None, None) => {
            return Err(invalid_target(
                "both `resource` and `organization_id` are not provided",
            ));
        }
    };
    let mut scopes = scopes::split(request.params.get("scope").unwrap_or_default());
    scopes.retain(|scope| scopes::has(available, scope));
    // Without any scope the member is left out, not empty as it is for a user.
    let scope = Some(scopes.join(" ")).filter(|scope| !scope.is_empty());
    Ok(answer(
        request,
        &JwtClaims {
            subject: &request.app.id,
            audience: &audience,
            organization: organization.filter(|_| resource.is_some()),
            scope: scope.as_deref(),
            actor: None,
        },
    ))
}

/// The application's permissions in the organization; none where it asks for no organization.
fn permissions<'a>(
    request: &TokenRequest<'a>,
    organization: Option<&str>,
) -> Result<&'a [String], OidcError> {
    match organization {
        Some(id) => request.app.organization_permissions(id).ok_or_else(|| {
            OidcError::access_denied("app has not associated with the organization")
        }),
        None => Ok(&[]),
    }
}

fn resource<'a>(request: &TokenRequest<'a>) -> Result<Option<&'a Resource>, OidcError> {
    let mut indicators = request.params.all("resource");
    let Some(indicator) = indicators.next() else {
        return Ok(None);
    };
    if indicators.next().is_some() {
        return Err(invalid_target(
            "only a single resource indicator value is supported for this grant type",
        ));
    }
    let resource = request.provider.resource(indicator);
    resource.map(Some).ok_or_else(OidcError::invalid_target)
}

fn answer(request: &TokenRequest<'_>, claims: &JwtClaims<'_>) -> Value {
    let mut body = json!({
        "access_token": request.jwt(claims),
        "expires_in": request.lifetime(),
        "token_type": "Bearer",
    });
    if let Some(scope) = claims.scope {
        body["scope"] = json!(scope);
    }
    body
}

fn invalid_target(description: &'static str) -> OidcError {
    OidcError::new(400, "invalid_target", description)
}
