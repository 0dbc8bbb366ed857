//! The metadata and the key set.

use serde_json::{Value, json};

use super::Provider;
use crate::http::{Request, Response};
use crate::random::digest;
use crate::scopes;

/// Where the server's endpoints are, and what it supports.
///
/// As at Logto, the issuer is fixed while the endpoints follow the `Host` that was asked.
pub(super) fn metadata(provider: &Provider, request: &Request) -> Response {
    let base = match request.header("host") {
        Some(host) => format!("http://{host}/oidc"),
        None => provider.issuer().to_owned(),
    };
    let mut metadata = supported();
    metadata["issuer"] = json!(provider.issuer());
    metadata["id_token_signing_alg_values_supported"] =
        json!(provider.store.read().keys.algorithms());
    for (member, path) in ENDPOINTS {
        metadata[member] = json!(format!("{base}{path}"));
    }
    let response = Response::json(200, &metadata);
    cacheable(request, response)
}

/// The public keys, or what a test has set in their place.
pub(super) fn key_set(provider: &Provider, request: &Request) -> Response {
    let set = provider.misbehaviours().key_set();
    let keys = set.unwrap_or_else(|| provider.store.read().keys.key_set());
    let response = Response::new(
        200,
        "application/jwk-set+json; charset=utf-8",
        keys.to_string(),
    )
    .header("Cache-Control", "no-cache, max-age=0, must-revalidate");
    cacheable(request, response)
}

const ENDPOINTS: [(&str, &str); 9] = [
    ("authorization_endpoint", "/auth"),
    ("device_authorization_endpoint", "/device/auth"),
    ("end_session_endpoint", "/session/end"),
    ("introspection_endpoint", "/token/introspection"),
    ("jwks_uri", "/jwks"),
    ("pushed_authorization_request_endpoint", "/request"),
    ("revocation_endpoint", "/token/revocation"),
    ("token_endpoint", "/token"),
    ("userinfo_endpoint", "/me"),
];

fn supported() -> Value {
    json!({
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_session_supported": true,
        "backchannel_logout_supported": true,
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": false,
        "claims_supported": CLAIMS,
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": [
            "implicit",
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "request_uri_parameter_supported": false,
        "response_modes_supported": ["form_post", "fragment", "query"],
        "response_types_supported": ["code id_token", "code", "id_token", "none"],
        "scopes_supported": scopes::SUPPORTED,
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_jwt",
            "client_secret_post",
            "private_key_jwt",
            "none",
        ],
        "token_endpoint_auth_signing_alg_values_supported": [
            "HS256", "RS256", "PS256", "ES256", "Ed25519", "EdDSA",
        ],
    })
}

const CLAIMS: [&str; 32] = [
    "sub",
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
    "username",
    "created_at",
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "address",
    "custom_data",
    "identities",
    "sso_identities",
    "roles",
    "organizations",
    "organization_data",
    "organization_roles",
    "sid",
    "auth_time",
    "iss",
];

/// With an `ETag`, and without a body for one who has it already.
fn cacheable(request: &Request, response: Response) -> Response {
    let tag = format!(
        "\"{:x}-{}\"",
        response.body.len(),
        &digest(&response.body)[..27]
    );
    let response = if request.header("if-none-match") == Some(&tag) {
        Response::empty(304)
    } else {
        response.header("Access-Control-Allow-Origin", "*")
    };
    response
        .header("ETag", tag)
        .header("Vary", "Accept-Encoding, Origin")
}
