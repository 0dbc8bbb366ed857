//! The server's metadata
//! ([OpenID Connect Discovery, section 4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).

use http::{Response, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::claims::{impl_extra_as, null_as_default};
use super::response::{self, OAuthError};
use crate::config::is_secure;
use crate::error::LogtoError;

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

fn null_as_yes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

const WHAT: &str = "provider metadata";

/// Reads the metadata, not holding it to anything yet.
pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<OidcProviderMetadata, LogtoError> {
    response::json(WHAT, response)
}

/// Holds the metadata to the expected issuer, byte for byte (section 4.3).
pub(crate) fn check_issuer(
    metadata: &OidcProviderMetadata,
    expected: &str,
) -> Result<(), DiscoveryError> {
    if metadata.issuer == expected {
        Ok(())
    } else {
        Err(DiscoveryError::IssuerMismatch {
            expected: expected.to_owned(),
            actual: OAuthError::clean(&metadata.issuer),
        })
    }
}

/// Holds the endpoints that this client uses to be URLs over which nobody on the way can read.
pub(crate) fn check_endpoints(
    said: &OidcProviderMetadata,
    allow_insecure_http: bool,
) -> Result<(), DiscoveryError> {
    let endpoints = [
        ("authorization_endpoint", Some(&said.authorization_endpoint)),
        ("token_endpoint", Some(&said.token_endpoint)),
        ("jwks_uri", Some(&said.jwks_uri)),
        ("userinfo_endpoint", said.userinfo_endpoint.as_ref()),
        ("revocation_endpoint", said.revocation_endpoint.as_ref()),
        ("end_session_endpoint", said.end_session_endpoint.as_ref()),
        (
            "introspection_endpoint",
            said.introspection_endpoint.as_ref(),
        ),
        (
            "device_authorization_endpoint",
            said.device_authorization_endpoint.as_ref(),
        ),
    ];
    let mut given = endpoints
        .into_iter()
        .filter_map(|(name, url)| Some((name, url?)));
    given.try_for_each(|(name, url)| check_endpoint(name, url, allow_insecure_http))
}

fn check_endpoint(
    name: &'static str,
    url: &str,
    allow_insecure_http: bool,
) -> Result<(), DiscoveryError> {
    let invalid = || DiscoveryError::InvalidEndpoint { name };
    let parsed = Url::parse(url).map_err(|_| invalid())?;
    if !can_be_requested(url, &parsed) {
        return Err(invalid());
    }
    match parsed.scheme() {
        "https" | "http" if is_secure(&parsed) || allow_insecure_http => Ok(()),
        "http" => Err(DiscoveryError::InsecureEndpoint {
            name,
            url: OAuthError::clean(url),
        }),
        _ => Err(invalid()),
    }
}

/// Whether the URL as it is written makes a request, to the host that was checked. A browser's reading
/// of URLs forgives much that an HTTP client's does not, such as line ends and missing slashes.
fn can_be_requested(url: &str, parsed: &Url) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    Url::parse(&format!("https://{host}/")).is_ok_and(|read| read.host() == parsed.host())
}

/// The server's metadata is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The metadata is of another issuer than the configured endpoint's
    /// ([OpenID Connect Discovery, section 4.3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation)).
    #[error(
        "the server says that its issuer is {actual:?}, expected {expected:?}; if that is right, configure it as the `issuer`"
    )]
    IssuerMismatch {
        /// The issuer that was expected.
        expected: String,
        /// The issuer in the metadata.
        actual: String,
    },
    /// The metadata has no endpoint for what is asked.
    #[error("the server does not support this: its metadata has no {name}")]
    MissingEndpoint {
        /// The member's name.
        name: &'static str,
    },
    /// An endpoint in the metadata is no URL, or none that a request can be made to.
    #[error("the server's {name} is not a URL")]
    InvalidEndpoint {
        /// The member's name.
        name: &'static str,
    },
    /// An endpoint in the metadata is `http` on a host that is not loopback.
    #[error("the server's {name} is not https: {url}")]
    InsecureEndpoint {
        /// The member's name.
        name: &'static str,
        /// The URL in the metadata.
        url: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(base: &str) -> OidcProviderMetadata {
        let endpoint = |path: &str| format!("{base}/oidc/{path}");
        serde_json::from_value(serde_json::json!({
            "issuer": format!("{base}/oidc"),
            "authorization_endpoint": endpoint("auth"),
            "token_endpoint": endpoint("token"),
            "userinfo_endpoint": endpoint("me"),
            "jwks_uri": endpoint("jwks"),
            "end_session_endpoint": endpoint("session/end"),
            "require_pushed_authorization_requests": false,
        }))
        .unwrap()
    }

    #[test]
    fn members_without_a_field_are_kept() {
        let metadata = metadata("https://foo.logto.app");
        assert_eq!(
            metadata.extra["require_pushed_authorization_requests"],
            false
        );
        assert!(metadata.request_uri_parameter_supported);
    }

    #[test]
    fn what_is_null_is_not_said() {
        let mut metadata = serde_json::to_value(metadata("https://foo.logto.app")).unwrap();
        let members = metadata.as_object_mut().unwrap();
        let required = [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
        ];
        for (name, value) in members.iter_mut() {
            if !required.contains(&name.as_str()) {
                *value = serde_json::Value::Null;
            }
        }
        let read: OidcProviderMetadata = serde_json::from_value(metadata.clone()).unwrap();
        let names: Vec<_> = metadata.as_object().unwrap().keys().cloned().collect();
        for name in names {
            if !required.contains(&name.as_str()) {
                metadata.as_object_mut().unwrap().remove(&name);
            }
        }
        let mut without: OidcProviderMetadata = serde_json::from_value(metadata).unwrap();
        without.extra = read.extra.clone();
        assert_eq!(read, without);
        assert!(read.scopes_supported.is_empty() && read.request_uri_parameter_supported);
        check_endpoints(&read, false).unwrap();
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        let metadata = metadata("https://foo.logto.app");
        check_issuer(&metadata, "https://foo.logto.app/oidc").unwrap();
        for other in [
            "https://foo.logto.app/oidc/",
            "https://FOO.logto.app/oidc",
            "http://foo.logto.app/oidc",
        ] {
            check_issuer(&metadata, other).unwrap_err();
        }
    }

    #[test]
    fn endpoints_are_https_or_loopback() {
        check_endpoints(&metadata("https://foo.logto.app"), false).unwrap();
        check_endpoints(&metadata("http://127.0.0.1:3001"), false).unwrap();
        check_endpoints(&metadata("http://foo.logto.app"), true).unwrap();
        assert!(matches!(
            check_endpoints(&metadata("http://foo.logto.app"), false),
            Err(DiscoveryError::InsecureEndpoint { .. })
        ));
        for base in ["javascript:alert(1)", "file://", "foo"] {
            assert!(matches!(
                check_endpoints(&metadata(base), true),
                Err(DiscoveryError::InvalidEndpoint { .. })
            ));
        }
    }

    #[test]
    fn an_endpoint_that_no_request_can_be_made_to_is_refused_with_the_metadata() {
        for endpoint in [
            "https:/foo.logto.app/token",
            "https:foo.logto.app/token",
            "HTTPS:foo.logto.app",
            "https:\\\\foo.logto.app\\token",
            "https://foo.logto.app/token\n",
            "https://foo.logto.app/to ken",
            " https://foo.logto.app/token",
        ] {
            let mut metadata = metadata("https://foo.logto.app");
            metadata.token_endpoint = endpoint.into();
            assert!(check_endpoints(&metadata, false).is_err(), "{endpoint}");
        }
    }

    #[test]
    fn an_optional_endpoint_is_checked_too() {
        let mut metadata = metadata("https://foo.logto.app");
        metadata.end_session_endpoint = Some("http://foo.logto.app/end".into());
        check_endpoints(&metadata, false).unwrap_err();
    }
}
