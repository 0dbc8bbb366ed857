//! Key sets with keys that do not fit, and answers that are no key set.

use logto::{HttpError, IdTokenError, JwtError, LogtoError, ResponseError};
use logto_testing::{Endpoint, Misbehaviour, SigningAlgorithm};
use serde_json::{Value, json};

use crate::forger::{Forger, encode};
use crate::scene::{Scene, Stage, is, is_http, is_response};

/// What a first sign-in asks for whose key is not in the set.
const FRUITLESS: [Endpoint; 2] = [Endpoint::Token, Endpoint::Jwks];

fn is_unknown(error: &LogtoError) -> bool {
    is!(LogtoError::IdToken(IdTokenError::Jwt(
        JwtError::NoMatchingKey
    )))(error)
}

/// A server of these keys, of which nothing is known yet but the metadata.
fn scene_with_keys(
    algorithm: SigningAlgorithm,
    tamper: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Scene {
    let stage = Stage {
        algorithm,
        ..Stage::default()
    };
    let scene = stage.scene();
    scene
        .fake
        .tamper_response(Endpoint::Jwks, move |set| tamper(&mut set["keys"]));
    scene
}

#[test]
fn keys_that_do_not_fit_are_none() {
    use SigningAlgorithm::{Es256, Es384, Rs256};
    type Row = (SigningAlgorithm, &'static str, fn(&mut Value));
    let rows: [Row; 15] = [
        (Es384, "use: enc", |key| key["use"] = "enc".into()),
        (Es384, "key_ops: sign", |key| {
            key["key_ops"] = json!(["sign"])
        }),
        (Es384, "key_ops: none", |key| key["key_ops"] = json!([])),
        (Es384, "crv against alg", |key| key["alg"] = "ES256".into()),
        (Es384, "alg against kty", |key| key["alg"] = "RS256".into()),
        (Es384, "an alg of HMAC", |key| key["alg"] = "HS256".into()),
        (Es384, "alg none", |key| key["alg"] = "none".into()),
        (Es384, "another crv", |key| key["crv"] = "P-256".into()),
        (Es384, "kty against crv", |key| key["kty"] = "OKP".into()),
        (Es384, "another kid", |key| key["kid"] = "another".into()),
        (Es384, "no kid", |key| {
            drop(key.as_object_mut().unwrap().remove("kid"))
        }),
        (Es384, "off the curve", |key| key["y"] = key["x"].clone()),
        (Es256, "a coordinate too short", |key| {
            key["x"] = encode([1; 31]).into()
        }),
        (Es256, "the point at nought", |key| {
            key["x"] = encode([0; 32]).into();
            key["y"] = encode([0; 32]).into();
        }),
        (Rs256, "RSA 1024", |key| {
            key["n"] = encode([0xc7; 128]).into()
        }),
    ];
    for (algorithm, fed, tamper) in rows {
        println!("{fed}");
        let scene = scene_with_keys(algorithm, move |keys| tamper(&mut keys[0]));
        let error = scene.refused_sign_in(&scene.callback(), &FRUITLESS);
        assert!(is_unknown(&error), "{fed}: {error:?}");
        scene.pass(30);
        scene.recovers();
    }
}

#[test]
fn a_key_that_cannot_be_used_harms_no_other() {
    let broken = [
        Value::Null,
        json!("key"),
        json!([]),
        json!({}),
        json!({ "kty": "unknown", "kid": "x" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
        json!({ "kty": "oct", "k": "c2VjcmV0" }),
        json!({ "kty": "RSA", "n": "!", "e": "AQAB" }),
        json!({ "kty": "RSA", "n": encode([0xc7; 128]), "e": "AQAB" }),
        json!({ "kty": "EC", "crv": "P-384", "x": 1, "y": 2 }),
    ];
    let scene = scene_with_keys(SigningAlgorithm::Es384, move |keys| {
        for (index, key) in broken.iter().enumerate() {
            keys.as_array_mut().unwrap().insert(index, key.clone());
        }
    });
    scene.sign_in("alice");
}

#[test]
fn a_foreign_key_of_the_same_kid_does_not_hide_the_good_one() {
    let scene = scene_with_keys(SigningAlgorithm::Es384, |keys| {
        let mut impostor = Forger::new().jwk();
        impostor["kid"] = keys[0]["kid"].clone();
        keys.as_array_mut().unwrap().insert(0, impostor);
    });
    scene.sign_in("alice");
}

#[test]
fn a_private_key_by_mistake_and_unknown_members_do_no_harm() {
    let scene = scene_with_keys(SigningAlgorithm::Rs256, |keys| {
        keys[0]["d"] = "AQAB".into();
        keys[0]["x5c"] = json!(["MIIB"]);
        keys[0]["x5u"] = "http://127.0.0.1:9/never-asked".into();
    });
    scene.sign_in("alice");
}

#[test]
fn sets_without_a_key() {
    for set in [json!([]), json!([null])] {
        let fed = set.to_string();
        let scene = scene_with_keys(SigningAlgorithm::Es384, move |keys| *keys = set.clone());
        let error = scene.refused_sign_in(&scene.callback(), &FRUITLESS);
        assert!(is_unknown(&error), "{fed}: {error:?}");
    }
    for set in [json!(null), json!({}), json!("keys"), json!(1)] {
        let fed = set.to_string();
        let scene = scene_with_keys(SigningAlgorithm::Es384, move |keys| *keys = set.clone());
        let requests = [Endpoint::Token, Endpoint::Jwks];
        let error = scene.refused_sign_in(&scene.callback(), &requests);
        assert!(
            is_response!(ResponseError::Json { .. })(&error),
            "{fed}: {error:?}"
        );
        scene.recovers();
    }
}

#[test]
fn answers_that_are_no_key_set() {
    let elsewhere = Scene::new();
    let redirect = Misbehaviour::Redirect {
        status: 302,
        location: format!("{}/oidc/jwks", elsewhere.fake.endpoint()),
    };
    for (misbehaviour, expected, is_retryable) in [
        (
            Misbehaviour::Html,
            is_response!(ResponseError::ContentType { .. }),
            false,
        ),
        (
            Misbehaviour::Garbage,
            is_response!(ResponseError::Json { .. }),
            false,
        ),
        (
            Misbehaviour::HugeBody,
            is_http!(HttpError::BodyTooLarge {
                limit: 1_048_576,
                ..
            }),
            false,
        ),
        (
            redirect,
            is_response!(ResponseError::Redirect { status: 302, .. }),
            false,
        ),
        (Misbehaviour::Status(500), is!(LogtoError::OAuth(_)), true),
        (
            Misbehaviour::CloseMidResponse,
            is_http!(HttpError::Interrupted { .. }),
            true,
        ),
    ] {
        let scene = Scene::new();
        scene
            .fake
            .misbehave_times(Endpoint::Jwks, 1, misbehaviour.clone());
        let requests = [Endpoint::Token, Endpoint::Jwks];
        let error = scene.refused_sign_in(&scene.callback(), &requests);
        assert!(expected(&error), "{misbehaviour:?}: {error:?}");
        assert_eq!(error.is_retryable(), is_retryable, "{misbehaviour:?}");
        // The failure is not kept: the next sign-in finds the keys.
        scene.sign_in("bob");
        scene.recovers();
    }
}
