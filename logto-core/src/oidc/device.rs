//! Sign-in on a device without a browser ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).

use std::time::Duration;

use http::{Request, Response};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client_auth::ClientCredentials;
use super::request::{self, Form};
use super::{authorize, response, token};
use crate::config::{LogtoConfig, is_secure};
use crate::error::{DeviceError, HttpError, LogtoError, ResponseError, SignInError};
use crate::models::{DeviceAuthorization, DeviceSignInOptions, TokenResponse, lifetime};
use crate::secret::Secret;

/// What the device code is exchanged with (section 3.4).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long to wait before each poll where the server does not say, in seconds (section 3.2). Logto
/// does not say.
const DEFAULT_INTERVAL: f64 = 5.0;

/// The intervals that are believed, in seconds.
const SHORTEST_INTERVAL: f64 = 1.0;
const LONGEST_INTERVAL: f64 = 60.0;

/// By how much `slow_down` lengthens the interval (section 3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// A longer code nobody would enter.
const LONGEST_USER_CODE: usize = 64;

/// A longer URL fits into no QR code.
const LONGEST_URI: usize = 2048;

const WHAT: &str = "device authorization response";

/// Refuses options that could not work, before anything is sent.
pub(crate) fn check_options(options: &DeviceSignInOptions) -> Result<(), SignInError> {
    authorize::check_extra_params(&options.extra_params)
}

/// The request that starts a sign-in (section 3.1). It asks for what an authorization request asks
/// for.
pub(crate) fn start_request(
    endpoint: &str,
    config: &LogtoConfig,
    options: &DeviceSignInOptions,
) -> Result<Request<Vec<u8>>, HttpError> {
    let scopes = authorize::scopes(config, &options.scopes, options.include_reserved_scopes);
    let scope = scopes.join(" ");
    let prompt = authorize::prompt(config, options.prompt.as_deref());
    let mut form = Form::default().public("scope", &scope);
    if let Some(prompt) = &prompt {
        form = form.public("prompt", prompt);
    }
    for resource in authorize::resources(config, &scopes) {
        form = form.public("resource", resource);
    }
    // They may be anything.
    for (name, value) in &options.extra_params {
        form = form.secret(name, value);
    }
    request::post_form(endpoint, credentials(config), form)
}

/// Reads what the user is to be shown (section 3.2). `now` is in Unix seconds.
pub(crate) fn start_response(
    response: &Response<Vec<u8>>,
    now: i64,
    allow_insecure_http: bool,
) -> Result<DeviceAuthorization, LogtoError> {
    let answer: Answer = response::json(WHAT, response)?;
    if answer.device_code.expose().is_empty() {
        return Err(refused("the device code is empty"));
    }
    let expires_in = answer
        .expires_in
        .ok_or_else(|| refused("no member \"expires_in\""))?;
    let uri = |name, uri: &str| check_uri(name, uri, allow_insecure_http);
    let complete = answer.verification_uri_complete;
    Ok(DeviceAuthorization {
        user_code: check_user_code(answer.user_code)?,
        verification_uri: uri("verification_uri", &answer.verification_uri)?,
        verification_uri_complete: complete
            .map(|complete| uri("verification_uri_complete", &complete))
            .transpose()?,
        expires_in: Duration::from_secs(expires_in),
        interval: interval(answer.interval.as_ref()),
        device_code: answer.device_code,
        expires_at: now.saturating_add_unsigned(expires_in),
        tokens: None,
    })
}

/// The request that asks whether the user has finished (section 3.4).
pub(crate) fn poll_request(
    endpoint: &str,
    config: &LogtoConfig,
    device_code: &Secret,
) -> Result<Request<Vec<u8>>, HttpError> {
    let form = Form::default()
        .public("grant_type", GRANT_TYPE)
        .secret("device_code", device_code.expose());
    request::post_form(endpoint, credentials(config), form)
}

/// What a poll is answered with.
#[derive(Debug)]
pub(crate) enum Poll {
    Pending,
    SlowDown,
    Tokens(Box<TokenResponse>),
}

/// Reads the answer to a poll (section 3.5).
pub(crate) fn poll_response(response: &Response<Vec<u8>>) -> Result<Poll, LogtoError> {
    let error = match token::response(response) {
        Ok(tokens) => return Ok(Poll::Tokens(Box::new(tokens))),
        Err(error) => error,
    };
    match error.oauth_error().map(|error| error.error.as_str()) {
        Some("authorization_pending") => Ok(Poll::Pending),
        Some("slow_down") => Ok(Poll::SlowDown),
        Some("access_denied") => Err(DeviceError::AccessDenied.into()),
        Some("expired_token") => Err(DeviceError::Expired.into()),
        _ => Err(error),
    }
}

/// The interval after the server has asked for a longer one.
pub(crate) fn slower(interval: Duration) -> Duration {
    interval.saturating_add(SLOW_DOWN)
}

#[derive(Deserialize)]
struct Answer {
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    #[serde(default, deserialize_with = "lifetime")]
    expires_in: Option<u64>,
    /// Of any type: a server that sends nonsense here is polled at the default pace.
    interval: Option<Value>,
}

fn credentials(config: &LogtoConfig) -> ClientCredentials<'_> {
    ClientCredentials {
        id: &config.app_id,
        secret: config.app_secret.as_ref().map(Secret::expose),
    }
}

fn interval(sent: Option<&Value>) -> Duration {
    let seconds = match sent {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(seconds)) => seconds.trim().parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds: &f64| !seconds.is_nan());
    let seconds = seconds.unwrap_or(DEFAULT_INTERVAL);
    Duration::from_secs_f64(seconds.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL))
}

/// The code goes to a terminal, which would act on control characters and on those that turn text
/// around.
fn check_user_code(code: String) -> Result<String, DeviceError> {
    let is_printable = |c: char| c.is_ascii_graphic() || c == ' ';
    match !code.trim().is_empty()
        && code.len() <= LONGEST_USER_CODE
        && code.chars().all(is_printable)
    {
        true => Ok(code),
        false => Err(DeviceError::InvalidUserCode),
    }
}

/// The URL goes to a browser, which may act on other schemes, and to a terminal: as it is written
/// here, it is ASCII without control characters and shows its real host.
fn check_uri(
    name: &'static str,
    uri: &str,
    allow_insecure_http: bool,
) -> Result<String, DeviceError> {
    let refused = DeviceError::InvalidVerificationUri { name };
    let Ok(url) = Url::parse(uri) else {
        return Err(refused);
    };
    let is_web = is_secure(&url) || (allow_insecure_http && url.scheme() == "http");
    let is_plain = url.username().is_empty() && url.password().is_none();
    match is_web && is_plain && url.as_str().len() <= LONGEST_URI {
        true => Ok(url.into()),
        false => Err(refused),
    }
}

fn refused(reason: &str) -> LogtoError {
    ResponseError::Json {
        what: WHAT,
        reason: reason.to_owned(),
    }
    .into()
}

#[cfg(test)]
mod tests;
