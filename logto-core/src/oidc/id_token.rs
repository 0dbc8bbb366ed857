//! What an ID token must be
//! ([OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).

use super::jws::SigningAlgorithm;
use super::jwt::{Jwt, is_id};
use crate::crypto::half_of_hash;
use crate::error::IdTokenError;
use crate::models::IdTokenClaims;
use crate::secret::{Secret, same_secret};
use crate::utilities::urlsafe_encode;

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

#[cfg(test)]
mod tests;
