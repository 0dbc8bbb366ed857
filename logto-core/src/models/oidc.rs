//! The server's metadata, and the claims of its tokens.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::audience::Audience;
use super::extra::{impl_extra_as, null_as_default};
use super::numeric_date;
use super::unique::{self, UniqueMembers};
use crate::secret::Secret;

/// What the server says of itself ([OpenID Connect Discovery, section 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)).
///
/// Lists are empty and options `None` where the server says nothing, or says `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OidcProviderMetadata {
    /// The server's identifier, which its tokens carry as `iss`.
    pub issuer: String,
    /// Where the browser is sent to sign in.
    pub authorization_endpoint: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: String,
    /// Where user information is had. Recommended by the specification only; Logto has it always.
    pub userinfo_endpoint: Option<String>,
    /// Where the server's keys are.
    pub jwks_uri: String,
    /// Where clients register themselves.
    pub registration_endpoint: Option<String>,
    /// Where tokens are revoked ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    pub revocation_endpoint: Option<String>,
    /// Where opaque tokens are looked up ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    pub introspection_endpoint: Option<String>,
    /// Where the browser is sent to sign out ([RP-Initiated Logout](https://openid.net/specs/openid-connect-rpinitiated-1_0.html)).
    pub end_session_endpoint: Option<String>,
    /// Where a device starts a sign-in ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).
    pub device_authorization_endpoint: Option<String>,
    /// Where an authorization request can be left beforehand ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)).
    pub pushed_authorization_request_endpoint: Option<String>,
    /// The scopes that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scopes_supported: Vec<String>,
    /// The response types that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub response_types_supported: Vec<String>,
    /// The response modes that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub response_modes_supported: Vec<String>,
    /// The grant types that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub grant_types_supported: Vec<String>,
    /// The authentication context classes that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub acr_values_supported: Vec<String>,
    /// The kinds of subject identifiers that the server gives.
    #[serde(default, deserialize_with = "null_as_default")]
    pub subject_types_supported: Vec<String>,
    /// The algorithms that ID tokens are signed with. A token's algorithm is held against the key that it
    /// names and not against this list, which may be an hour old when a server has just gone over to
    /// another algorithm.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// The key encryption algorithms of ID tokens.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id_token_encryption_alg_values_supported: Vec<String>,
    /// The content encryption algorithms of ID tokens.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id_token_encryption_enc_values_supported: Vec<String>,
    /// The algorithms that user information is signed with.
    #[serde(default, deserialize_with = "null_as_default")]
    pub userinfo_signing_alg_values_supported: Vec<String>,
    /// The key encryption algorithms of user information.
    #[serde(default, deserialize_with = "null_as_default")]
    pub userinfo_encryption_alg_values_supported: Vec<String>,
    /// The content encryption algorithms of user information.
    #[serde(default, deserialize_with = "null_as_default")]
    pub userinfo_encryption_enc_values_supported: Vec<String>,
    /// The algorithms that request objects are signed with.
    #[serde(default, deserialize_with = "null_as_default")]
    pub request_object_signing_alg_values_supported: Vec<String>,
    /// The key encryption algorithms of request objects.
    #[serde(default, deserialize_with = "null_as_default")]
    pub request_object_encryption_alg_values_supported: Vec<String>,
    /// The content encryption algorithms of request objects.
    #[serde(default, deserialize_with = "null_as_default")]
    pub request_object_encryption_enc_values_supported: Vec<String>,
    /// How clients authenticate at the token endpoint.
    #[serde(default, deserialize_with = "null_as_default")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms of the authentication methods that sign.
    #[serde(default, deserialize_with = "null_as_default")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How the server can show its pages.
    #[serde(default, deserialize_with = "null_as_default")]
    pub display_values_supported: Vec<String>,
    /// The kinds of claims that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub claim_types_supported: Vec<String>,
    /// The claims that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub claims_supported: Vec<String>,
    /// A page for developers.
    pub service_documentation: Option<String>,
    /// The languages of claims.
    #[serde(default, deserialize_with = "null_as_default")]
    pub claims_locales_supported: Vec<String>,
    /// The languages of the server's pages.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ui_locales_supported: Vec<String>,
    /// Whether the `claims` parameter is known.
    #[serde(default, deserialize_with = "null_as_default")]
    pub claims_parameter_supported: bool,
    /// Whether the `request` parameter is known.
    #[serde(default, deserialize_with = "null_as_default")]
    pub request_parameter_supported: bool,
    /// Whether the `request_uri` parameter is known; by the specification `true` where it is not said.
    #[serde(default = "yes", deserialize_with = "null_as_yes")]
    pub request_uri_parameter_supported: bool,
    /// Whether request URIs must be registered.
    #[serde(default, deserialize_with = "null_as_default")]
    pub require_request_uri_registration: bool,
    /// A page on how data may be used.
    pub op_policy_uri: Option<String>,
    /// The server's terms of service.
    pub op_tos_uri: Option<String>,
    /// The PKCE methods that the server knows.
    #[serde(default, deserialize_with = "null_as_default")]
    pub code_challenge_methods_supported: Vec<String>,
    /// Whether callbacks carry `iss` ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    #[serde(default, deserialize_with = "null_as_default")]
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether the server sends logout tokens ([Back-Channel Logout](https://openid.net/specs/openid-connect-backchannel-1_0.html)).
    #[serde(default, deserialize_with = "null_as_default")]
    pub backchannel_logout_supported: bool,
    /// Whether logout tokens carry `sid`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub backchannel_logout_session_supported: bool,
    /// The members that have no field of their own.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl_extra_as!(OidcProviderMetadata);

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
    #[serde(deserialize_with = "numeric_date::deserialize")]
    pub exp: i64,
    /// When the token was issued, in Unix seconds.
    #[serde(deserialize_with = "numeric_date::deserialize")]
    pub iat: i64,
    /// When the token becomes valid, in Unix seconds.
    #[serde(
        default,
        deserialize_with = "numeric_date::option::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<i64>,
    /// When the user last proved who they are, in Unix seconds.
    #[serde(
        default,
        deserialize_with = "numeric_date::option::deserialize",
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
    #[serde(flatten, deserialize_with = "unique::members")]
    pub extra: Map<String, Value>,
}

impl_extra_as!(IdTokenClaims);

impl UniqueMembers for IdTokenClaims {}

/// The claims of an access token that is a JWT ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).
///
/// A claim that the server did not send, or sent as `null`, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessTokenClaims {
    /// The issuer: who made the token.
    pub iss: String,
    /// The subject: the user's id, or the application's for a machine-to-machine token.
    pub sub: String,
    /// The audience: a resource indicator, an organization's URN
    /// (`urn:logto:organization:<organization_id>`), or the application's id.
    pub aud: Audience,
    /// When the token expires, in Unix seconds.
    #[serde(deserialize_with = "numeric_date::deserialize")]
    pub exp: i64,
    /// When the token was issued, in Unix seconds.
    #[serde(deserialize_with = "numeric_date::deserialize")]
    pub iat: i64,
    /// When the token becomes valid, in Unix seconds.
    #[serde(
        default,
        deserialize_with = "numeric_date::option::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<i64>,
    /// The scopes that are granted, separated by spaces; empty if there are none.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: String,
    /// The application that the token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The organization of a token for an organization *and* a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// The claims that have no field of their own.
    #[doc(alias = "__pydantic_extra__")]
    #[serde(flatten, deserialize_with = "unique::members")]
    pub extra: Map<String, Value>,
}

impl_extra_as!(AccessTokenClaims);

impl UniqueMembers for AccessTokenClaims {}

impl AccessTokenClaims {
    /// The scopes that are granted, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_ascii_whitespace()
    }

    /// Whether exactly this scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }
}

fn null_as_yes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}
