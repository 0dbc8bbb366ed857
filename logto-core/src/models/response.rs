//! What the token endpoint and the user info endpoint answer.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::extra::impl_extra_as;
use crate::secret::Secret;

/// What the token endpoint answers ([RFC 6749, section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret,
    /// The type of the access token; only `Bearer`, in any case, is accepted.
    pub token_type: String,
    /// For how many seconds the access token is valid; `None` if the server did not say.
    #[serde(default, deserialize_with = "lifetime")]
    pub expires_in: Option<u64>,
    /// The refresh token; `None` if there is none, which after a refresh means: keep the old one.
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// The ID token; `None` if there is none.
    #[serde(default)]
    pub id_token: Option<Secret>,
    /// The scopes that are granted, separated by spaces; `None` or empty if the server did not say.
    #[serde(default)]
    pub scope: Option<String>,
}

/// The longest lifetime that is believed: ten years.
const LONGEST_LIFETIME: f64 = 10.0 * 366.0 * 24.0 * 60.0 * 60.0;

/// Some servers send the lifetime as a string, or as a number with a fraction.
pub(crate) fn lifetime<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    struct Seconds;

    impl Visitor<'_> for Seconds {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of seconds between 0 and ten years")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
            self.visit_f64(seconds as f64)
        }

        fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
            self.visit_f64(seconds as f64)
        }

        fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
            if (0.0..=LONGEST_LIFETIME).contains(&seconds) {
                Ok(Some(seconds as u64))
            } else {
                Err(E::invalid_value(Unexpected::Other("another number"), &self))
            }
        }

        fn visit_str<E: serde::de::Error>(self, seconds: &str) -> Result<Self::Value, E> {
            match seconds.parse::<u64>() {
                Ok(seconds) => self.visit_u64(seconds),
                Err(_) => Err(E::invalid_value(Unexpected::Other("a text"), &self)),
            }
        }
    }

    deserializer
        .deserialize_any(Seconds)
        .map_err(D::Error::custom)
}

/// An identity of the user at a social or enterprise provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserIdentity {
    /// The user's id there.
    #[doc(alias = "userId")]
    #[serde(rename = "userId")]
    pub user_id: String,
    /// What that provider tells of the user, any JSON object; `None` if there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Map<String, Value>>,
}

/// What the user info endpoint answers ([OpenID Connect Core, section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).
///
/// What the server did not send, or sent as `null`, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserInfoResponse {
    /// The subject: the user's id.
    pub sub: String,
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
    /// The user's custom data, any JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_data: Option<Value>,
    /// The user's social identities, by the name of the provider. One without a user id, or of another
    /// shape, is left out.
    #[serde(
        default,
        deserialize_with = "identities",
        skip_serializing_if = "Option::is_none"
    )]
    pub identities: Option<BTreeMap<String, UserIdentity>>,
    /// The names of the user's roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// The ids of the organizations that the user is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizations: Option<Vec<String>>,
    /// The user's roles in organizations, each as `<organization_id>:<role_name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_roles: Option<Vec<String>>,
    /// The members that have no field of their own. Times of Logto's own members among them
    /// (`updated_at`, `created_at`) are in milliseconds.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl_extra_as!(UserInfoResponse);

/// What one provider tells must not cost what all others do.
fn identities<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, UserIdentity>>, D::Error> {
    let all = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?;
    let usable = |(name, identity)| Some((name, serde_json::from_value(identity).ok()?));
    Ok(all.map(|all| all.into_iter().filter_map(usable).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expires_in(value: Value) -> Result<Option<u64>, serde_json::Error> {
        let body = json!({ "access_token": "t", "token_type": "Bearer", "expires_in": value });
        serde_json::from_value::<TokenResponse>(body).map(|response| response.expires_in)
    }

    #[test]
    fn a_lifetime_is_a_sensible_number_of_seconds() {
        assert_eq!(expires_in(json!(3600)).unwrap(), Some(3600));
        assert_eq!(expires_in(json!("3600")).unwrap(), Some(3600));
        assert_eq!(expires_in(json!(3600.5)).unwrap(), Some(3600));
        assert_eq!(expires_in(json!(0)).unwrap(), Some(0));
        assert_eq!(expires_in(json!(null)).unwrap(), None);
        for absurd in [
            json!(-1),
            json!(1e308),
            json!("-1"),
            json!(""),
            json!(true),
            json!([1]),
        ] {
            assert!(expires_in(absurd.clone()).is_err(), "{absurd}");
        }
    }

    #[test]
    fn an_identity_that_cannot_be_used_harms_no_other() {
        let alice: UserInfoResponse = serde_json::from_value(json!({
            "sub": "alice",
            "identities": {
                "github": { "userId": "1", "details": { "name": "Alice" } },
                "google": { "details": {} },
                "oidc": { "userId": null },
                "saml": "none",
            },
        }))
        .unwrap();
        let identities = alice.identities.unwrap();
        assert_eq!(identities.keys().collect::<Vec<_>>(), ["github"]);
        assert_eq!(identities["github"].user_id, "1");
    }

    #[test]
    fn a_user_without_a_name_is_read() {
        let bob: UserInfoResponse = serde_json::from_value(json!({
            "sub": "bob", "name": null, "picture": null, "updated_at": 1795433328543_i64,
            "username": "bob", "email": null, "email_verified": false, "organizations": [],
        }))
        .unwrap();
        assert_eq!(bob.name, None);
        assert_eq!(bob.extra["updated_at"], json!(1795433328543_i64));
    }
}
