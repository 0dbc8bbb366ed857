//! The device authorization endpoint, and what users do about a device
//! ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).

use serde_json::json;

use super::authorization::granted_scopes;
use super::authorization_request::{check_resources, resources};
use super::error::OidcError;
use super::token::form;
use super::{Provider, client_auth, device_page};
use crate::device_codes::DeviceState;
use crate::grants::Grant;
use crate::http::{Request, Response};
use crate::random::token;
use crate::scopes;

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// As at Logto there is no `interval` in the answer.
pub(super) fn authorize(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let params = form(request)?;
    let app = client_auth::authenticate(provider, request, params)?;
    if !app.device_flow {
        return Err(OidcError::invalid_request(format!(
            "{GRANT_TYPE} is not allowed for this client"
        )));
    }
    check_resources(provider, params)?;
    let scopes = scopes::split(params.get("scope").unwrap_or_default());
    let now = provider.milliseconds();
    let issued = provider.store.change(|kept| {
        let devices = &mut kept.grants.devices;
        devices.begin(&app.id, scopes, resources(params), now)
    });
    let page = format!("{}{}", provider.origin(), device_page::PATH);
    let body = json!({
        "device_code": issued.device_code,
        "user_code": issued.user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", issued.user_code),
        "expires_in": issued.expires_in,
    });
    Ok(Response::json(200, &body).header("Cache-Control", "no-store"))
}

/// Signs the user in on the device. False if no device waits with this code.
pub(crate) fn approve(provider: &Provider, user_code: &str, user: &str) -> bool {
    let now = provider.milliseconds();
    provider.store.change(|kept| {
        let Some(code) = kept.grants.devices.pending(user_code, now) else {
            return false;
        };
        let (scopes, resources) = granted_scopes(provider, &code.scopes, &code.resources);
        let grant = Grant {
            app: code.app.clone(),
            user: user.to_owned(),
            scopes,
            resources,
            nonce: None,
            auth_time: None,
            signed_in_at: now,
            session: String::new(),
            sid: None,
            expires_at: Grant::lifetime_from(now),
        };
        let id = token();
        code.state = DeviceState::Approved(id.clone());
        kept.grants.insert(id, grant);
        true
    })
}

/// Turns the device away. False if none waits with this code.
pub(crate) fn deny(provider: &Provider, user_code: &str) -> bool {
    let now = provider.milliseconds();
    provider.store.change(|kept| {
        let code = kept.grants.devices.pending(user_code, now);
        code.map(|code| code.state = DeviceState::Denied).is_some()
    })
}
