//! The user info endpoint
//! ([OpenID Connect Core, section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).

use std::collections::BTreeMap;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Response};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::claims::impl_extra_as;
use super::request::{self, BuiltRequest};
use super::response;
use crate::error::LogtoError;
use crate::secret::Redactions;

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
    #[serde(default, deserialize_with = "identities")]
    #[serde(skip_serializing_if = "Option::is_none")]
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

pub(crate) fn request(endpoint: &str, access_token: &str) -> BuiltRequest {
    let mut request = request::get(endpoint)?;
    let bearer = HeaderValue::try_from(format!("Bearer {access_token}"));
    let mut bearer = bearer.map_err(|source| request::unusable(endpoint, source))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request
        .extensions_mut()
        .insert(Redactions::new([access_token]));
    Ok(request)
}

pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<UserInfoResponse, LogtoError> {
    response::json("user info response", response)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
