//! The revocation endpoint.

use super::Provider;
use super::client_auth;
use super::error::{OidcError, required};
use super::token::form;
use crate::http::{Request, Response};

/// Ends the grant of the token. As at Logto, one that is unknown or another application's is not
/// worth an error, and an access token takes the refresh token of its grant with it.
pub(super) fn revoke(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let params = form(request)?;
    let app = client_auth::authenticate(provider, request, params)?;
    let token = required(params, "token")?;
    refuse_jwt(token, "revoked via the revocation_endpoint")?;
    let now = provider.milliseconds();
    provider.store.change(|kept| {
        let grant = kept.grants.grant_of(token).map(str::to_owned);
        if let Some(id) = grant
            && let Some(grant) = kept.grants.get(&id, now)
            && grant.app == app.id
        {
            kept.grants.revoke(&id);
        }
    });
    Ok(Response::new(200, "text/plain; charset=utf-8", ""))
}

/// The server does not remember its JSON Web Tokens.
pub(super) fn refuse_jwt(token: &str, what: &str) -> Result<(), OidcError> {
    if token.matches('.').count() != 2 {
        return Ok(());
    }
    Err(OidcError::new(
        400,
        "unsupported_token_type",
        format!("Structured JWT Tokens cannot be {what}"),
    ))
}
