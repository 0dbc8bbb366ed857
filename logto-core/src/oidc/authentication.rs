//! How and when a user must have proved who they are
//! ([OpenID Connect Core, section 3.1.3.7, steps 12 and 13](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).

use crate::error::IdTokenError;
use crate::models::IdTokenClaims;
use crate::session::SignInSession;

/// Holds the ID token of a sign-in to what the sign-in asked for. The times are in Unix seconds, the
/// tolerance in seconds.
pub(crate) fn check(
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

#[cfg(test)]
mod tests {
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
        check(&serde_json::from_value(claims).unwrap(), &sign_in, NOW, 60)
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
