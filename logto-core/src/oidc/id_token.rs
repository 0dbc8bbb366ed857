//! What an ID token must be
//! ([OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::{
    Audience, UniqueMembers, impl_extra_as, numeric_date, optional_numeric_date, unique_members,
};
use super::jws::SigningAlgorithm;
use super::jwt::{Jwt, JwtError, TokenKind, is_id};
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
    #[serde(default, deserialize_with = "optional_numeric_date")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When the user last proved who they are, in Unix seconds.
    #[serde(default, deserialize_with = "optional_numeric_date")]
    #[serde(skip_serializing_if = "Option::is_none")]
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
    pub source: TokenSource<'a>,
}

/// Where a token comes from.
#[derive(Clone, Copy)]
pub(crate) enum TokenSource<'a> {
    /// Anybody, who may have made it up.
    Unknown,
    /// The server, for the code of a sign-in; `None` for a sign-in on a device, which sends no nonce.
    SignIn {
        sign_in: Option<&'a SignInSession>,
        access_token: &'a Secret,
    },
    /// The server, for a refresh of the session that has this ID token.
    Refresh {
        session: Option<&'a IdTokenClaims>,
        access_token: &'a Secret,
    },
}

/// Validates an ID token by the steps of
/// [OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation).
/// `verify_signature` knows the server's keys; it is called for a token that a key can save.
pub(crate) fn validate<E: From<IdTokenError>>(
    id_token: &str,
    expected: &Expected<'_>,
    verify_signature: impl FnOnce(&Jwt<'_>, SigningAlgorithm) -> Result<Result<(), JwtError>, E>,
) -> Result<IdTokenClaims, E> {
    let refused = |error: IdTokenError| Err(error.into());
    let earliest = expected.now.saturating_sub(expected.clock_tolerance);
    let latest = expected.now.saturating_add(expected.clock_tolerance);
    let (sign_in, access_token) = match expected.source {
        TokenSource::Unknown => (None, None),
        TokenSource::SignIn {
            sign_in,
            access_token,
        } => (sign_in, Some(access_token)),
        TokenSource::Refresh { access_token, .. } => (None, Some(access_token)),
    };

    // 1. Encrypted tokens are not negotiated, and refused.
    let jwt = Jwt::parse(id_token).map_err(IdTokenError::from)?;
    // 7. The algorithm is an asymmetric one of the allow-list, and one of the key that is used.
    // 8. So no MAC is accepted, whose key would be the client secret.
    let algorithm = jwt.algorithm(TokenKind::Id).map_err(IdTokenError::from)?;
    // 6. The signature is checked also where TLS to the token endpoint would do.
    verify_signature(&jwt, algorithm)?.map_err(IdTokenError::from)?;
    let claims: IdTokenClaims = jwt.claims().map_err(IdTokenError::from)?;
    // 2. The issuer is the one of the metadata, to the byte.
    if claims.iss != expected.issuer {
        return refused(IdTokenError::IssuerMismatch);
    }
    // 3. The audience is this client, and nobody else, whom it could not trust.
    if !claims.aud.contains(expected.client_id) {
        return refused(IdTokenError::AudienceMismatch);
    }
    let mut audience = claims.aud.as_slice().iter();
    if audience.any(|name| name != expected.client_id) {
        return refused(IdTokenError::UntrustedAudience);
    }
    // 4. and 5. An authorized party, which one audience does not need, is this client.
    let azp = claims.azp.as_deref();
    if azp.is_some_and(|azp| azp != expected.client_id) {
        return refused(IdTokenError::AuthorizedPartyMismatch);
    }
    if !is_id(&claims.sub) {
        return refused(IdTokenError::InvalidSubject);
    }
    // 9. The token has not expired.
    if claims.exp <= earliest {
        return refused(IdTokenError::Expired);
    }
    // 10. It was issued in the past, and for a sign-in not long ago.
    if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
        return refused(IdTokenError::NotYetValid);
    }
    let is_sign_in = matches!(expected.source, TokenSource::SignIn { .. });
    if is_sign_in && claims.iat < earliest.saturating_sub(OLDEST_AT_SIGN_IN) {
        return refused(IdTokenError::TooOld);
    }
    // 11. The nonce is the one that was sent.
    if let Some(sent) = sign_in.and_then(|sign_in| sign_in.nonce.as_ref()) {
        match &claims.nonce {
            None => return refused(IdTokenError::NonceMissing),
            Some(nonce) if nonce != sent => return refused(IdTokenError::NonceMismatch),
            Some(_) => {}
        }
    }
    // 12. The user was authenticated in one of the ways that were asked for.
    let acr_values = sign_in.map_or(&[][..], |sign_in| &sign_in.acr_values);
    match &claims.acr {
        _ if acr_values.is_empty() => {}
        None => return refused(IdTokenError::AcrMissing),
        Some(acr) if !acr_values.contains(acr) => return refused(IdTokenError::AcrMismatch),
        Some(_) => {}
    }
    // 13. The user was authenticated not longer ago than was asked for, counted to the start of the
    // sign-in: what time the user takes for it makes nothing older.
    if let Some(max_age) = sign_in.and_then(|sign_in| sign_in.max_age) {
        let Some(auth_time) = claims.auth_time else {
            return refused(IdTokenError::AuthTimeMissing);
        };
        if auth_time > latest {
            return refused(IdTokenError::NotYetValid);
        }
        let started_at = sign_in.and_then(|sign_in| sign_in.started_at);
        let latest_start = auth_time
            .saturating_add_unsigned(max_age)
            .saturating_add(expected.clock_tolerance);
        if started_at.unwrap_or(expected.now) > latest_start {
            return refused(IdTokenError::AuthenticationTooOld);
        }
    }

    // Beyond the steps: what else belongs to the source.
    if let TokenSource::Refresh {
        session: Some(session),
        ..
    } = expected.source
    {
        check_session(&claims, session)?;
    }
    if let Some(access_token) = access_token {
        check_access_token_hash(&claims, algorithm, access_token)?;
    }
    Ok(claims)
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
mod tests;
