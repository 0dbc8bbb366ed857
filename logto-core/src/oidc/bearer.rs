//! The access token in a request to an API, and what the API answers where it refuses
//! ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).

use std::time::Duration;

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::access_token::AccessTokenError;
use super::response::json_answer;
use crate::error::LogtoError;

/// What a caller is told to wait where the server did not say how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A caller is not told to wait for longer: a key endpoint that asks for a day would shut the API for as
/// long.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The token of an `Authorization` header (section 2.1): one word Bearer in any case, one token.
pub(crate) fn token(header: Option<&str>) -> Result<&str, AccessTokenError> {
    let header = header.unwrap_or_default().trim_matches([' ', '\t']);
    if header.is_empty() {
        return Err(AccessTokenError::Missing);
    }
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(AccessTokenError::OtherScheme);
    }
    let token = rest.trim_start_matches(' ');
    match is_b64token(token) {
        true => Ok(token),
        false => Err(AccessTokenError::MalformedHeader),
    }
}

/// The ABNF's `b64token`.
fn is_b64token(text: &str) -> bool {
    let word = text.trim_end_matches('=');
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !word.is_empty() && word.bytes().all(is_allowed)
}

/// What a refused call is answered (section 3.1). Where the token could not be checked at all, because
/// the server's keys cannot be had, the caller is told to come again: it is not the token's fault.
pub(crate) fn error_response(error: &LogtoError, realm: &str) -> Response<String> {
    match error {
        LogtoError::AccessToken(error) => challenge(error, realm),
        _ => {
            let wait = error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER);
            unavailable(wait.min(LONGEST_RETRY_AFTER))
        }
    }
}

fn challenge(error: &AccessTokenError, realm: &str) -> Response<String> {
    let (status, code, description) = verdict(error);
    let required = match error {
        AccessTokenError::InsufficientScope { required } if !required.is_empty() => {
            Some(required.as_str())
        }
        _ => None,
    };
    // Who did not try to authenticate is told no error (section 3.1).
    let parameters = [
        ("realm", Some(realm)),
        ("error", code),
        ("error_description", code.and(Some(description))),
        ("scope", required),
    ];
    let challenge: Vec<_> = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}=\"{}\"", quotable(value?))))
        .collect();
    let challenge = HeaderValue::try_from(format!("Bearer {}", challenge.join(", ")))
        .expect("printable ASCII is a valid header value");
    let members = [
        ("error", code),
        ("error_description", Some(description)),
        ("scope", required),
    ];
    let mut response = json_answer(status, &members);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// The texts are ours: nothing of the token is in them.
fn verdict(error: &AccessTokenError) -> (StatusCode, Option<&'static str>, &'static str) {
    use AccessTokenError::*;
    let invalid = |description| (StatusCode::UNAUTHORIZED, Some("invalid_token"), description);
    let scope = Some("insufficient_scope");
    let insufficient = |description| (StatusCode::FORBIDDEN, scope, description);
    match error {
        Missing | OtherScheme => (
            StatusCode::UNAUTHORIZED,
            None,
            "an access token is needed: Authorization: Bearer",
        ),
        MalformedHeader => (
            StatusCode::BAD_REQUEST,
            Some("invalid_request"),
            "the Authorization header is not the word Bearer and one token",
        ),
        Expired => invalid("the access token has expired"),
        AudienceMismatch => invalid("the access token is for another API"),
        Jwt(_)
        | NotOpaque
        | IssuerMismatch
        | NotYetValid
        | InvalidSubject
        | InvalidClient
        | AmbiguousOrganization
        | ProofRequired => invalid("the access token is not accepted"),
        InsufficientScope { .. } => insufficient("the access token has not every scope needed"),
        OrganizationMismatch | UnexpectedOrganization => {
            insufficient("the access token is not for this organization")
        }
    }
}

fn unavailable(retry_after: Duration) -> Response<String> {
    let members = [
        ("error", Some("temporarily_unavailable")),
        (
            "error_description",
            Some("access tokens cannot be checked at the moment"),
        ),
    ];
    let mut response = json_answer(StatusCode::SERVICE_UNAVAILABLE, &members);
    let seconds = HeaderValue::from(retry_after.as_secs());
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

/// What section 3 allows within quotes: no quote, no backslash, no line end, so that no text of a
/// program can end the parameter and begin another.
fn quotable(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
        .collect()
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;
    use serde_json::Value;

    use super::*;
    use crate::oidc::jwt::JwtError;
    use crate::oidc::response::ResponseError;

    #[test]
    fn a_header_is_one_word_and_one_token() {
        for good in [
            "Bearer a.b-c_d~e+f/0==",
            "bearer a.b-c_d~e+f/0==",
            "BEARER   a.b-c_d~e+f/0==",
            " Bearer a.b-c_d~e+f/0==\t",
        ] {
            assert_eq!(token(Some(good)), Ok("a.b-c_d~e+f/0=="), "{good:?}");
        }
        for missing in [None, Some(""), Some("  ")] {
            assert_eq!(token(missing), Err(AccessTokenError::Missing));
        }
        for other in [
            "Basic YTpi",
            "DPoP a.b.c",
            "Bearertoken",
            "a.b.c",
            "Bearer\ta.b.c",
        ] {
            assert_eq!(
                token(Some(other)),
                Err(AccessTokenError::OtherScheme),
                "{other:?}"
            );
        }
        for malformed in [
            "Bearer",
            "Bearer a b",
            "Bearer a, Bearer b",
            "Bearer a\u{e9}",
            "Bearer \"a\"",
            "Bearer a=b",
            "Bearer ==",
            "Bearer a\r\nb",
            "Bearer token=a",
        ] {
            let refused = token(Some(malformed));
            assert_eq!(
                refused,
                Err(AccessTokenError::MalformedHeader),
                "{malformed:?}"
            );
        }
    }

    fn challenge(error: impl Into<LogtoError>) -> (u16, String) {
        let response = error_response(&error.into(), "https://api.example.com");
        let header = response.headers().get(WWW_AUTHENTICATE);
        let header = header.map_or("", |value| value.to_str().unwrap());
        (response.status().as_u16(), header.to_owned())
    }

    #[test]
    fn each_refusal_has_its_challenge() {
        let realm = r#"Bearer realm="https://api.example.com""#;
        for none in [AccessTokenError::Missing, AccessTokenError::OtherScheme] {
            assert_eq!(challenge(none), (401, realm.to_owned()));
        }
        for (error, status, rest) in [
            (
                AccessTokenError::MalformedHeader,
                400,
                r#"error="invalid_request", error_description="the Authorization header is not the word Bearer and one token""#,
            ),
            (
                AccessTokenError::Jwt(JwtError::NotAJwt),
                401,
                r#"error="invalid_token", error_description="the access token is not accepted""#,
            ),
            (
                AccessTokenError::Expired,
                401,
                r#"error="invalid_token", error_description="the access token has expired""#,
            ),
            (
                AccessTokenError::InsufficientScope {
                    required: "a b".to_owned(),
                },
                403,
                r#"error="insufficient_scope", error_description="the access token has not every scope needed", scope="a b""#,
            ),
            (
                AccessTokenError::OrganizationMismatch,
                403,
                r#"error="insufficient_scope", error_description="the access token is not for this organization""#,
            ),
        ] {
            assert_eq!(challenge(error), (status, format!("{realm}, {rest}")));
        }
    }

    #[test]
    fn hostile_text_stays_within_its_quotes() {
        let required = "a\", error=\"x\r\nSet-Cookie: y\\\u{7f}\u{e9}".to_owned();
        let error = AccessTokenError::InsufficientScope { required }.into();
        let response = error_response(&error, "r\"\\\n");
        let header = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(header.starts_with(r#"Bearer realm="r", error="insufficient_scope""#));
        assert!(
            header.ends_with(r#"scope="a, error=xSet-Cookie: y""#),
            "{header}"
        );
        let body: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body["error"], "insufficient_scope");
    }

    #[test]
    fn no_challenge_names_an_empty_scope() {
        let required = String::new();
        let response = error_response(
            &AccessTokenError::InsufficientScope { required }.into(),
            "r",
        );
        assert_eq!(response.status(), 403);
        let header = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(!header.contains("scope="), "{header}");
        let body: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body.get("scope"), None);
    }

    #[test]
    fn a_server_that_cannot_be_had_is_no_fault_of_the_token() {
        let status = |status, retry_after| ResponseError::Status {
            what: "key set",
            status,
            retry_after,
        };
        for (error, seconds) in [
            (status(503, Some(Duration::from_secs(17))), "17"),
            (status(503, Some(Duration::from_secs(86_400))), "60"),
            (status(500, None), "5"),
            (status(404, None), "5"),
        ] {
            let response = error_response(&error.into(), "r");
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()[RETRY_AFTER], seconds);
            assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        }
    }
}
