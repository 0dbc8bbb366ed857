//! Exchanging a user's token for one of the application's own
//! ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)).

use serde_json::{Value, json};

use super::code_grant::{for_resource, user_of};
use super::error::{OidcError, required};
use super::refresh_grant::check_membership;
use super::token::TokenRequest;
use super::tokens::{JwtClaims, Target};
use crate::grants::Grant;
use crate::random::token;
use crate::scopes;
use crate::subject_tokens::is_subject_token;
use crate::user::FakeUser;

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const IMPERSONATION_TOKEN: &str = "urn:logto:token-type:impersonation_token";

/// As at Logto there is no `issued_token_type` in the answer.
pub(super) fn exchange(request: &TokenRequest<'_>) -> Result<Value, OidcError> {
    let subject_token = required(request.params, "subject_token")?;
    let subject = subject(request, subject_token)?;
    let actor = actor(request)?;
    let grant = grant(request, subject);
    let user = user_of(request, &grant)?;
    let (target, scope) = target(request, &grant, &user)?;
    if is_subject_token(subject_token) {
        use_up(request, subject_token)?;
    }
    let scope = scope.join(" ");
    let access_token = match target {
        Target::UserInfo => opaque(request, grant, &scope),
        Target::Audience {
            audience,
            organization,
        } => request.jwt(&JwtClaims {
            subject: &user.id,
            audience: &audience,
            organization: organization.as_deref(),
            scope: Some(&scope),
            actor: actor.as_deref(),
        }),
    };
    Ok(json!({
        "access_token": access_token,
        "expires_in": request.lifetime(),
        "scope": scope,
        "token_type": "Bearer",
    }))
}

/// The user whose token it is.
fn subject(request: &TokenRequest<'_>, token: &str) -> Result<String, OidcError> {
    let user = match required(request.params, "subject_token_type")? {
        ACCESS_TOKEN if is_subject_token(token) => impersonated(request, token),
        ACCESS_TOKEN => of_opaque(request, token).or_else(|| of_jwt(request, token)),
        IMPERSONATION_TOKEN => impersonated(request, token),
        _ => None,
    };
    user.ok_or_else(OidcError::invalid_grant)
}

/// The user who acts for the other.
fn actor(request: &TokenRequest<'_>) -> Result<Option<String>, OidcError> {
    let Some(token) = request.params.get("actor_token") else {
        return Ok(None);
    };
    let user = match required(request.params, "actor_token_type")? {
        ACCESS_TOKEN => of_opaque(request, token),
        _ => None,
    };
    user.map(Some).ok_or_else(OidcError::invalid_grant)
}

fn impersonated(request: &TokenRequest<'_>, token: &str) -> Option<String> {
    let kept = request.provider.store.read();
    let user = kept.grants.subject_tokens.user(token, request.now);
    user.map(str::to_owned)
}

/// An access token for the user info.
fn of_opaque(request: &TokenRequest<'_>, token: &str) -> Option<String> {
    let kept = request.provider.store.read();
    let found = kept.grants.access_token(token)?;
    let grant = kept.grants.get(&found.grant, request.now)?;
    found.is_taken(request.now).then(|| grant.user.clone())
}

/// An access token for a resource or an organization; an ID token is none.
fn of_jwt(request: &TokenRequest<'_>, token: &str) -> Option<String> {
    let (header, claims) = request.provider.store.read().keys.verify(token)?;
    let is_good = header["typ"] == "at+jwt"
        && claims["iss"] == request.provider.issuer()
        && claims["exp"].as_i64()? > request.now / 1000;
    is_good.then(|| claims["sub"].as_str().map(str::to_owned))?
}

fn grant(request: &TokenRequest<'_>, user: String) -> Grant {
    Grant {
        app: request.app.id.clone(),
        user,
        scopes: requested(request),
        resources: Default::default(),
        nonce: None,
        auth_time: None,
        signed_in_at: request.now,
        session: String::new(),
        sid: None,
        expires_at: Grant::lifetime_from(request.now),
    }
}

fn requested(request: &TokenRequest<'_>) -> Vec<String> {
    scopes::split(request.params.get("scope").unwrap_or_default())
}

/// What the token is for, and those of the requested scopes that the user has there.
fn target(
    request: &TokenRequest<'_>,
    grant: &Grant,
    user: &FakeUser,
) -> Result<(Target, Vec<String>), OidcError> {
    let organization = request.params.get("organization_id");
    if let Some(organization) = organization {
        check_membership(user, organization)?;
    }
    if let Some(resource) = request.resource() {
        let asked = (resource.to_owned(), grant.scopes.clone());
        let mut for_all = grant.clone();
        for_all.resources.extend([asked]);
        let (_, scopes) = for_resource(request, &for_all, user, resource)?;
        let target = Target::Audience {
            audience: resource.to_owned(),
            organization: organization.map(str::to_owned),
        };
        return Ok((target, scopes));
    }
    let mut scopes = grant.scopes.clone();
    let Some(membership) = organization.and_then(|id| user.membership(id)) else {
        scopes.retain(|scope| scopes::SUPPORTED.contains(&scope.as_str()));
        return Ok((Target::UserInfo, scopes));
    };
    scopes.retain(|scope| scopes::has(&membership.permissions, scope));
    Ok((Target::of_organization(&membership.id), scopes))
}

/// It is good for one exchange.
fn use_up(request: &TokenRequest<'_>, subject_token: &str) -> Result<(), OidcError> {
    let store = &request.provider.store;
    match store.change(|kept| kept.grants.subject_tokens.consume(subject_token)) {
        true => Ok(()),
        false => Err(OidcError::invalid_grant()),
    }
}

fn opaque(request: &TokenRequest<'_>, grant: Grant, scope: &str) -> String {
    let id = token();
    let store = &request.provider.store;
    store.change(|kept| kept.grants.insert(id.clone(), grant));
    request.opaque(&id, scope)
}
