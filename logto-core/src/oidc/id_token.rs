//! What an ID token must be
//! ([OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::{
    Audience, UniqueMembers, impl_extra_as, numeric_date, optional_numeric_date, unique_members,
};
use super::jws::SigningAlgorithm;
use super::jwt::{Jwt, JwtError, is_id};
use crate::crypto::half_of_hash;
use crate::secret::{Secret, same_secret};
use crate::session::SignInSession;
use crate::utilities::urlsafe_encode;

/// The claims of an ID token ([OpenID Connect Core, section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)).
///
/// A claim that the server did not send, or sent as `null`, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IdTokenClaims {
    /// The issuer: who made the token.
    pub iss: String,
    /// The subject: the user's id.
    pub sub: String,
    /// The audience: the application's id.
    pub aud: Audience,
    /// When the token expires, in Unix seconds.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: i64,
    /// When the token was issued, in Unix seconds.
    #[serde(deserialize_with = "numeric_date")]
    pub iat: i64,
    /// When the token becomes valid, in Unix seconds.
    #[serde(
        default,
        deserialize_with = "optional_numeric_date",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<i64>,
    /// When the user last proved who they are, in Unix seconds.
    #[serde(
        default,
        deserialize_with = "optional_numeric_date",
        skip_serializing_if = "Option::is_none"
    )]
    pub auth_time: Option<i64>,
    /// The nonce of the sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Secret>,
    /// How the user proved who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The party that the token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azp: Option<String>,
    /// The hash of the access token that came along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// The server's session, for back-channel logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The user's full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user's user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The URL of the user's picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// The user's email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the email address is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// The user's phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Whether the phone number is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number_verified: Option<bool>,
    /// The names of the user's roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// The ids of the organizations that the user is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizations: Option<Vec<String>>,
    /// The user's roles in organizations, each as `<organization_id>:<role_name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_roles: Option<Vec<String>>,
    /// The claims that have no field of their own. Times of Logto's own claims among them
    /// (`updated_at`, `created_at`) are in milliseconds.
    #[doc(alias = "__pydantic_extra__")]
    #[serde(flatten, deserialize_with = "unique_members")]
    pub extra: Map<String, Value>,
}

impl_extra_as!(IdTokenClaims);

impl UniqueMembers for IdTokenClaims {}

/// How old the token of a sign-in that has just ended can be, in seconds.
const OLDEST_AT_SIGN_IN: i64 = 10 * 60;

/// What a token is held against.
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// In Unix seconds.
    pub now: i64,
    /// How much the clocks may differ, in seconds.
    pub clock_tolerance: i64,
    pub occasion: Occasion<'a>,
}

/// What a token came with.
pub(crate) enum Occasion<'a> {
    /// With nothing that is known.
    Unknown,
    /// With the code of a sign-in.
    SignIn {
        nonce: Option<&'a Secret>,
        access_token: &'a Secret,
    },
    /// With a refresh of the session that has this ID token.
    Refresh {
        session: Option<&'a IdTokenClaims>,
        access_token: &'a Secret,
    },
}

/// Holds a token whose header and signature are checked (steps 1 and 6 to 8) to be what is expected.
pub(crate) fn check(
    jwt: &Jwt<'_>,
    algorithm: SigningAlgorithm,
    expected: &Expected<'_>,
) -> Result<IdTokenClaims, IdTokenError> {
    let claims: IdTokenClaims = jwt.claims()?;
    // Steps 2 to 5.
    check_parties(&claims, expected)?;
    // Steps 9 and 10.
    check_times(&claims, expected)?;
    // Step 11, and what else belongs to the occasion.
    check_occasion(&claims, algorithm, expected)?;
    Ok(claims)
}

fn check_parties(claims: &IdTokenClaims, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    if claims.iss != expected.issuer {
        return Err(IdTokenError::IssuerMismatch);
    }
    if !claims.aud.contains(expected.client_id) {
        return Err(IdTokenError::AudienceMismatch);
    }
    if claims
        .aud
        .as_slice()
        .iter()
        .any(|name| name != expected.client_id)
    {
        return Err(IdTokenError::UntrustedAudience);
    }
    if claims
        .azp
        .as_ref()
        .is_some_and(|azp| azp != expected.client_id)
    {
        return Err(IdTokenError::AuthorizedPartyMismatch);
    }
    if !is_id(&claims.sub) {
        return Err(IdTokenError::InvalidSubject);
    }
    Ok(())
}

fn check_times(claims: &IdTokenClaims, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    let earliest = expected.now.saturating_sub(expected.clock_tolerance);
    let latest = expected.now.saturating_add(expected.clock_tolerance);
    if claims.exp <= earliest {
        return Err(IdTokenError::Expired);
    }
    if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
        return Err(IdTokenError::NotYetValid);
    }
    let is_sign_in = matches!(expected.occasion, Occasion::SignIn { .. });
    if is_sign_in && claims.iat < earliest.saturating_sub(OLDEST_AT_SIGN_IN) {
        return Err(IdTokenError::TooOld);
    }
    Ok(())
}

fn check_occasion(
    claims: &IdTokenClaims,
    algorithm: SigningAlgorithm,
    expected: &Expected<'_>,
) -> Result<(), IdTokenError> {
    match expected.occasion {
        Occasion::Unknown => Ok(()),
        Occasion::SignIn {
            nonce,
            access_token,
        } => {
            check_nonce(claims, nonce)?;
            check_access_token_hash(claims, algorithm, access_token)
        }
        Occasion::Refresh {
            session,
            access_token,
        } => {
            session.map_or(Ok(()), |session| check_session(claims, session))?;
            check_access_token_hash(claims, algorithm, access_token)
        }
    }
}

fn check_nonce(claims: &IdTokenClaims, sent: Option<&Secret>) -> Result<(), IdTokenError> {
    match (&claims.nonce, sent) {
        (_, None) => Ok(()),
        (None, Some(_)) => Err(IdTokenError::NonceMissing),
        (Some(nonce), Some(sent)) if nonce == sent => Ok(()),
        _ => Err(IdTokenError::NonceMismatch),
    }
}

/// Section 3.1.3.8: the left half of the hash that the algorithm uses.
fn check_access_token_hash(
    claims: &IdTokenClaims,
    algorithm: SigningAlgorithm,
    access_token: &Secret,
) -> Result<(), IdTokenError> {
    use SigningAlgorithm::*;
    let Some(at_hash) = &claims.at_hash else {
        return Ok(());
    };
    let bits = match algorithm {
        Rs256 | Ps256 | Es256 => 256,
        Rs384 | Ps384 | Es384 => 384,
        Rs512 | Ps512 | Es512 | EdDsa => 512,
    };
    let half = half_of_hash(bits, access_token.expose().as_bytes());
    match same_secret(&urlsafe_encode(&half), at_hash) {
        true => Ok(()),
        false => Err(IdTokenError::AccessTokenHashMismatch),
    }
}

/// [Section 12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse): what
/// must not change with a refresh.
fn check_session(claims: &IdTokenClaims, session: &IdTokenClaims) -> Result<(), IdTokenError> {
    let auth_time_differs = match (claims.auth_time, session.auth_time) {
        (Some(new), Some(old)) => new != old,
        _ => false,
    };
    let differing = [
        ("iss", claims.iss != session.iss),
        ("sub", claims.sub != session.sub),
        ("aud", claims.aud != session.aud),
        ("auth_time", auth_time_differs),
        (
            "nonce",
            claims.nonce.is_some() && claims.nonce != session.nonce,
        ),
    ];
    match differing.into_iter().find(|(_, differs)| *differs) {
        Some((claim, _)) => Err(IdTokenError::SessionMismatch { claim }),
        None => Ok(()),
    }
}

/// Holds the ID token of a sign-in to what the sign-in asked for. The times are in Unix seconds, the
/// tolerance in seconds.
pub(crate) fn check_authentication(
    claims: &IdTokenClaims,
    sign_in: &SignInSession,
    now: i64,
    clock_tolerance: i64,
) -> Result<(), IdTokenError> {
    // Step 12.
    if !sign_in.acr_values.is_empty() {
        let acr = claims.acr.as_ref().ok_or(IdTokenError::AcrMissing)?;
        if !sign_in.acr_values.contains(acr) {
            return Err(IdTokenError::AcrMismatch);
        }
    }
    // Step 13.
    let Some(max_age) = sign_in.max_age else {
        return Ok(());
    };
    let auth_time = claims.auth_time.ok_or(IdTokenError::AuthTimeMissing)?;
    if auth_time > now.saturating_add(clock_tolerance) {
        return Err(IdTokenError::NotYetValid);
    }
    // Counted to the start of the sign-in: what time the user takes for it makes nothing older.
    let max_age = i64::try_from(max_age).unwrap_or(i64::MAX);
    let latest_start = auth_time
        .saturating_add(max_age)
        .saturating_add(clock_tolerance);
    match sign_in.started_at.unwrap_or(now) > latest_start {
        true => Err(IdTokenError::AuthenticationTooOld),
        false => Ok(()),
    }
}

/// The ID token is refused. The checks are those of [OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)
/// and, when it came with a refresh, of [section 12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// It is no token of the server's: its form, its header or its signature is wrong.
    #[error("the ID token is refused: {0}")]
    Jwt(#[from] JwtError),
    /// It is of another issuer.
    #[error("the ID token is of another issuer")]
    IssuerMismatch,
    /// It is for another application.
    #[error("the ID token is for another application")]
    AudienceMismatch,
    /// It is for further applications, which this one does not trust.
    #[error("the ID token is for other applications too")]
    UntrustedAudience,
    /// It was issued to another application.
    #[error("the ID token was issued to another application")]
    AuthorizedPartyMismatch,
    /// It has expired.
    #[error("the ID token has expired; is the clock of this machine right?")]
    Expired,
    /// It is not valid yet, or was issued in the future.
    #[error("the ID token is not valid yet; is the clock of this machine right?")]
    NotYetValid,
    /// It was issued too long ago for a sign-in that has just ended.
    #[error("the ID token was issued too long ago; is the clock of this machine right?")]
    TooOld,
    /// Its subject is empty or longer than 255 characters.
    #[error("the ID token's subject is empty or too long")]
    InvalidSubject,
    /// It has no nonce, although one was sent.
    #[error("the ID token has no nonce")]
    NonceMissing,
    /// Its nonce is of another sign-in.
    #[error("the ID token's nonce is of another sign-in")]
    NonceMismatch,
    /// Its `at_hash` is of another access token.
    #[error("the ID token is of another access token")]
    AccessTokenHashMismatch,
    /// It does not say how the user proved who they are (`acr`), although the sign-in asked for it.
    #[error("the ID token does not say how the user was authenticated")]
    AcrMissing,
    /// The user proved who they are in another way than the sign-in asked for.
    #[error("the user was authenticated in another way than this sign-in asks for")]
    AcrMismatch,
    /// It does not say when the user proved who they are (`auth_time`), although the sign-in asked for it.
    #[error("the ID token does not say when the user was authenticated")]
    AuthTimeMissing,
    /// The user proved who they are longer ago than the sign-in allows.
    #[error("the user was authenticated longer ago than this sign-in allows")]
    AuthenticationTooOld,
    /// It came with a refresh and differs from the session's ID token in a claim that must stay.
    #[error("the refreshed ID token's {claim} is not that of the session")]
    SessionMismatch {
        /// The claim that differs.
        claim: &'static str,
    },
}

#[cfg(test)]
mod authentication_tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn checked(asked: Value, told: Value) -> Result<(), IdTokenError> {
        let mut sign_in = json!({
            "redirectUri": "https://a/c", "codeVerifier": "v", "state": "s", "startedAt": NOW - 300,
        });
        let mut claims = json!({ "iss": "", "sub": "alice", "aud": "app", "exp": 0, "iat": 0 });
        for (object, changes) in [(&mut sign_in, asked), (&mut claims, told)] {
            for (name, value) in changes.as_object().unwrap() {
                object[name] = value.clone();
            }
        }
        let sign_in = serde_json::from_value(sign_in).unwrap();
        check_authentication(&serde_json::from_value(claims).unwrap(), &sign_in, NOW, 60)
    }

    #[test]
    fn a_user_proved_who_they_are_not_too_long_before_the_sign_in() {
        use IdTokenError::*;
        for (max_age, auth_time, expected) in [
            (json!(null), json!(null), Ok(())),
            (json!(null), json!(0), Ok(())),
            (json!(600), json!(null), Err(AuthTimeMissing)),
            (json!(600), json!(NOW - 300 - 660), Ok(())),
            (
                json!(600),
                json!(NOW - 300 - 661),
                Err(AuthenticationTooOld),
            ),
            (json!(0), json!(NOW - 300), Ok(())),
            (json!(0), json!(NOW - 361), Err(AuthenticationTooOld)),
            (json!(0), json!(i64::MIN), Err(AuthenticationTooOld)),
            (json!(u64::MAX), json!(0), Ok(())),
            (json!(0), json!(NOW + 60), Ok(())),
            (json!(600), json!(NOW + 61), Err(NotYetValid)),
            (json!(600), json!(i64::MAX), Err(NotYetValid)),
        ] {
            let result = checked(
                json!({ "maxAge": max_age }),
                json!({ "auth_time": auth_time }),
            );
            assert_eq!(result, expected, "{max_age} {auth_time}");
        }
    }

    #[test]
    fn they_did_it_in_one_of_the_ways_that_were_asked_for() {
        let asked = || json!({ "acrValues": ["gold", "silver"] });
        for good in ["gold", "silver"] {
            assert_eq!(checked(asked(), json!({ "acr": good })), Ok(()));
        }
        assert_eq!(checked(json!({}), json!({ "acr": "bronze" })), Ok(()));
        assert_eq!(checked(asked(), json!({})), Err(IdTokenError::AcrMissing));
        for bad in ["bronze", "", "gold silver"] {
            let result = checked(asked(), json!({ "acr": bad }));
            assert_eq!(result, Err(IdTokenError::AcrMismatch), "{bad:?}");
        }
    }
}

#[cfg(test)]
mod tests;
