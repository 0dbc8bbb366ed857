//! The introspection endpoint.

use serde_json::{Value, json};

use super::Provider;
use super::client_auth;
use super::error::{OidcError, required};
use super::revocation::refuse_jwt;
use super::token::form;
use crate::app::FakeApp;
use crate::grants::{Grant, Grants};
use crate::http::{Request, Response};

pub(super) fn introspect(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let params = form(request)?;
    let app = client_auth::authenticate(provider, request, params)?;
    let token = required(params, "token")?;
    refuse_jwt(token, "introspected via the introspection_endpoint")?;
    let now = provider.milliseconds();
    let kept = provider.store.read();
    let description = describe(provider, app, &kept.grants, token, now)
        .unwrap_or_else(|| json!({"active": false}));
    Ok(Response::json(200, &description).header("Cache-Control", "no-store"))
}

/// What is known of the token, if it is good and the application may know.
fn describe(
    provider: &Provider,
    app: &FakeApp,
    grants: &Grants,
    token: &str,
    now: i64,
) -> Option<Value> {
    let grant = grants.get(grants.grant_of(token)?, now)?;
    // A public client can't be told from another, so it hears about its own tokens only.
    if app.secret.is_none() && grant.app != app.id {
        return None;
    }
    let mut description = json!({
        "active": true,
        "sub": grant.user,
        "client_id": grant.app,
        "iss": provider.issuer(),
    });
    if let Some(found) = grants.access_token(token) {
        description["iat"] = json!(found.issued_at / 1000);
        description["exp"] = json!(found.expires_at / 1000);
        description["scope"] = json!(found.scope);
        description["token_type"] = json!("Bearer");
        return found.is_taken(now).then_some(description);
    }
    let found = grants.refresh_token(token, now)?;
    description["iat"] = json!(found.issued_at() / 1000);
    description["exp"] = json!(found.expires_at() / 1000);
    description["scope"] = json!(all_scopes(grant));
    Some(description)
}

fn all_scopes(grant: &Grant) -> String {
    let of_resources = grant.resources.values().flatten();
    let scopes: Vec<_> = grant
        .scopes
        .iter()
        .chain(of_resources)
        .map(String::as_str)
        .collect();
    scopes.join(" ")
}
