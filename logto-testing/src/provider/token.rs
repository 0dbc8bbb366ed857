//! The token endpoint.

use super::error::{OidcError, required};
use super::tokens::Faults;
use super::{
    Provider, client_auth, client_credentials, code_grant, device_authorization, device_grant,
    refresh_grant, token_exchange,
};
use crate::app::{AppKind, FakeApp};
use crate::http::{Params, Request, Response};
use crate::misbehaviour::Misbehaviour;

/// A token request of an application that has proved to be itself.
pub(super) struct TokenRequest<'a> {
    pub(super) provider: &'a Provider,
    pub(super) app: &'a FakeApp,
    pub(super) params: &'a Params,
    pub(super) faults: Faults,
    pub(super) now: i64,
}

pub(super) fn exchange(
    provider: &Provider,
    request: &Request,
    misbehaviour: Option<&Misbehaviour>,
) -> Result<Response, OidcError> {
    let params = form(request)?;
    let app = client_auth::authenticate(provider, request, params)?;
    let request = TokenRequest {
        provider,
        app,
        params,
        faults: Faults::planned(provider, misbehaviour),
        now: provider.milliseconds(),
    };
    let tokens = match (required(params, "grant_type")?, app.kind) {
        ("authorization_code", AppKind::Web | AppKind::Native) if !app.device_flow => {
            code_grant::exchange(&request)?
        }
        ("refresh_token", AppKind::Web | AppKind::Native) => refresh_grant::refresh(&request)?,
        (device_authorization::GRANT_TYPE, _) if app.device_flow => device_grant::poll(&request)?,
        (token_exchange::GRANT_TYPE, _) if app.token_exchange => {
            token_exchange::exchange(&request)?
        }
        ("client_credentials", AppKind::Machine) => client_credentials::issue(&request)?,
        (grant_type, _) => return Err(refused(grant_type)),
    };
    Ok(Response::json(200, &tokens).header("Cache-Control", "no-store"))
}

/// The body of a request that must have a form.
pub(super) fn form(request: &Request) -> Result<&Params, OidcError> {
    let params = request.form.as_ref().ok_or_else(|| {
        let route = request
            .path
            .strip_prefix("/oidc")
            .unwrap_or(&request.path);
        OidcError::invalid_request(format!(
            "only application/x-www-form-urlencoded content-type bodies are supported on POST {route}"
        ))
    })?;
    match params.repeated() {
        Some(name) => Err(OidcError::invalid_request(format!(
            "'{name}' parameter must not be provided twice"
        ))),
        None => Ok(params),
    }
}

impl TokenRequest<'_> {
    /// The resource that the token is for. As at Logto, several are as good as none.
    pub(super) fn resource(&self) -> Option<&str> {
        let mut resources = self.params.all("resource");
        resources.next().filter(|_| resources.next().is_none())
    }
}

fn refused(grant_type: &str) -> OidcError {
    match grant_type {
        "authorization_code"
        | "refresh_token"
        | "client_credentials"
        | device_authorization::GRANT_TYPE
        | token_exchange::GRANT_TYPE => {
            OidcError::invalid_request("requested grant type is not allowed for this client")
        }
        _ => OidcError::new(
            400,
            "unsupported_grant_type",
            "unsupported grant_type requested",
        ),
    }
}
