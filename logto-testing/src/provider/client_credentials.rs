//! Tokens for a program of its own, without a user.

use serde_json::{Value, json};

use super::error::OidcError;
use super::token::TokenRequest;
use crate::scopes;

pub(super) fn issue(request: &TokenRequest<'_>) -> Result<Value, OidcError> {
    if request.params.get("organization_id").is_some() {
        return Err(OidcError::access_denied(
            "app has not associated with the organization",
        ));
    }
    let mut indicators = request.params.all("resource");
    let indicator = indicators
        .next()
        .ok_or_else(|| invalid_target("both `resource` and `organization_id` are not provided"))?;
    if indicators.next().is_some() {
        return Err(invalid_target(
            "only a single resource indicator value is supported for this grant type",
        ));
    }
    let resource = request
        .provider
        .resource(indicator)
        .ok_or_else(OidcError::invalid_target)?;
    let mut scopes = scopes::split(request.params.get("scope").unwrap_or_default());
    scopes.retain(|scope| scopes::has(&resource.scopes, scope));
    Ok(answer(request, indicator, &scopes.join(" ")))
}

/// Without any scope the member is left out, not empty as it is for a user.
fn answer(request: &TokenRequest<'_>, audience: &str, scope: &str) -> Value {
    let scope = Some(scope).filter(|scope| !scope.is_empty());
    let access_token = request.access_token(&request.app.id, audience, None, scope);
    let mut body = json!({
        "access_token": access_token,
        "expires_in": request.lifetime(),
        "token_type": "Bearer",
    });
    if let Some(scope) = scope {
        body["scope"] = json!(scope);
    }
    body
}

fn invalid_target(description: &'static str) -> OidcError {
    OidcError::new(400, "invalid_target", description)
}
