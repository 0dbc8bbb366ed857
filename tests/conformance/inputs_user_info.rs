//! User information that is somebody else's, or none.

use logto::{DiscoveryError, HttpError, LogtoError, ResponseError};
use logto_testing::{Endpoint, Misbehaviour};
use serde_json::{Value, json};

use crate::scene::{Check, Scene, is, is_http, is_response};

fn refused(scene: &Scene, fed: &str, expected: Check) -> LogtoError {
    let requests = [Endpoint::UserInfo];
    let error = scene.refused(&requests, |client| client.fetch_user_info());
    assert!(expected(&error), "{fed}: {error:?}");
    error
}

#[test]
fn of_another_subject() {
    let scene = Scene::signed_in();
    for sub in ["bob", "Alice", "alice ", ""] {
        scene
            .fake
            .tamper_response(Endpoint::UserInfo, move |answer| answer["sub"] = sub.into());
        refused(&scene, sub, is!(LogtoError::UserInfoSubjectMismatch));
    }
    scene.fake.calm();
    assert_eq!(scene.client.fetch_user_info().unwrap().sub, "alice");
}

#[test]
fn without_a_subject_or_of_another_shape() {
    let scene = Scene::signed_in();
    type Tamper = fn(&mut Value);
    let rows: [(&str, Tamper); 8] = [
        ("without sub", |answer| {
            drop(answer.as_object_mut().unwrap().remove("sub"))
        }),
        ("sub null", |answer| answer["sub"] = Value::Null),
        ("sub a number", |answer| answer["sub"] = json!(1)),
        ("sub a list", |answer| answer["sub"] = json!(["alice"])),
        ("name a number", |answer| answer["name"] = json!(1)),
        ("a list", |answer| *answer = json!([])),
        ("null", |answer| *answer = Value::Null),
        ("a token", |answer| {
            *answer = json!("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.")
        }),
    ];
    for (fed, tamper) in rows {
        println!("{fed}");
        scene.fake.tamper_response(Endpoint::UserInfo, tamper);
        refused(&scene, fed, is_response!(ResponseError::Json { .. }));
    }
    scene.recovers();
}

#[test]
fn answers_that_are_no_user_information() {
    let scene = Scene::signed_in();
    let elsewhere = Scene::new();
    let redirect = Misbehaviour::Redirect {
        status: 302,
        location: format!("{}/oidc/me", elsewhere.fake.endpoint()),
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
            is_http!(HttpError::BodyTooLarge { limit: 262_144, .. }),
            false,
        ),
        (
            redirect,
            is_response!(ResponseError::Redirect { .. }),
            false,
        ),
        (Misbehaviour::Status(403), is!(LogtoError::OAuth(_)), false),
        (Misbehaviour::Status(500), is!(LogtoError::OAuth(_)), true),
    ] {
        scene
            .fake
            .misbehave(Endpoint::UserInfo, misbehaviour.clone());
        let error = refused(&scene, &format!("{misbehaviour:?}"), expected);
        assert_eq!(error.is_retryable(), is_retryable, "{misbehaviour:?}");
        assert!(!error.requires_sign_in(), "{misbehaviour:?}");
        scene.fake.calm();
    }
    assert_eq!(elsewhere.fake.connections(), 0);
    scene.recovers();
}

#[test]
fn a_token_that_is_refused_once_is_replaced_once() {
    let scene = Scene::signed_in();
    let refusal = Misbehaviour::Error {
        status: 401,
        error: "invalid_token".to_owned(),
        description: "invalid token provided".to_owned(),
    };
    scene
        .fake
        .misbehave_times(Endpoint::UserInfo, 1, refusal.clone());
    scene.fake.clear_requests();
    assert_eq!(scene.client.fetch_user_info().unwrap().sub, "alice");
    let requests = [Endpoint::UserInfo, Endpoint::Token, Endpoint::UserInfo];
    assert_eq!(scene.requests(), requests);

    scene.fake.misbehave(Endpoint::UserInfo, refusal);
    scene.fake.clear_requests();
    let error = scene.client.fetch_user_info().unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "invalid_token");
    assert_eq!(scene.requests(), requests, "and not again");
    scene.tells_no_secret(&error);
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
    scene.recovers();
}

#[test]
fn a_server_that_has_none_signs_users_in_all_the_same() {
    let scene = Scene::new();
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata["userinfo_endpoint"] = Value::Null;
        metadata["scopes_supported"] = Value::Null;
    });
    scene.sign_in("alice");
    let error = scene.refused(&[], |client| client.fetch_user_info());
    let has_none = is!(LogtoError::Discovery(DiscoveryError::MissingEndpoint {
        name: "userinfo_endpoint"
    }));
    assert!(has_none(&error), "{error:?}");
    scene.recovers();
}
