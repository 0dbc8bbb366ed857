//! What is no ID token, or the right one at another place.

use logto::{IdTokenError, JwtError, LogtoError};
use logto_testing::Endpoint;
use serde_json::Value;

use crate::forger::Forger;
use crate::scene::{Check, RESOURCE, Scene, is};

const NO_GOOD_JSON: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::Json {
    part: "payload",
    ..
})));

/// A server with the test's own key, whose ID tokens have this made of their claims' text.
fn scene_with_text(change: fn(String) -> String) -> Scene {
    let scene = Scene::new();
    let forger = Forger::at(&scene.fake);
    scene.replace_id_token(move |_, claims| {
        let claims = change(Value::from(claims).to_string());
        forger.sign(&Forger::header().to_string(), &claims)
    });
    scene
}

#[test]
fn claims_that_are_no_good_json() {
    type Row = (&'static str, fn(String) -> String);
    let rows: [Row; 17] = [
        ("exp twice", |claims| {
            claims.replacen('{', r#"{"exp":99999999999,"#, 1)
        }),
        ("sub twice, the same", |claims| {
            claims.replacen('{', r#"{"sub":"bob","#, 1)
        }),
        ("nonce twice", |claims| {
            claims.replacen('{', r#"{"nonce":"x","#, 1)
        }),
        ("aud twice", |claims| {
            claims.replacen('{', r#"{"aud":"app","#, 1)
        }),
        ("a claim that nobody knows twice", |claims| {
            claims.replacen('{', r#"{"x":1,"x":1,"#, 1)
        }),
        ("a member of a claim twice", |claims| {
            claims.replacen('{', r#"{"x":[{"y":1,"y":2}],"#, 1)
        }),
        ("exp 1e400", |claims| {
            claims.replacen(r#""exp":"#, r#""exp":1e400,"old_exp":"#, 1)
        }),
        ("exp of 30 digits", |claims| {
            claims.replacen(
                r#""exp":"#,
                r#""exp":999999999999999999999999999999,"old_exp":"#,
                1,
            )
        }),
        ("another number 1e400", |claims| {
            claims.replacen('{', r#"{"x":1e400,"#, 1)
        }),
        ("a list", |claims| format!("[{claims}]")),
        ("a text", |_| r#""claims""#.to_owned()),
        ("null", |_| "null".to_owned()),
        ("empty", |_| String::new()),
        ("an empty object", |_| "{}".to_owned()),
        ("cut off", |claims| claims[..claims.len() - 1].to_owned()),
        ("with more behind", |claims| format!("{claims}{claims}")),
        ("deep", |claims| {
            claims.replacen(
                '{',
                &format!(r#"{{"x":{}{},"#, "[".repeat(1000), "]".repeat(1000)),
                1,
            )
        }),
    ];
    for (fed, change) in rows {
        println!("{fed}");
        let scene = scene_with_text(change);
        let requests = [Endpoint::Token, Endpoint::Jwks];
        let error = scene.refused_sign_in(&scene.callback(), &requests);
        assert!(NO_GOOD_JSON(&error), "{fed}: {error:?}");
        scene.recovers();
    }
}

#[test]
fn a_token_can_be_16_kib_long_and_no_longer() {
    fn padded(claims: String, length: usize) -> String {
        claims.replacen('{', &format!(r#"{{"x":"{}","#, "x".repeat(length)), 1)
    }
    let scene = scene_with_text(|claims| padded(claims, 16 * 1024));
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    let is_long = is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::TooLarge {
        limit: 16384
    })));
    assert!(is_long(&error), "{error:?}");
    scene.recovers();
    scene_with_text(|claims| padded(claims, 11_000)).sign_in("alice");
}

/// A sign-in of Bob whose answer has this in the place of its ID token.
fn refused_with(scene: &Scene, token: String, expected: Check) {
    scene.fake.tamper_response(Endpoint::Token, move |answer| {
        answer["id_token"] = token.clone().into();
    });
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(expected(&error), "{error:?}");
    scene.fake.calm();
}

#[test]
fn a_good_token_of_another_time_or_another_kind() {
    let scene = Scene::signed_in();
    let wrong_type = is!(LogtoError::IdToken(IdTokenError::Jwt(
        JwtError::WrongType { .. }
    )));
    let access_token = scene.client.access_token(RESOURCE).unwrap().unwrap();
    refused_with(&scene, access_token, wrong_type);
    let logout_token = scene.fake.logout_token("app", "bob").sign();
    refused_with(&scene, logout_token, wrong_type);
    let opaque = scene.client.access_token(None).unwrap().unwrap();
    let not_a_jwt = is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::NotAJwt)));
    refused_with(&scene, opaque, not_a_jwt);
    // Alice's own, of her sign-in before.
    let replayed = scene.client.id_token().unwrap().unwrap();
    let another_sign_in = is!(LogtoError::IdToken(IdTokenError::NonceMismatch));
    refused_with(&scene, replayed, another_sign_in);
    scene.recovers();
}
