//! Sign-in on a device without a browser ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).

use std::time::Duration;

use http::Response;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::authorize::{self, SignInError};
use super::claims::seconds;
use super::request::{self, BuiltRequest, ClientCredentials, Form};
use super::response::{self, ResponseError};
use super::token::{self, TokenResponse, lifetime};
use crate::config::{LogtoConfig, Prompt, is_secure};
use crate::error::LogtoError;
use crate::scopes::Scope;
use crate::secret::Secret;

/// What can be said of one sign-in on a device.
///
/// ```
/// # use logto_core as logto;
/// use logto::DeviceSignInOptions;
///
/// let options = DeviceSignInOptions::new().scopes(["read:items"]);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceSignInOptions {
    /// What the user is asked again; `None` for the configuration's.
    pub prompt: Option<Vec<Prompt>>,
    /// Scopes to ask for at this sign-in, beside the configuration's.
    pub scopes: Vec<Scope>,
    /// Whether the reserved scopes are asked for; `None` for the configuration's.
    pub include_reserved_scopes: Option<bool>,
    /// Further parameters, sent as they are.
    pub extra_params: Vec<(String, Secret)>,
}

impl DeviceSignInOptions {
    /// A sign-in with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the user is asked again. Default: the configuration's.
    pub fn prompt(mut self, prompt: impl IntoIterator<Item = Prompt>) -> Self {
        self.prompt = Some(prompt.into_iter().collect());
        self
    }

    /// Adds scopes for this sign-in. Default: only the configuration's.
    pub fn scopes<S: Into<Scope>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Sets whether the reserved scopes are asked for. Default: the configuration's.
    pub fn include_reserved_scopes(mut self, include: bool) -> Self {
        self.include_reserved_scopes = Some(include);
        self
    }

    /// Adds a parameter that is sent as it is. Default: none.
    pub fn extra_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = Secret::new(value);
        self.extra_params.push((name.into(), value));
        self
    }
}

/// A sign-in on a device under way: what to show the user, and what to ask the server with
/// ([RFC 8628, section 3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2)).
///
/// Its texts can be shown as they are: the user code is printable ASCII, the URLs are https (or of
/// this machine) and have nothing that a terminal would act on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceAuthorization {
    /// What the user enters at [`verification_uri`](Self::verification_uri).
    pub user_code: String,
    /// The page that the user opens, on any device.
    pub verification_uri: String,
    /// The same page with the code in it, for a link or a QR code; `None` if the server gave none.
    pub verification_uri_complete: Option<String>,
    /// For how long the codes are valid, from the start on.
    pub expires_in: Duration,
    /// How long to wait before each poll. It grows when the server asks for that.
    pub interval: Duration,
    /// What the server is polled with. Whoever has it gets the tokens.
    pub device_code: Secret,
    /// In Unix seconds.
    pub(crate) expires_at: i64,
    /// What the server has given for the device code, and could not be stored yet: it gives it once.
    pub(crate) tokens: Option<Box<TokenResponse>>,
}

impl DeviceAuthorization {
    /// The page to send the user to: with the code in it, if the server gave such a one.
    pub fn best_uri(&self) -> &str {
        let complete = self.verification_uri_complete.as_deref();
        complete.unwrap_or(&self.verification_uri)
    }
}

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
) -> BuiltRequest {
    let scopes = authorize::scopes(config, &options.scopes, options.include_reserved_scopes);
    let scope = scopes.join(" ");
    let prompt = authorize::prompt(config, options.prompt.as_deref()).unwrap_or_default();
    let mut form = Form::default()
        .public("scope", &scope)
        .public("prompt", &prompt);
    for resource in authorize::resources(config, &scopes) {
        form = form.public("resource", resource);
    }
    for (name, value) in &options.extra_params {
        form = form.secret(name, value.expose());
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
) -> BuiltRequest {
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
    ClientCredentials::new(
        &config.app_id,
        config.app_secret.as_ref().map(Secret::expose),
    )
}

fn interval(sent: Option<&Value>) -> Duration {
    let seconds = sent.and_then(seconds).filter(|seconds| !seconds.is_nan());
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
    ResponseError::malformed(WHAT, reason).into()
}

/// A sign-in on a device has come to its end, or could not be started
/// ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The server has no endpoint for it, by its metadata.
    #[error(
        "the server does not support sign-in on devices: its metadata has no device_authorization_endpoint"
    )]
    Unsupported,
    /// The server wants the user to be sent to something else than a web page over https.
    #[error("the server's {name} is not a https URL")]
    InvalidVerificationUri {
        /// The member's name.
        name: &'static str,
    },
    /// The user code is empty, longer than 64 characters, or has others than printable ASCII: it
    /// could not be shown in a terminal as it is.
    #[error("the server's user code is empty, too long, or not printable")]
    InvalidUserCode,
    /// The user declined.
    #[error("the user declined the sign-in")]
    AccessDenied,
    /// The user did not finish before the code expired. Start a new sign-in.
    #[error("the code of this sign-in has expired")]
    Expired,
}

#[cfg(test)]
mod tests;
