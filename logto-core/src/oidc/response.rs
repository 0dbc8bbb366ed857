//! Responses: those of the server, which are read, and what ours have in common.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::claims::DUPLICATE_MEMBER;
use crate::error::LogtoError;
use crate::secret::Redactions;

/// Reads a successful answer of JSON; anything else is its error. `what` names the answer in
/// messages.
pub(crate) fn json<T: DeserializeOwned>(
    what: &'static str,
    response: &Response<Vec<u8>>,
) -> Result<T, LogtoError> {
    success(what, response)?;
    let actual = content_type(response.headers());
    if !is_json(&actual) {
        return Err(ResponseError::ContentType {
            what,
            actual: clean(response, &actual),
        }
        .into());
    }
    parse(what, response.body())
}

/// Holds an answer to be successful, whatever its body.
pub(crate) fn success(what: &'static str, response: &Response<Vec<u8>>) -> Result<(), LogtoError> {
    let status = response.status();
    if status == StatusCode::OK {
        Ok(())
    } else if status.is_redirection() {
        Err(ResponseError::Redirect {
            what,
            status: status.as_u16(),
        }
        .into())
    } else if let Some(error) = oauth_error(response) {
        Err(error.into())
    } else {
        Err(ResponseError::Status {
            what,
            status: status.as_u16(),
            retry_after: retry_after(response.headers()),
        }
        .into())
    }
}

/// Reads JSON, whatever it came with.
pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, LogtoError> {
    serde_json::from_slice(body)
        .map_err(|error| ResponseError::malformed(what, describe_json_error(&error)).into())
}

/// What is wrong with some JSON, without any value of it: serde's own messages quote values.
pub(crate) fn describe_json_error(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    match message
        .split_once('`')
        .map(|(start, rest)| (start, rest.split_once('`')))
    {
        Some(("missing field ", Some((field, _)))) => format!("no member {field:?} (at {place})"),
        Some(("duplicate field ", Some((field, _)))) => {
            format!("the member {field:?} stands twice (at {place})")
        }
        _ if message.starts_with(DUPLICATE_MEMBER) => format!("a member stands twice (at {place})"),
        _ if error.is_data() => format!("a member of another type than expected (at {place})"),
        _ => format!("not JSON (at {place})"),
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    error_description: Option<String>,
    error_uri: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

fn oauth_error(response: &Response<Vec<u8>>) -> Option<OAuthError> {
    if !is_json(&content_type(response.headers())) {
        return None;
    }
    let body: ErrorBody = serde_json::from_slice(response.body()).ok()?;
    let text = |text: Option<String>| text.map(|text| clean(response, &text));
    Some(OAuthError {
        error_description: text(body.error_description),
        error_uri: text(body.error_uri),
        code: text(body.code),
        message: text(body.message),
        status: Some(response.status().as_u16()),
        retry_after: retry_after(response.headers()),
        ..OAuthError::new(&clean(response, &body.error))
    })
}

/// A text of the server, for a message: without what the request held.
fn clean(response: &Response<Vec<u8>>, text: &str) -> String {
    match response.extensions().get::<Redactions>() {
        Some(sent) => OAuthError::clean(&sent.hide(text)),
        None => OAuthError::clean(text),
    }
}

fn content_type(headers: &HeaderMap) -> Cow<'_, str> {
    let value = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    String::from_utf8_lossy(value.unwrap_or_default())
}

/// `application/json`, or any type that ends in `+json`, such as `application/jwk-set+json`.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim();
    essence.eq_ignore_ascii_case("application/json") || {
        let essence = essence.to_ascii_lowercase();
        essence.starts_with("application/") && essence.ends_with("+json")
    }
}

/// The longest `Retry-After` that is handed on, in seconds: a day.
const LONGEST_WAIT: u64 = 24 * 60 * 60;

/// `Retry-After` in seconds; as a date it is not read, for want of a reason to trust the clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    // A number of too many digits is a long time too.
    let seconds = is_number.then(|| seconds.parse().unwrap_or(u64::MAX))?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// The server answered with something else than the protocol says. `what` names the answer, such as
/// "token response".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// A status that tells of a failure, without an OAuth error.
    #[error("{what}: HTTP status {status}")]
    Status {
        /// Which answer it is.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait (`Retry-After`), at most a day; `None` if it
        /// did not say.
        retry_after: Option<Duration>,
    },
    /// A redirect, which is never followed: it could send the code or the secret elsewhere.
    #[error("{what}: redirected with HTTP status {status}, which is not followed")]
    Redirect {
        /// Which answer it is.
        what: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// Another content type than JSON: a captive portal, a proxy's page.
    #[error("{what}: content type {actual:?}, expected JSON")]
    ContentType {
        /// Which answer it is.
        what: &'static str,
        /// The content type of the answer; empty if there was none.
        actual: String,
    },
    /// Not JSON, or JSON of another shape. The reason holds no value of the answer.
    #[error("{what}: {reason}")]
    Json {
        /// Which answer it is.
        what: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// A token type that this client cannot use.
    #[error("the token type is not Bearer")]
    TokenType,
    /// The answer to the code has no ID token.
    #[error("the token response has no ID token")]
    IdTokenMissing,
}

impl ResponseError {
    pub(crate) fn malformed(what: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Json { what, reason }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status >= 500 || *status == 429)
    }

    /// How long the server asks to wait; `None` if it did not say.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// An error as OAuth 2.0 defines it: in the body of an answer
/// ([RFC 6749, section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)) or in a callback
/// ([section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
///
/// The texts are the server's; each is cut after 500 characters and has no control characters. They
/// are text: escape them before they go into a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthError {
    /// The error code, such as `invalid_grant` or `access_denied`.
    pub error: String,
    /// A text for developers; `None` if there is none.
    pub error_description: Option<String>,
    /// A page about the error; `None` if there is none.
    pub error_uri: Option<String>,
    /// Logto's own code, such as `oidc.invalid_grant`; `None` if there is none.
    pub code: Option<String>,
    /// Logto's localised text; `None` if there is none.
    pub message: Option<String>,
    /// The HTTP status; `None` if the error came by a callback.
    pub status: Option<u16>,
    /// How long the server asks to wait (`Retry-After`), at most a day; `None` if it
    /// did not say.
    pub retry_after: Option<Duration>,
}

impl OAuthError {
    const TEXT_LIMIT: usize = 500;

    /// An error with this code and nothing else.
    pub(crate) fn new(error: &str) -> Self {
        Self {
            error: Self::clean(error),
            error_description: None,
            error_uri: None,
            code: None,
            message: None,
            status: None,
            retry_after: None,
        }
    }

    /// A text of the server, cut and without control characters.
    pub(crate) fn clean(text: &str) -> String {
        text.chars()
            .filter(|c| !c.is_control())
            .take(Self::TEXT_LIMIT)
            .collect()
    }

    /// Whether only a new sign-in helps.
    pub fn requires_sign_in(&self) -> bool {
        matches!(
            self.error.as_str(),
            "invalid_grant" | "login_required" | "interaction_required" | "consent_required"
        )
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.status
            .is_some_and(|status| status >= 500 || status == 429)
            || matches!(
                self.error.as_str(),
                "temporarily_unavailable" | "server_error" | "slow_down"
            )
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused: {}", self.error)?;
        if let Some(description) = &self.error_description {
            write!(f, " ({description})")?;
        }
        if let Some(status) = self.status {
            write!(f, ", HTTP {status}")?;
        }
        Ok(())
    }
}

impl std::error::Error for OAuthError {}

/// An answer of JSON, of the members that have a value.
pub(crate) fn json_answer(
    status: StatusCode,
    members: &[(&'static str, Option<&str>)],
) -> Response<String> {
    let members: Map<String, Value> = members
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), Value::from((*value)?))))
        .collect();
    let mut response = not_kept(status, Value::from(members).to_string());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// An answer that no cache keeps.
pub(crate) fn not_kept(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn response(status: u16, content_type: &str, body: &str) -> Response<Vec<u8>> {
        Response::builder()
            .status(status)
            .header(CONTENT_TYPE, content_type)
            .header(RETRY_AFTER, "7")
            .body(body.as_bytes().to_vec())
            .unwrap()
    }

    #[test]
    fn json_of_any_json_type_is_read() {
        for content_type in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JWK-Set+JSON; charset=utf-8",
        ] {
            json::<Value>("answer", &response(200, content_type, "{}")).unwrap();
        }
    }

    #[test]
    fn a_page_is_no_answer() {
        let error = json::<Value>("answer", &response(200, "text/html", "{}")).unwrap_err();
        assert!(error.to_string().contains("text/html"), "{error}");
    }

    #[test]
    fn an_oauth_error_is_kept() {
        let body = r#"{"code":"oidc.invalid_grant","message":"Grant request is invalid.","error":"invalid_grant","error_description":"grant\u0007 request is invalid"}"#;
        let error = json::<Value>("answer", &response(400, "application/json", body)).unwrap_err();
        let error = error.oauth_error().unwrap();
        assert_eq!(error.error, "invalid_grant");
        assert_eq!(error.code.as_deref(), Some("oidc.invalid_grant"));
        assert_eq!(
            error.error_description.as_deref(),
            Some("grant request is invalid")
        );
        assert_eq!(error.status, Some(400));
        assert!(error.requires_sign_in() && !error.is_retryable());
    }

    #[test]
    fn a_broken_server_is_retryable() {
        let error = json::<Value>("answer", &response(503, "text/plain", "no")).unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        let error = json::<Value>("answer", &response(307, "text/plain", "")).unwrap_err();
        assert!(!error.is_retryable());
    }

    #[test]
    fn nobody_is_told_to_wait_for_longer_than_a_day() {
        let wait = |value: &str| {
            let mut response = response(503, "text/plain", "no");
            let value = value.parse().unwrap();
            response.headers_mut().insert(RETRY_AFTER, value);
            success("answer", &response).unwrap_err().retry_after()
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait("0"), seconds(0));
        assert_eq!(wait(" 120 "), seconds(120));
        for long in ["86401", "18446744073709551615", "99999999999999999999999"] {
            assert_eq!(wait(long), seconds(86_400));
        }
        for other in [
            "",
            "-1",
            "+1",
            "1.5",
            "soon",
            "Fri, 31 Dec 1999 23:59:59 GMT",
        ] {
            assert_eq!(wait(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_wrong_with_json_is_told_without_its_values() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Shape {
            token: u64,
        }
        for (body, expected) in [
            (r#"{"token":"hunter2"}"#, "another type"),
            (r#"{"hunter2":1}"#, "no member \"token\""),
            (r#"{"token":1,"token":2}"#, "twice"),
            (r#"hunter2"#, "not JSON"),
            (r#"{"token":1"#, "not JSON"),
        ] {
            let error = serde_json::from_str::<Shape>(body).unwrap_err();
            let description = describe_json_error(&error);
            assert!(description.contains(expected), "{description}");
            assert!(!description.contains("hunter2"), "{description}");
        }
    }
}
