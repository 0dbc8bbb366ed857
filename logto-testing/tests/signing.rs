//! Keys of every kind, and tokens that a test makes itself.

mod common;

use common::{Http, builder, decode, text, tokens, verify};
use logto_core::{Logto, LogtoConfig, MemoryStorage, SessionId};
use logto_testing::{FakeLogto, SigningAlgorithm};
use serde_json::json;

/// Signs in with the SDK, which looks at the signature.
fn sign_in(fake: &FakeLogto) -> Result<String, logto_core::LogtoError> {
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
    let logto = Logto::builder(config).clock(fake.clock()).build()?;
    let client = logto.session(&MemoryStorage::new(), &SessionId::random());
    let url = client.sign_in(common::CALLBACK)?;
    let user = client.handle_sign_in_callback(&fake.authorize(&url))?;
    Ok(user.claims.sub)
}

#[test]
fn tokens_of_every_algorithm_are_right() {
    for algorithm in SigningAlgorithm::ALL {
        let fake = builder().signing_algorithm(algorithm).start();
        assert_eq!(sign_in(&fake).unwrap(), "alice", "{algorithm:?}");
        let body = tokens(&fake, "web", &[]);
        let (header, _) = decode(text(&body, "id_token"));
        assert_eq!(header["alg"], algorithm.name());
        assert_eq!(header["kid"], fake.jwks()["keys"][0]["kid"]);
    }
}

#[test]
fn rsa_keys_do_not_say_what_they_are_for() {
    let fake = builder().signing_algorithm(SigningAlgorithm::Rs256).start();
    let key = &Http::new(&fake).get("/oidc/jwks").ok()["keys"][0];
    assert_eq!(key["kty"], "RSA");
    assert_eq!(key["e"], "AQAB");
    assert_eq!(text(key, "n").len(), 342);
    assert_eq!(key.get("alg"), None);
}

#[test]
fn metadata_lists_the_algorithms_of_all_keys() {
    let fake = builder().start();
    let supported = || {
        let answer = Http::new(&fake).get("/oidc/.well-known/openid-configuration");
        answer.ok()["id_token_signing_alg_values_supported"].clone()
    };
    assert_eq!(supported(), json!(["ES384"]));
    fake.rotate_keys_to(SigningAlgorithm::Rs256);
    assert_eq!(supported(), json!(["PS256", "RS256", "ES384"]));
    fake.remove_previous_keys();
    assert_eq!(supported(), json!(["PS256", "RS256"]));
}

#[test]
fn keys_rotate_to_another_algorithm_and_on() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    fake.rotate_keys_to(SigningAlgorithm::Rs256);
    let (header, _) = decode(text(&tokens(&fake, "web", &[]), "id_token"));
    assert_eq!(header["alg"], "RS256");
    assert_eq!(verify(&http, text(&first, "id_token")), Some(true));
    fake.rotate_keys();
    let (next, _) = decode(text(&tokens(&fake, "web", &[]), "id_token"));
    assert_eq!(next["alg"], "RS256");
    assert_ne!(next["kid"], header["kid"]);
    fake.rotate_keys();
    assert_eq!(fake.jwks()["keys"].as_array().unwrap().len(), 3);
    sign_in(&fake).unwrap();
}

#[test]
fn token_that_a_test_makes_is_signed_with_the_current_key() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let header = json!({"alg": "RS256", "kid": fake.jwks()["keys"][0]["kid"], "typ": "odd"});
    let token = fake.sign_jwt(header.clone(), json!({"sub": 7}));
    assert_eq!(decode(&token), (header.clone(), json!({"sub": 7})));
    assert_eq!(verify(&http, &token), Some(true));
    let forged = fake.forge_jwt(header, json!({"sub": 7}));
    assert_eq!(verify(&http, &forged), Some(false));
    let unsigned = fake.sign_jwt(json!({"alg": "none"}), json!({}));
    assert!(unsigned.ends_with('.'));
}

#[test]
fn key_set_of_a_test_is_published_until_calm() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let before = http.get("/oidc/jwks");
    let tag = [("If-None-Match", before.header("etag").unwrap())];
    fake.set_jwks(json!({"keys": "none"}));
    let answer = http.get_with("/oidc/jwks", &tag);
    assert_eq!(answer.ok(), json!({"keys": "none"}));
    assert!(sign_in(&fake).is_err());
    fake.calm();
    assert_eq!(http.get_with("/oidc/jwks", &tag).status, 304);
    assert_eq!(fake.jwks(), before.ok());
    sign_in(&fake).unwrap();
}
