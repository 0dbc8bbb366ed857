//! What is worth having of the suite's FAPI profiles, each test named for what it feeds.

use logto::{CallbackError, IdTokenError, JwtError, LogtoError};
use logto_testing::{Endpoint, SigningAlgorithm};
use serde_json::{Value, json};

use crate::basic::is_missing;
use crate::scene::{RESOURCE, Scene, is};

#[test]
fn response_without_iss() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    let (without, _) = callback.split_once("&iss=").unwrap();
    let error = scene.refused_sign_in(without, &[]);
    assert!(
        is!(LogtoError::Callback(CallbackError::IssuerMissing))(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn response_with_invalid_iss() {
    let scene = Scene::signed_in();
    for iss in ["https://example.org/oidc", "", "{iss}/", "{iss}%20"] {
        let callback = scene.callback();
        let (start, _) = callback.split_once("&iss=").unwrap();
        let iss = iss.replace("{iss}", scene.fake.issuer());
        let error = scene.refused_sign_in(&format!("{start}&iss={iss}"), &[]);
        let is_issuer = is!(LogtoError::Callback(CallbackError::IssuerMismatch));
        assert!(is_issuer(&error), "{iss}: {error:?}");
    }
    scene.recovers();
}

/// A sign-in and a refresh whose answers are changed so.
fn is_good_with(tamper: fn(&mut Value)) {
    let scene = Scene::new();
    scene.fake.tamper_response(Endpoint::Token, tamper);
    scene.sign_in("alice");
    let token = scene.refresh().unwrap();
    assert!(token.is_some());
}

#[test]
fn token_type_in_odd_case() {
    is_good_with(|answer| answer["token_type"] = "bEARer".into());
}

#[test]
fn no_scope_in_the_token_response() {
    is_good_with(|answer| drop(answer.as_object_mut().unwrap().remove("scope")));
}

#[test]
fn no_expires_in() {
    is_good_with(|answer| drop(answer.as_object_mut().unwrap().remove("expires_in")));
    // A lifetime that is not known is none: the token serves the caller, and the next one asks.
    let scene = Scene::signed_in();
    scene.fake.tamper_response(Endpoint::Token, |answer| {
        answer.as_object_mut().unwrap().remove("expires_in");
    });
    scene.fake.clear_requests();
    for asked in 1..=2 {
        scene.client.access_token(RESOURCE).unwrap().unwrap();
        assert_eq!(scene.requests().len(), asked);
    }
}

#[test]
fn aud_as_array() {
    let scene = Scene::new();
    scene.put_claim("aud", json!(["app"]));
    scene.sign_in("alice");
    scene.refresh().unwrap().unwrap();
}

#[test]
fn second_audience() {
    let scene = Scene::signed_in();
    for aud in [json!(["app", "evil"]), json!(["evil", "app"])] {
        scene.put_claim("aud", aud);
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        let is_audience = is!(LogtoError::IdToken(IdTokenError::UntrustedAudience));
        assert!(is_audience(&error), "{error:?}");
    }
    scene.recovers();
}

#[test]
fn null_alg() {
    let scene = Scene::signed_in();
    scene.fake.tamper_id_token(|header, _| {
        header.insert("alg".to_owned(), Value::Null);
    });
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    let is_header = is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::Json {
        part: "header",
        ..
    })));
    assert!(is_header(&error), "{error:?}");
    scene.recovers();
}

#[test]
fn alternate_alg() {
    let scene = Scene::signed_in();
    let is_unknown = is!(LogtoError::IdToken(IdTokenError::Jwt(
        JwtError::NoMatchingKey
    )));
    // The key is for ES384 only, and there is no other.
    for algorithm in SigningAlgorithm::ALL {
        if algorithm == SigningAlgorithm::Es384 {
            continue;
        }
        scene.pass(30);
        scene.fake.tamper_id_token(move |header, _| {
            header.insert("alg".to_owned(), algorithm.name().into());
        });
        let requests = [Endpoint::Token, Endpoint::Jwks];
        let error = scene.refused_sign_in(&scene.callback(), &requests);
        assert!(is_unknown(&error), "{algorithm:?}: {error:?}");
    }
    scene.recovers();
}

#[test]
fn iat_a_week_ago() {
    let scene = Scene::signed_in();
    let now = scene.client.id_token_claims().unwrap().iat;
    scene.put_claim("iat", now - 7 * 86400);
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(
        is!(LogtoError::IdToken(IdTokenError::TooOld))(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn missing_aud_exp_and_iss() {
    let scene = Scene::signed_in();
    for claim in ["aud", "exp", "iss"] {
        scene.drop_claim(claim);
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert!(is_missing(&error, claim), "{claim}: {error:?}");
    }
    scene.recovers();
}

#[test]
fn missing_nonce() {
    let scene = Scene::signed_in();
    scene.drop_claim("nonce");
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(
        is!(LogtoError::IdToken(IdTokenError::NonceMissing))(&error),
        "{error:?}"
    );
    scene.recovers();
}
