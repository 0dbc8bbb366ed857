//! The user info endpoint.

use serde_json::Value;

use super::Provider;
use super::error::OidcError;
use crate::claims::{self, Audience};
use crate::http::{Request, Response};
use crate::scopes::{self, OPENID};

pub(super) fn answer(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let token = access_token(request)?;
    let claims = claims_for(provider, token)?;
    Ok(Response::json(200, &claims).header("Cache-Control", "no-store"))
}

fn access_token(request: &Request) -> Result<&str, OidcError> {
    if request.query.get("access_token").is_some() {
        return Err(OidcError::invalid_request(
            "access tokens must not be provided via query parameter",
        ));
    }
    if let Some(value) = request.header("authorization") {
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(
                OidcError::invalid_request("authorization header scheme must be `Bearer`").bearer(),
            );
        }
        return Ok(token);
    }
    request
        .form
        .as_ref()
        .and_then(|form| form.get("access_token"))
        .ok_or_else(OidcError::no_token)
}

fn claims_for(provider: &Provider, token: &str) -> Result<Value, OidcError> {
    let now = provider.milliseconds();
    let (grant, scope) = {
        let kept = provider.store.read();
        let found = kept
            .grants
            .access_token(token)
            .filter(|found| found.is_taken(now))
            .ok_or_else(OidcError::invalid_token)?;
        let grant = kept
            .grants
            .get(&found.grant, now)
            .ok_or_else(OidcError::invalid_token)?;
        (grant.clone(), scopes::split(&found.scope))
    };
    let people = provider.people();
    let user = people
        .get(&grant.user)
        .ok_or_else(OidcError::invalid_token)?;
    if !scopes::has(&scope, OPENID) {
        return Err(OidcError::new(
            403,
            "insufficient_scope",
            "access token missing openid scope",
        )
        .scope(OPENID)
        .bearer());
    }
    let claims = claims::of_user(user, &scope, Audience::UserInfo, grant.signed_in_at);
    Ok(Value::Object(claims))
}
