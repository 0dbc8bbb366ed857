//! The server's metadata
//! ([OpenID Connect Discovery, section 4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).

use http::Response;
use url::Url;

use super::response;
use crate::config::is_secure;
use crate::error::{DiscoveryError, LogtoError, OAuthError};
use crate::models::OidcProviderMetadata;

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
    metadata: &OidcProviderMetadata,
    allow_insecure_http: bool,
) -> Result<(), DiscoveryError> {
    let required = [
        ("authorization_endpoint", &metadata.authorization_endpoint),
        ("token_endpoint", &metadata.token_endpoint),
        ("jwks_uri", &metadata.jwks_uri),
    ];
    let optional = [
        ("userinfo_endpoint", &metadata.userinfo_endpoint),
        ("revocation_endpoint", &metadata.revocation_endpoint),
        ("end_session_endpoint", &metadata.end_session_endpoint),
        ("introspection_endpoint", &metadata.introspection_endpoint),
        (
            "device_authorization_endpoint",
            &metadata.device_authorization_endpoint,
        ),
    ];
    let optional = optional
        .into_iter()
        .filter_map(|(name, url)| Some((name, url.as_ref()?)));
    required
        .into_iter()
        .chain(optional)
        .try_for_each(|(name, url)| check_endpoint(name, url, allow_insecure_http))
}

fn check_endpoint(
    name: &'static str,
    url: &str,
    allow_insecure_http: bool,
) -> Result<(), DiscoveryError> {
    let parsed = Url::parse(url).map_err(|_| DiscoveryError::InvalidEndpoint { name })?;
    match parsed.scheme() {
        "https" | "http" if is_secure(&parsed) || allow_insecure_http => Ok(()),
        "http" => Err(DiscoveryError::InsecureEndpoint {
            name,
            url: OAuthError::clean(url),
        }),
        _ => Err(DiscoveryError::InvalidEndpoint { name }),
    }
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
        let mut metadata = metadata("https://foo.logto.app");
        metadata.end_session_endpoint = Some("http://foo.logto.app/end".into());
        check_endpoints(&metadata, false).unwrap_err();
    }
}
