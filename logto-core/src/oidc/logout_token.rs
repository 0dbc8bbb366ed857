//! Back-channel logout: the request, what its token must be, and the answer
//! ([Back-Channel Logout](https://openid.net/specs/openid-connect-backchannel-1_0.html)).

use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::claims::{
    Audience, UniqueMembers, impl_extra_as, null_as_default, numeric_date, optional_numeric_date,
    unique_members, unique_value,
};
use super::jwt::{Jwt, JwtError, is_id};
use super::response;
use crate::error::LogtoError;

/// The claims of a logout token ([Back-Channel Logout, section 2.4](https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken)):
/// whose sessions end.
///
/// A verified one has [`sub`](Self::sub), [`sid`](Self::sid) or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogoutTokenClaims {
    /// The issuer: who made the token.
    pub iss: String,
    /// The audience: the application's id.
    pub aud: Audience,
    /// When the token was issued, in Unix seconds.
    #[serde(deserialize_with = "numeric_date")]
    pub iat: i64,
    /// When the token expires, in Unix seconds.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: i64,
    /// When the token begins to be valid, in Unix seconds; `None` if the server did not say.
    #[serde(default, deserialize_with = "optional_numeric_date")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The token's own id.
    #[serde(default, deserialize_with = "null_as_default")]
    pub jti: String,
    /// The user. Without [`sid`](Self::sid) all sessions of this user end; `None` if the server did not
    /// say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The server's session, as in the [ID token](crate::IdTokenClaims::sid): the application's sessions
    /// that came of it end; `None` if the server did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What has happened; the member for back-channel logout is among it.
    #[serde(default, deserialize_with = "unique_value")]
    pub events: Value,
    /// The claims that have no field of their own.
    #[serde(flatten, deserialize_with = "unique_members")]
    pub extra: Map<String, Value>,
}

impl_extra_as!(LogoutTokenClaims);

impl UniqueMembers for LogoutTokenClaims {}

/// The member of `events` that says what the token is for (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How old a token can be, and for how long still valid, in seconds. The specification advises two
/// minutes, and Logto has them.
const LONGEST_LIFETIME: i64 = 10 * 60;

/// The longest form that is read, in bytes: a token may be percent-encoded to three times its length.
const LONGEST_FORM: usize = 64 * 1024;

/// What a token is held against.
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// In Unix seconds.
    pub now: i64,
    /// How much the clocks may differ, in seconds.
    pub clock_tolerance: i64,
}

/// The token of a logout request's form (section 2.5).
pub(crate) fn from_form(
    content_type: Option<&str>,
    body: &[u8],
) -> Result<String, LogoutTokenError> {
    let content_type = content_type.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !is_form || body.len() > LONGEST_FORM {
        return Err(LogoutTokenError::NotAForm);
    }
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) if !token.is_empty() => Ok(token.into_owned()),
        (Some(_), Some(_)) => Err(LogoutTokenError::Duplicated),
        _ => Err(LogoutTokenError::Missing),
    }
}

/// Holds a token whose header and signature are checked (steps 1 to 3 of section 2.6) to be what is
/// expected. Whether it was used before (step 8) is not known here.
pub(crate) fn check(
    jwt: &Jwt<'_>,
    expected: &Expected<'_>,
) -> Result<LogoutTokenClaims, LogoutTokenError> {
    let claims: LogoutTokenClaims = jwt.claims()?;
    // Step 4, as of an ID token.
    check_parties(&claims, expected)?;
    check_times(&claims, expected)?;
    // Step 5.
    check_named(&claims)?;
    // Step 6.
    if !claims
        .events
        .get(EVENT)
        .is_some_and(|event| event.is_object())
    {
        return Err(LogoutTokenError::EventMissing);
    }
    // Step 7: whatever its value.
    if claims.extra.contains_key("nonce") {
        return Err(LogoutTokenError::NoncePresent);
    }
    // What step 8 needs.
    match is_id(&claims.jti) {
        true => Ok(claims),
        false => Err(LogoutTokenError::InvalidId),
    }
}

/// What to answer (section 2.8). A failure of ours is a 400 too.
pub(crate) fn answer<T>(result: &Result<T, LogtoError>) -> Response<String> {
    let (code, description) = match result {
        Ok(_) => return response::not_kept(StatusCode::OK, String::new()),
        Err(LogtoError::LogoutToken(error)) => ("invalid_request", error.to_string()),
        Err(_) => ("server_error", "the logout failed".to_owned()),
    };
    let members = [
        ("error", Some(code)),
        ("error_description", Some(description.as_str())),
    ];
    response::json_answer(StatusCode::BAD_REQUEST, &members)
}

fn check_parties(
    claims: &LogoutTokenClaims,
    expected: &Expected<'_>,
) -> Result<(), LogoutTokenError> {
    if claims.iss != expected.issuer {
        return Err(LogoutTokenError::IssuerMismatch);
    }
    if !claims.aud.contains(expected.client_id) {
        return Err(LogoutTokenError::AudienceMismatch);
    }
    let mut audience = claims.aud.as_slice().iter();
    match audience.all(|name| name == expected.client_id) {
        true => Ok(()),
        false => Err(LogoutTokenError::UntrustedAudience),
    }
}

fn check_times(
    claims: &LogoutTokenClaims,
    expected: &Expected<'_>,
) -> Result<(), LogoutTokenError> {
    let earliest = expected.now.saturating_sub(expected.clock_tolerance);
    let latest = expected.now.saturating_add(expected.clock_tolerance);
    if claims.exp <= earliest {
        return Err(LogoutTokenError::Expired);
    }
    if claims.exp > latest.saturating_add(LONGEST_LIFETIME) {
        return Err(LogoutTokenError::LivesTooLong);
    }
    if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
        return Err(LogoutTokenError::NotYetValid);
    }
    if claims.iat < earliest.saturating_sub(LONGEST_LIFETIME) {
        return Err(LogoutTokenError::TooOld);
    }
    Ok(())
}

fn check_named(claims: &LogoutTokenClaims) -> Result<(), LogoutTokenError> {
    if claims.sub.is_none() && claims.sid.is_none() {
        return Err(LogoutTokenError::NobodyNamed);
    }
    if claims.sub.as_deref().is_some_and(|sub| !is_id(sub)) {
        return Err(LogoutTokenError::InvalidSubject);
    }
    match claims.sid.as_deref().is_none_or(is_id) {
        true => Ok(()),
        false => Err(LogoutTokenError::InvalidSessionId),
    }
}

/// A logout request is refused, and ends no session. The checks are those of
/// [Back-Channel Logout, section 2.6](https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogoutTokenError {
    /// The request's body is no form (`application/x-www-form-urlencoded`), or is longer than 64 KiB.
    #[error("the logout request is not a form")]
    NotAForm,
    /// The form has no `logout_token`.
    #[error("the logout request has no logout_token")]
    Missing,
    /// The form has more than one `logout_token`.
    #[error("the logout request has the logout_token more than once")]
    Duplicated,
    /// It is no logout token of the server's: its form, its header or its signature is wrong.
    #[error("the logout token is refused: {0}")]
    Jwt(#[from] JwtError),
    /// It is of another issuer.
    #[error("the logout token is of another issuer")]
    IssuerMismatch,
    /// It is for another application.
    #[error("the logout token is for another application")]
    AudienceMismatch,
    /// It is for further applications, which this one does not trust.
    #[error("the logout token is for other applications too")]
    UntrustedAudience,
    /// It has expired.
    #[error("the logout token has expired; is the clock of this machine right?")]
    Expired,
    /// It is not valid yet, or was issued in the future.
    #[error("the logout token is not valid yet; is the clock of this machine right?")]
    NotYetValid,
    /// It was issued more than ten minutes ago.
    #[error("the logout token was issued too long ago; is the clock of this machine right?")]
    TooOld,
    /// It is valid for more than ten minutes from now, which is longer than it is remembered.
    #[error("the logout token is valid for too long")]
    LivesTooLong,
    /// It has neither a `sub` nor a `sid`.
    #[error("the logout token names neither a user nor a session")]
    NobodyNamed,
    /// Its `sub` is empty or longer than 255 bytes.
    #[error("the logout token's subject is empty or too long")]
    InvalidSubject,
    /// Its `sid` is empty or longer than 255 bytes.
    #[error("the logout token's session id is empty or too long")]
    InvalidSessionId,
    /// Its `events` have no member for back-channel logout, or it is no object.
    #[error("the logout token has not the event of a back-channel logout")]
    EventMissing,
    /// It has a `nonce`, as only ID tokens have.
    #[error("the logout token has a nonce")]
    NoncePresent,
    /// Its `jti` is missing, empty or longer than 255 bytes.
    #[error("the logout token's own id is missing, empty or too long")]
    InvalidId,
    /// A token of this `jti` has been taken already.
    #[error("the logout token has been used already")]
    AlreadyUsed,
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    #[test]
    fn a_form_has_one_logout_token() {
        for content_type in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
        ] {
            let token = from_form(Some(content_type), b"x=1&logout_token=a.b%2Ec&y=2");
            assert_eq!(token.as_deref(), Ok("a.b.c"));
        }
        for (content_type, body, error) in [
            (None, "logout_token=a", LogoutTokenError::NotAForm),
            (Some("application/json"), "{}", LogoutTokenError::NotAForm),
            (
                Some("text/plain"),
                "logout_token=a",
                LogoutTokenError::NotAForm,
            ),
            (FORM, "", LogoutTokenError::Missing),
            (FORM, "logout_token=", LogoutTokenError::Missing),
            (FORM, "Logout_Token=a", LogoutTokenError::Missing),
            (
                FORM,
                "logout_token=a&logout_token=a",
                LogoutTokenError::Duplicated,
            ),
            (
                FORM,
                "logout_token=&logout%5ftoken=a",
                LogoutTokenError::Duplicated,
            ),
        ] {
            assert_eq!(
                from_form(content_type, body.as_bytes()),
                Err(error),
                "{body}"
            );
        }
        let huge = format!("logout_token={}", "a".repeat(LONGEST_FORM));
        assert_eq!(
            from_form(FORM, huge.as_bytes()),
            Err(LogoutTokenError::NotAForm)
        );
        assert_eq!(
            from_form(FORM, b"\xff&logout_token=\xff"),
            Ok("\u{fffd}".to_owned())
        );
    }

    #[test]
    fn an_answer_is_200_or_400_and_never_kept() {
        let done = answer(&Ok(()));
        assert_eq!((done.status().as_u16(), done.body().as_str()), (200, ""));
        let refused = answer::<()>(&Err(LogoutTokenError::NoncePresent.into()));
        assert_eq!(
            refused.body(),
            r#"{"error":"invalid_request","error_description":"the logout token has a nonce"}"#
        );
        let failed = answer::<()>(&Err(LogtoError::NotAuthenticated));
        assert!(failed.body().contains("server_error"));
        for response in [&done, &refused, &failed] {
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        assert_eq!(refused.status(), 400);
        assert_eq!(failed.status(), 400);
    }
}
