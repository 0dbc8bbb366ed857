//! Signing users in.

use std::collections::BTreeMap;

use super::Provider;
use super::authorization_request::AuthorizationRequest;
use super::error::OidcError;
use super::sign_in_page;
use crate::grants::{BrowserSession, Grant};
use crate::http::{Params, Request, Response};
use crate::scopes::{self, OFFLINE_ACCESS, ORGANIZATION_RESOURCE};

/// Not Logto's `_session`: an application on another port of this host gets the cookie too, and may
/// have one of that name.
const COOKIE: &str = "_fake_logto_session";

/// Sends the browser back with a code, or to the page where a user is chosen.
pub(super) fn authorize(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let params = request_params(request);
    let asked = match AuthorizationRequest::read(provider, params) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into_answer(),
    };
    match live_session(provider, request, &asked) {
        Some((id, session)) => Ok(with_session(provider, &asked, &id, &session)),
        None if asked.prompts("none") => Ok(asked.back.with_error(OidcError::new(
            400,
            "login_required",
            "End-User authentication is required",
        ))),
        None if provider.setup.login_page => {
            Ok(sign_in_page::redirect(provider, &asked, params.clone()))
        }
        None => Ok(sign_in_next(provider, &asked)),
    }
}

/// Signs a user in with a new browser session, and sends the browser back with a code.
pub(super) fn sign_in(
    provider: &Provider,
    asked: &AuthorizationRequest<'_>,
    user: &str,
) -> Response {
    let now = provider.milliseconds();
    let id = provider
        .store
        .change(|kept| kept.grants.begin_session(user, now));
    let session = BrowserSession {
        user: user.to_owned(),
        signed_in_at: now,
        apps: BTreeMap::new(),
    };
    grant(provider, asked, &id, &session).header(
        "Set-Cookie",
        format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax"),
    )
}

pub(super) fn session_id(request: &Request) -> Option<&str> {
    request.cookie(COOKIE)
}

pub(super) fn expired_cookie() -> String {
    format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

/// A GET has them in the query, a POST in the body.
pub(super) fn request_params(request: &Request) -> &Params {
    match &request.form {
        Some(form) if request.method == "POST" => form,
        _ => &request.query,
    }
}

/// The session of the browser, if it is enough for the request.
fn live_session(
    provider: &Provider,
    request: &Request,
    asked: &AuthorizationRequest<'_>,
) -> Option<(String, BrowserSession)> {
    let id = session_id(request)?;
    let now = provider.milliseconds();
    let session = provider.store.read().grants.session(id, now)?.clone();
    let too_old = asked
        .max_age
        .is_some_and(|age| now - session.signed_in_at > age.saturating_mul(1000));
    let exists = provider.people().get(&session.user).is_some();
    (exists && !too_old && !asked.prompts("login")).then(|| (id.to_owned(), session))
}

fn with_session(
    provider: &Provider,
    asked: &AuthorizationRequest<'_>,
    id: &str,
    session: &BrowserSession,
) -> Response {
    if asked.prompts("none") && !session.apps.contains_key(&asked.app.id) {
        return asked.back.with_error(OidcError::new(
            400,
            "consent_required",
            "requested scopes not granted",
        ));
    }
    grant(provider, asked, id, session)
}

fn sign_in_next(provider: &Provider, asked: &AuthorizationRequest<'_>) -> Response {
    let user = provider.people().next().map(|user| user.id.clone());
    match user {
        Some(user) => sign_in(provider, asked, &user),
        None => asked
            .back
            .with_error(OidcError::access_denied("End-User aborted interaction")),
    }
}

fn grant(
    provider: &Provider,
    asked: &AuthorizationRequest<'_>,
    session_id: &str,
    session: &BrowserSession,
) -> Response {
    let now = provider.milliseconds();
    let tells_auth_time = asked.max_age.is_some() || asked.prompts("login");
    let scopes = requested_scopes(asked);
    let (scopes, resources) = granted_scopes(provider, &scopes, &asked.resources);
    let mut grant = Grant {
        app: asked.app.id.clone(),
        user: session.user.clone(),
        scopes,
        resources,
        nonce: asked.nonce.clone(),
        auth_time: tells_auth_time.then_some(session.signed_in_at / 1000),
        signed_in_at: session.signed_in_at,
        session: session_id.to_owned(),
        sid: None,
        expires_at: Grant::lifetime_from(now),
    };
    let code = provider.store.change(|kept| {
        let sid = kept.grants.add_app(session_id, &asked.app.id);
        grant.sid = sid.filter(|_| asked.app.backchannel_logout_session_required);
        let challenge = asked.challenge.as_deref();
        kept.grants
            .grant(grant, &asked.redirect_uri, challenge, now)
    });
    asked.back.with_code(code)
}

/// Logto drops `offline_access` without a word unless the user was asked for consent.
fn requested_scopes(asked: &AuthorizationRequest<'_>) -> Vec<String> {
    asked
        .scopes
        .iter()
        .filter(|scope| *scope != OFFLINE_ACCESS || asked.prompts("consent"))
        .cloned()
        .collect()
}

/// Those of the scopes that are about the user, and those of each resource.
pub(super) fn granted_scopes(
    provider: &Provider,
    scopes: &[String],
    resources: &[String],
) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let known = |indicator: &str, scope: &String| match provider.resource(indicator) {
        Some(resource) => resource.scopes.contains(scope),
        None => {
            indicator == ORGANIZATION_RESOURCE
                && provider.people().is_organization_permission(scope)
        }
    };
    let only = |keep: &dyn Fn(&String) -> bool| -> Vec<String> {
        scopes.iter().filter(|scope| keep(scope)).cloned().collect()
    };
    let of_user = only(&|scope| scopes::SUPPORTED.contains(&scope.as_str()));
    let of_resources = resources
        .iter()
        .map(|indicator| (indicator.clone(), only(&|scope| known(indicator, scope))));
    (of_user, of_resources.collect())
}
