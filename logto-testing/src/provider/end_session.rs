//! Signing out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

use super::Provider;
use super::authorization::{expired_cookie, request_params, session_id};
use super::backchannel_logout;
use super::error::OidcError;
use crate::http::{Params, Request, Response};

pub(super) const SUCCESS: &str = "/oidc/session/end/success";

/// Ends the browser's session, tells the applications, and sends it back to the application at once. Logto has it submit a
/// form in between, which no user sees.
pub(super) fn end(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let location = location(provider, request_params(request))?;
    if let Some(id) = session_id(request)
        && let Some(session) = provider.store.change(|kept| kept.grants.end_session(id))
    {
        backchannel_logout::announce(provider, &session);
    }
    Ok(Response::redirect(location).header("Set-Cookie", expired_cookie()))
}

fn location(provider: &Provider, params: &Params) -> Result<String, OidcError> {
    let success = format!("{}/session/end/success", provider.issuer());
    let (Some(client), Some(uri)) = (
        client_id(provider, params)?,
        params.get("post_logout_redirect_uri"),
    ) else {
        return Ok(success);
    };
    let registered = provider
        .app(&client)
        .is_some_and(|app| app.accepts_post_logout_redirect_uri(uri));
    let mut location = match Url::parse(uri) {
        Ok(location) if registered => location,
        _ => {
            return Err(OidcError::invalid_request(
                "post_logout_redirect_uri not registered",
            ));
        }
    };
    if let Some(state) = params.get("state") {
        location.query_pairs_mut().append_pair("state", state);
    }
    Ok(location.into())
}

/// The application that the user signs out of, by its id or by the audience of its ID token.
fn client_id(provider: &Provider, params: &Params) -> Result<Option<String>, OidcError> {
    let id = params.get("client_id").map(str::to_owned);
    let Some(hint) = params.get("id_token_hint") else {
        return match &id {
            Some(id) if provider.app(id).is_none() => Err(OidcError::unknown_client(id)),
            _ => Ok(id),
        };
    };
    let audience = audience(hint)
        .ok_or_else(|| OidcError::invalid_request("could not decode id_token_hint"))?;
    if id.is_some_and(|id| id != audience) {
        return Err(OidcError::invalid_request(
            "client_id does not match the provided id_token_hint",
        ));
    }
    Ok(Some(audience))
}

fn audience(id_token: &str) -> Option<String> {
    let claims = id_token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims.get("aud")?.as_str()?.to_owned())
}
