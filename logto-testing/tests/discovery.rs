//! The metadata, the key set, and addresses that are none.

mod common;

use common::{Http, builder};
use serde_json::json;

#[test]
fn metadata_names_the_endpoints() {
    let fake = builder().start();
    let answer = Http::new(&fake).get("/oidc/.well-known/openid-configuration");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let metadata = answer.ok();
    let endpoint = fake.endpoint();
    assert_eq!(metadata["issuer"], fake.issuer());
    for (member, path) in [
        ("authorization_endpoint", "/oidc/auth"),
        ("token_endpoint", "/oidc/token"),
        ("userinfo_endpoint", "/oidc/me"),
        ("jwks_uri", "/oidc/jwks"),
        ("end_session_endpoint", "/oidc/session/end"),
        ("revocation_endpoint", "/oidc/token/revocation"),
        ("introspection_endpoint", "/oidc/token/introspection"),
    ] {
        assert_eq!(metadata[member], format!("{endpoint}{path}"), "{member}");
    }
    assert_eq!(metadata.as_object().map(|members| members.len()), Some(26));
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(
        metadata["id_token_signing_alg_values_supported"],
        json!(["ES384"])
    );
}

#[test]
fn endpoints_follow_the_host_that_was_asked_and_the_issuer_does_not() {
    let fake = builder().start();
    let metadata = Http::new(&fake)
        .get_with(
            "/oidc/.well-known/openid-configuration",
            &[("Host", "localhost:1234")],
        )
        .ok();
    assert_eq!(metadata["issuer"], fake.issuer());
    assert_eq!(
        metadata["token_endpoint"],
        "http://localhost:1234/oidc/token"
    );
}

#[test]
fn key_set_has_one_es384_key() {
    let fake = builder().start();
    let answer = Http::new(&fake).get("/oidc/jwks");
    assert_eq!(
        answer.header("content-type"),
        Some("application/jwk-set+json; charset=utf-8")
    );
    assert_eq!(
        answer.header("cache-control"),
        Some("no-cache, max-age=0, must-revalidate")
    );
    let keys = answer.ok();
    let key = &keys["keys"][0];
    for (member, value) in [
        ("kty", "EC"),
        ("use", "sig"),
        ("alg", "ES384"),
        ("crv", "P-384"),
    ] {
        assert_eq!(key[member], value, "{member}");
    }
    for (member, length) in [("kid", 43), ("x", 64), ("y", 64)] {
        assert_eq!(common::text(key, member).len(), length, "{member}");
    }
}

#[test]
fn rotated_keys_stay_in_the_set_until_removed() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let tokens = common::tokens(&fake, "web", &[]);
    let old = common::text(&tokens, "id_token");
    fake.rotate_keys();
    let tokens = common::tokens(&fake, "web", &[]);
    let new = common::text(&tokens, "id_token");
    assert_ne!(common::decode(old).0["kid"], common::decode(new).0["kid"]);
    assert_eq!(common::verify(&http, old), Some(true));
    assert_eq!(common::verify(&http, new), Some(true));
    fake.remove_previous_keys();
    assert_eq!(common::verify(&http, old), None);
    assert_eq!(common::verify(&http, new), Some(true));
}

#[test]
fn unchanged_answers_are_not_sent_again() {
    let fake = builder().start();
    let http = Http::new(&fake);
    for path in ["/oidc/jwks", "/oidc/.well-known/openid-configuration"] {
        let first = http.get(path);
        let tag = first.header("etag").expect("a tag");
        let second = http.get_with(path, &[("If-None-Match", tag)]);
        assert_eq!((second.status, second.text.as_str()), (304, ""));
    }
}

#[test]
fn unknown_addresses_are_404() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let answer = http.get("/oidc/nonexistent");
    assert_eq!(answer.status, 404);
    let expected = json!({
        "code": "oidc.invalid_request",
        "message": "Request is invalid.",
        "error": "invalid_request",
        "error_description": "unrecognized route or not allowed method (GET on /nonexistent)",
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(http.get("/oidc/token").status, 404);
    let outside = http.get("/.well-known/openid-configuration");
    assert_eq!(outside.status, 404);
    assert_eq!(
        outside.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}
