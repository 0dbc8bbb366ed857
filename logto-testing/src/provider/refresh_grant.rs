//! Refreshing.

use serde_json::Value;

use super::code_grant::{for_resource, user_of};
use super::error::{OidcError, required};
use super::token::TokenRequest;
use super::tokens::{Issue, Target};
use crate::app::AppKind;
use crate::grants::{Grant, Grants, RefreshToken};
use crate::scopes::{self, ORGANIZATION_RESOURCE, ORGANIZATIONS};
use crate::user::FakeUser;

pub(super) fn refresh(request: &TokenRequest<'_>) -> Result<Value, OidcError> {
    let value = required(request.params, "refresh_token")?;
    let used = request
        .provider
        .store
        .change(|kept| use_token(request, &mut kept.grants, value))?;
    // Logto looks at the resource only now: for a wrong one, too, the refresh token is used up.
    let (target, available) = target(request, &used)?;
    let narrowed = requested_scopes(request);
    let narrow = |scopes: Vec<String>| match &narrowed {
        Some(narrowed) => retained(scopes, narrowed),
        None => scopes,
    };
    let id_token_scopes = narrow(used.grant.scopes.clone());
    Ok(request.issue(Issue {
        grant_id: &used.grant_id,
        grant: &used.grant,
        user: &used.user,
        target,
        scope: narrow(available),
        id_token_scopes: &id_token_scopes,
        refresh_token: Some(used.refresh_token),
    }))
}

/// A refresh token that was taken, and the one to go on with.
struct Used {
    grant_id: String,
    grant: Grant,
    user: FakeUser,
    refresh_token: String,
}

fn use_token(
    request: &TokenRequest<'_>,
    grants: &mut Grants,
    value: &str,
) -> Result<Used, OidcError> {
    let now = request.now;
    let token = grants
        .refresh_token(value, now)
        .ok_or_else(OidcError::invalid_grant)?
        .clone();
    let grant = grants
        .get(&token.grant, now)
        .filter(|grant| grant.app == request.app.id)
        .ok_or_else(OidcError::invalid_grant)?
        .clone();
    check_scopes(request, &grant)?;
    let user = user_of(request, &grant)?;
    if token.is_reused(now) {
        grants.revoke(&token.grant);
        return Err(OidcError::invalid_grant());
    }
    check_organization(request, &grant, &user)?;
    let rotated = rotates(request, &token).then(|| grants.rotate(value, now));
    Ok(Used {
        grant_id: token.grant,
        grant,
        user,
        refresh_token: rotated.flatten().unwrap_or_else(|| value.to_owned()),
    })
}

fn rotates(request: &TokenRequest<'_>, token: &RefreshToken) -> bool {
    let due = request.app.kind == AppKind::Native || token.is_ageing(request.now);
    due && token.may_rotate(request.now)
}

fn requested_scopes(request: &TokenRequest<'_>) -> Option<Vec<String>> {
    request.params.get("scope").map(scopes::split)
}

fn check_scopes(request: &TokenRequest<'_>, grant: &Grant) -> Result<(), OidcError> {
    let mut missing = requested_scopes(request).unwrap_or_default();
    missing.retain(|scope| !grant.has_scope(scope));
    let description = match missing.len() {
        0 => return Ok(()),
        1 => "refresh token missing requested scope",
        _ => "refresh token missing requested scopes",
    };
    Err(OidcError::new(400, "invalid_scope", description).scope(missing.join(" ")))
}

fn check_organization(
    request: &TokenRequest<'_>,
    grant: &Grant,
    user: &FakeUser,
) -> Result<(), OidcError> {
    let Some(organization) = request.params.get("organization_id") else {
        return Ok(());
    };
    check_membership(user, organization)?;
    if !scopes::has(&grant.scopes, ORGANIZATIONS) {
        return Err(OidcError::new(
            403,
            "insufficient_scope",
            "refresh token missing required scope",
        )
        .scope(ORGANIZATIONS));
    }
    Ok(())
}

pub(super) fn check_membership(user: &FakeUser, organization: &str) -> Result<(), OidcError> {
    match user.membership(organization) {
        Some(_) => Ok(()),
        None => Err(OidcError::access_denied(
            "user is not a member of the organization",
        )),
    }
}

/// What the access token is for, and the scopes that it can have.
fn target(request: &TokenRequest<'_>, used: &Used) -> Result<(Target, Vec<String>), OidcError> {
    let organization = request.params.get("organization_id");
    match (organization, request.resource()) {
        (None, None) => Ok((Target::UserInfo, used.grant.scopes.clone())),
        (None, Some(resource)) => for_resource(request, &used.grant, &used.user, resource),
        (Some(organization), None) => Ok(for_organization(used, organization)),
        (Some(organization), Some(resource)) => {
            let (_, scopes) = for_resource(request, &used.grant, &used.user, resource)?;
            let target = Target::Audience {
                audience: resource.to_owned(),
                organization: Some(organization.to_owned()),
            };
            Ok((target, scopes))
        }
    }
}

fn for_organization(used: &Used, organization: &str) -> (Target, Vec<String>) {
    let granted = used.grant.resources.get(ORGANIZATION_RESOURCE);
    let permissions = used
        .user
        .membership(organization)
        .map(|membership| membership.permissions.as_slice())
        .unwrap_or_default();
    let target = Target::of_organization(organization);
    let scopes = granted.cloned().unwrap_or_default();
    (target, retained(scopes, permissions))
}

fn retained(mut scopes: Vec<String>, wanted: &[String]) -> Vec<String> {
    scopes.retain(|scope| scopes::has(wanted, scope));
    scopes
}
