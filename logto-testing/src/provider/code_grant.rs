//! Exchanging an authorization code.

use serde_json::Value;

use super::error::{OidcError, required};
use super::token::TokenRequest;
use super::tokens::{Issue, Target};
use crate::grants::{Code, Grant};
use crate::random::digest;
use crate::scopes;
use crate::user::FakeUser;

pub(super) fn exchange(request: &TokenRequest<'_>) -> Result<Value, OidcError> {
    let code = required(request.params, "code")?;
    let redirect_uri = required(request.params, "redirect_uri")?;
    let (grant_id, grant) = redeem(request, code, redirect_uri)?;
    first_tokens(request, &grant_id, &grant)
}

/// The first tokens of a grant.
pub(super) fn first_tokens(
    request: &TokenRequest<'_>,
    grant_id: &str,
    grant: &Grant,
) -> Result<Value, OidcError> {
    let user = user_of(request, grant)?;
    // Logto takes an organization for a refresh only; here it does not look at it.
    let (target, scope) = match request.resource() {
        Some(resource) => for_resource(request, grant, &user, resource)?,
        None => (Target::UserInfo, grant.scopes.clone()),
    };
    let refresh_token = grant.is_offline().then(|| {
        let now = request.now;
        request
            .provider
            .store
            .change(|kept| kept.grants.issue_refresh_token(grant_id, now))
    });
    Ok(request.issue(Issue {
        grant_id,
        grant,
        user: &user,
        target,
        scope,
        id_token_scopes: &grant.scopes,
        refresh_token,
    }))
}

/// The user of a grant, if they are still there.
pub(super) fn user_of(request: &TokenRequest<'_>, grant: &Grant) -> Result<FakeUser, OidcError> {
    request
        .provider
        .people()
        .get(&grant.user)
        .cloned()
        .ok_or_else(OidcError::invalid_grant)
}

/// The scopes that the user granted for a resource and has permission to.
pub(super) fn for_resource(
    request: &TokenRequest<'_>,
    grant: &Grant,
    user: &FakeUser,
    indicator: &str,
) -> Result<(Target, Vec<String>), OidcError> {
    let granted = grant
        .resources
        .get(indicator)
        .ok_or_else(OidcError::invalid_target)?;
    let resource = request
        .provider
        .resource(indicator)
        .ok_or_else(OidcError::invalid_target)?;
    let scopes = granted
        .iter()
        .filter(|scope| scopes::has(&resource.scopes, scope) && user.has_permission(scope))
        .cloned()
        .collect();
    let target = Target::Audience {
        audience: indicator.to_owned(),
        organization: None,
    };
    Ok((target, scopes))
}

fn redeem(
    request: &TokenRequest<'_>,
    value: &str,
    redirect_uri: &str,
) -> Result<(String, Grant), OidcError> {
    request.provider.store.change(|kept| {
        let grants = &mut kept.grants;
        let code = grants
            .code(value, request.now)
            .ok_or_else(OidcError::invalid_grant)?;
        let id = code.grant.clone();
        let grant = grants
            .get(&id, request.now)
            .filter(|grant| grant.app == request.app.id)
            .ok_or_else(OidcError::invalid_grant)?
            .clone();
        // A wrong verifier or redirect URI leaves the code as it is, as at Logto.
        let matches = code.redirect_uri == redirect_uri && is_proved(request, code);
        if !matches || !grants.use_code(value) {
            return Err(OidcError::invalid_grant());
        }
        Ok((id, grant))
    })
}

/// [RFC 7636, 4.6](https://www.rfc-editor.org/rfc/rfc7636#section-4.6); a verifier without a
/// challenge is refused as well.
fn is_proved(request: &TokenRequest<'_>, code: &Code) -> bool {
    let verifier = request.params.get("code_verifier");
    verifier.map(|verifier| digest(verifier.as_bytes())) == code.challenge
}
