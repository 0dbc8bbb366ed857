//! Tokens for a device.

use serde_json::Value;

use super::code_grant::first_tokens;
use super::error::{OidcError, required};
use super::token::TokenRequest;
use crate::device_codes::DeviceState;
use crate::grants::Grants;

pub(super) fn poll(request: &TokenRequest<'_>) -> Result<Value, OidcError> {
    let code = required(request.params, "device_code")?;
    let grant_id = request
        .provider
        .store
        .change(|kept| redeem(request, &mut kept.grants, code))?;
    let grant = {
        let kept = request.provider.store.read();
        kept.grants.get(&grant_id, request.now).cloned()
    };
    let grant = grant.ok_or_else(OidcError::invalid_grant)?;
    first_tokens(request, &grant_id, &grant)
}

/// The grant that a code stands for, which it does once.
fn redeem(
    request: &TokenRequest<'_>,
    grants: &mut Grants,
    value: &str,
) -> Result<String, OidcError> {
    let code = grants
        .devices
        .get_mut(value)
        .filter(|code| code.app == request.app.id)
        .ok_or_else(OidcError::invalid_grant)?;
    if code.is_expired(request.now) {
        return Err(failed("expired_token", "device code is expired"));
    }
    match code.state.clone() {
        DeviceState::Pending => Err(failed(
            "authorization_pending",
            "authorization request is still pending as the end-user hasn't yet completed the user \
             interaction steps",
        )),
        DeviceState::Denied => Err(failed("access_denied", "End-User aborted interaction")),
        DeviceState::Approved(grant) => {
            code.state = DeviceState::Used(grant.clone());
            Ok(grant)
        }
        DeviceState::Used(grant) => {
            grants.revoke(&grant);
            Err(OidcError::invalid_grant())
        }
    }
}

fn failed(error: &'static str, description: &'static str) -> OidcError {
    OidcError::new(400, error, description)
}
