//! What an application asks for when it sends a user to sign in, and whether it may.

use url::{Url, form_urlencoded};

use super::Provider;
use super::error::{OidcError, required};
use crate::app::{AppKind, FakeApp};
use crate::http::{Params, Response};
use crate::scopes::{self, ORGANIZATION_RESOURCE};

/// A request that may be granted.
#[derive(Debug)]
pub(super) struct AuthorizationRequest<'a> {
    pub(super) app: &'a FakeApp,
    /// As it was sent.
    pub(super) redirect_uri: String,
    pub(super) back: Back,
    pub(super) scopes: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) prompts: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    /// In seconds.
    pub(super) max_age: Option<i64>,
}

/// The way back to the application.
#[derive(Debug)]
pub(super) struct Back {
    redirect_uri: Url,
    in_fragment: bool,
    state: Option<String>,
    issuer: String,
}

/// Why a request is refused, and where to say so.
#[derive(Debug)]
pub(super) struct Refusal {
    error: OidcError,
    /// None if the application's redirect URI can't be trusted: then it is a page.
    back: Option<Box<Back>>,
}

impl<'a> AuthorizationRequest<'a> {
    pub(super) fn read(provider: &'a Provider, params: &Params) -> Result<Self, Refusal> {
        let (app, redirect_uri) = identify(provider, params).map_err(|error| {
            let error = error.with("iss", provider.issuer());
            Refusal::page(match params.get("state") {
                Some(state) => error.with("state", state),
                None => error,
            })
        })?;
        let back = Back::new(provider, redirect_uri.clone(), params);
        match check(provider, app, params) {
            Ok(()) => Ok(Self {
                app,
                redirect_uri: params.get("redirect_uri").unwrap_or_default().to_owned(),
                back,
                scopes: scopes::split(params.get("scope").unwrap_or_default()),
                resources: resources(params),
                prompts: scopes::split(params.get("prompt").unwrap_or_default()),
                nonce: params.get("nonce").map(str::to_owned),
                challenge: params.get("code_challenge").map(str::to_owned),
                max_age: params.get("max_age").and_then(|age| age.parse().ok()),
            }),
            Err(error) => Err(Refusal {
                error,
                back: Some(Box::new(back)),
            }),
        }
    }

    pub(super) fn prompts(&self, prompt: &str) -> bool {
        scopes::has(&self.prompts, prompt)
    }
}

impl Back {
    fn new(provider: &Provider, redirect_uri: Url, params: &Params) -> Self {
        // The answers of the other response types come in the fragment, their errors too.
        let other_type = params
            .get("response_type")
            .is_some_and(|response_type| response_type != "code");
        let in_fragment = match params.get("response_mode") {
            Some(mode) => mode == "fragment",
            None => other_type,
        };
        let repeated = params.all("state").count() > 1;
        Self {
            redirect_uri,
            in_fragment,
            state: params.get("state").filter(|_| !repeated).map(str::to_owned),
            issuer: provider.issuer().to_owned(),
        }
    }

    pub(super) fn with_code(&self, code: String) -> Response {
        self.with(vec![("code", code)])
    }

    pub(super) fn with_error(&self, error: OidcError) -> Response {
        self.with(error.into_pairs())
    }

    fn with(&self, mut pairs: Vec<(&'static str, String)>) -> Response {
        pairs.extend(self.state.clone().map(|state| ("state", state)));
        pairs.push(("iss", self.issuer.clone()));
        let mut location = self.redirect_uri.clone();
        if self.in_fragment {
            let mut fragment = form_urlencoded::Serializer::new(String::new());
            location.set_fragment(Some(&fragment.extend_pairs(pairs).finish()));
        } else {
            location.query_pairs_mut().extend_pairs(pairs);
        }
        Response::redirect(location)
    }
}

impl Refusal {
    fn page(error: OidcError) -> Self {
        Self { error, back: None }
    }

    pub(super) fn into_answer(self) -> Result<Response, OidcError> {
        match self.back {
            Some(back) => Ok(back.with_error(self.error)),
            None => Err(self.error),
        }
    }
}

/// Who asks, and where the answer goes: what must be right before anything is sent there.
fn identify<'a>(provider: &'a Provider, params: &Params) -> Result<(&'a FakeApp, Url), OidcError> {
    let id = required(params, "client_id")?;
    let app = provider
        .app(id)
        .ok_or_else(|| OidcError::unknown_client(id))?;
    let redirect_uri = required(params, "redirect_uri")?;
    match Url::parse(redirect_uri) {
        Ok(url) if app.accepts_redirect_uri(redirect_uri) => Ok((app, url)),
        _ => Err(OidcError::new(
            400,
            "invalid_redirect_uri",
            "redirect_uri did not match any of the client's registered redirect_uris",
        )),
    }
}

fn check(provider: &Provider, app: &FakeApp, params: &Params) -> Result<(), OidcError> {
    if let Some(name) = params.repeated() {
        return Err(OidcError::invalid_request(format!(
            "'{name}' parameter must not be provided twice"
        )));
    }
    check_unsupported(params)?;
    check_response(params)?;
    check_prompt(params)?;
    check_pkce(app, params)?;
    check_resources(provider, params)
}

fn check_unsupported(params: &Params) -> Result<(), OidcError> {
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
    ] {
        if params.get(name).is_some() {
            return Err(OidcError::new(400, error, ""));
        }
    }
    Ok(())
}

fn check_response(params: &Params) -> Result<(), OidcError> {
    match required(params, "response_type")? {
        "code" => {}
        "code id_token" | "id_token" | "none" => {
            return Err(OidcError::invalid_request(
                "requested response_type is not allowed for this client",
            ));
        }
        _ => {
            return Err(OidcError::new(
                400,
                "unsupported_response_type",
                "unsupported response_type requested",
            ));
        }
    }
    match params.get("response_mode") {
        None | Some("query" | "fragment") => Ok(()),
        Some(_) => Err(OidcError::new(
            400,
            "unsupported_response_mode",
            "unsupported response_mode requested",
        )),
    }
}

fn check_prompt(params: &Params) -> Result<(), OidcError> {
    let prompts = scopes::split(params.get("prompt").unwrap_or_default());
    if prompts
        .iter()
        .any(|prompt| !["none", "login", "consent"].contains(&prompt.as_str()))
    {
        return Err(OidcError::invalid_request(
            "unsupported prompt value requested",
        ));
    }
    if scopes::has(&prompts, "none") && prompts.len() > 1 {
        return Err(OidcError::invalid_request(
            "prompt none must only be used alone",
        ));
    }
    Ok(())
}

fn check_pkce(app: &FakeApp, params: &Params) -> Result<(), OidcError> {
    let method = params.get("code_challenge_method");
    let problem = match (params.get("code_challenge"), method) {
        (None, _) if app.kind == AppKind::Native => {
            "Authorization Server policy requires PKCE to be used for this request"
        }
        (None, None) | (Some(_), Some("S256")) => return Ok(()),
        (None, Some(_)) => "code_challenge must be provided with code_challenge_method",
        (Some(_), None) => "code_challenge_method must be provided",
        (Some(_), Some(_)) => "not supported value of code_challenge_method",
    };
    Err(OidcError::invalid_request(problem))
}

pub(super) fn check_resources(provider: &Provider, params: &Params) -> Result<(), OidcError> {
    let invalid = |description| Err(OidcError::new(400, "invalid_target", description));
    for resource in resources(params) {
        match Url::parse(&resource) {
            Err(_) => return invalid("resource indicator must be an absolute URI"),
            Ok(url) if url.fragment().is_some() => {
                return invalid("resource indicator must not contain a fragment component");
            }
            Ok(_) if resource == ORGANIZATION_RESOURCE => {}
            Ok(_) if provider.resource(&resource).is_some() => {}
            Ok(_) => return Err(OidcError::invalid_target()),
        }
    }
    Ok(())
}

/// Logto takes several in one value, too, with commas between them.
pub(super) fn resources(params: &Params) -> Vec<String> {
    params
        .all("resource")
        .flat_map(|value| value.split(','))
        .map(str::to_owned)
        .collect()
}
