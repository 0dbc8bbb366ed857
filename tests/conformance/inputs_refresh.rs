//! What can be wrong with the answer to a refresh. What becomes of the session when a refresh fails at any
//! other point is in `tests/refresh_failures`.

use logto::storage::PersistKey;
use logto::{HttpError, IdTokenError, JwtError, LogtoError, Prompt, ResponseError, SignInOptions};
use logto_testing::{Endpoint, Misbehaviour};
use serde_json::{Map, Value, json};

use crate::basic::is_missing;
use crate::scene::{Check, REDIRECT_URI, Scene, is, is_http, is_response};

type Change = fn(&mut Map<String, Value>);

/// A session whose ID token tells when the user signed in.
fn with_auth_time() -> Scene {
    let scene = Scene::new();
    let options = SignInOptions::new(REDIRECT_URI).prompt([Prompt::Login, Prompt::Consent]);
    scene.fake.sign_in_as("alice");
    let callback = scene.come_back(&scene.start(options));
    let claims = scene.finish(&callback).unwrap().claims;
    assert!(claims.auth_time.is_some() && claims.nonce.is_some());
    scene
}

macro_rules! mismatch {
    ($claim:literal) => {
        is!(LogtoError::IdToken(IdTokenError::SessionMismatch {
            claim: $claim
        }))
    };
}

#[test]
fn an_id_token_of_another_session_leaves_the_old_identity() {
    let rows: [(&str, Change, Check); 16] = [
        (
            "sub",
            |claims| claims["sub"] = "bob".into(),
            mismatch!("sub"),
        ),
        (
            "sub in another case",
            |claims| claims["sub"] = "Alice".into(),
            mismatch!("sub"),
        ),
        (
            "no sub",
            |claims| drop(claims.remove("sub")),
            |error| is_missing(error, "sub"),
        ),
        (
            "iss",
            |claims| claims["iss"] = "http://evil.example/oidc".into(),
            is!(LogtoError::IdToken(IdTokenError::IssuerMismatch)),
        ),
        (
            "aud",
            |claims| claims["aud"] = "evil".into(),
            is!(LogtoError::IdToken(IdTokenError::AudienceMismatch)),
        ),
        (
            "a further aud",
            |claims| claims["aud"] = json!(["app", "evil"]),
            is!(LogtoError::IdToken(IdTokenError::UntrustedAudience)),
        ),
        (
            "the same aud twice",
            |claims| claims["aud"] = json!(["app", "app"]),
            mismatch!("aud"),
        ),
        (
            "azp",
            |claims| drop(claims.insert("azp".to_owned(), "evil".into())),
            is!(LogtoError::IdToken(IdTokenError::AuthorizedPartyMismatch)),
        ),
        (
            "auth_time earlier",
            |claims| claims["auth_time"] = json!(1),
            mismatch!("auth_time"),
        ),
        (
            "auth_time later",
            |claims| claims["auth_time"] = json!(claims["auth_time"].as_i64().unwrap() + 1),
            mismatch!("auth_time"),
        ),
        (
            "nonce",
            |claims| claims["nonce"] = "another".into(),
            mismatch!("nonce"),
        ),
        (
            "nonce empty",
            |claims| claims["nonce"] = "".into(),
            mismatch!("nonce"),
        ),
        (
            "expired",
            |claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 60),
            is!(LogtoError::IdToken(IdTokenError::Expired)),
        ),
        (
            "of the future",
            |claims| claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 61),
            is!(LogtoError::IdToken(IdTokenError::NotYetValid)),
        ),
        (
            "at_hash",
            |claims| drop(claims.insert("at_hash".to_owned(), "AAAA".into())),
            is!(LogtoError::IdToken(IdTokenError::AccessTokenHashMismatch)),
        ),
        (
            "no exp",
            |claims| drop(claims.remove("exp")),
            |error| is_missing(error, "exp"),
        ),
    ];
    let scene = with_auth_time();
    for (fed, change, expected) in rows {
        println!("{fed}");
        scene.fake.tamper_id_token(move |_, claims| change(claims));
        let error = scene.refused(&[Endpoint::Token], |_| scene.refresh());
        assert!(expected(&error), "{fed}: {error:?}");
        assert!(!error.requires_sign_in(), "{fed}");
    }
    scene.fake.calm();
    scene.refresh().unwrap().unwrap();
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
    scene.recovers();
}

#[test]
fn what_an_id_token_of_the_same_session_may_leave_out() {
    let scene = with_auth_time();
    let rows: [(&str, Change); 3] = [
        ("nonce", |claims| drop(claims.remove("nonce").unwrap())),
        ("auth_time", |claims| {
            drop(claims.remove("auth_time").unwrap())
        }),
        ("iat long ago", |claims| {
            claims["iat"] = json!(claims["iat"].as_i64().unwrap() - 3000)
        }),
    ];
    for (fed, change) in rows {
        println!("{fed}");
        let scene = match fed {
            "iat long ago" => &scene,
            _ => &with_auth_time(),
        };
        scene.fake.tamper_id_token(move |_, claims| change(claims));
        let result = scene.refresh();
        assert!(matches!(result, Ok(Some(_))), "{fed}: {result:?}");
    }
}

#[test]
fn headers_and_signatures_are_held_to_the_same() {
    let scene = Scene::signed_in();
    for (misbehaviour, requests, expected) in [
        (
            Misbehaviour::WrongSignature,
            &[Endpoint::Token][..],
            is!(LogtoError::IdToken(IdTokenError::Jwt(
                JwtError::InvalidSignature
            ))),
        ),
        (
            Misbehaviour::UnknownKey,
            &[Endpoint::Token, Endpoint::Jwks],
            is!(LogtoError::IdToken(IdTokenError::Jwt(
                JwtError::NoMatchingKey
            ))),
        ),
        (
            Misbehaviour::ExpiredIdToken,
            &[Endpoint::Token],
            is!(LogtoError::IdToken(IdTokenError::Expired)),
        ),
    ] {
        scene.fake.misbehave(Endpoint::Token, misbehaviour.clone());
        let error = scene.refused(requests, |_| scene.refresh());
        assert!(expected(&error), "{misbehaviour:?}: {error:?}");
        scene.fake.calm();
    }
    for (alg, typ) in [("none", "JWT"), ("HS256", "JWT"), ("ES384", "at+jwt")] {
        scene.fake.tamper_id_token(move |header, _| {
            header.insert("alg".to_owned(), alg.into());
            header.insert("typ".to_owned(), typ.into());
        });
        let error = scene.refused(&[Endpoint::Token], |_| scene.refresh());
        assert!(
            is!(LogtoError::IdToken(IdTokenError::Jwt(_)))(&error),
            "{alg} {typ}: {error:?}"
        );
    }
    scene.recovers();
}

#[test]
fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    for scene in [Scene::signed_in(), Scene::native()] {
        let before = scene.client.refresh_token().unwrap();
        for value in [None, Some(Value::Null)] {
            scene
                .fake
                .tamper_response(Endpoint::Token, move |answer| match &value {
                    None => drop(answer.as_object_mut().unwrap().remove("refresh_token")),
                    Some(value) => answer["refresh_token"] = value.clone(),
                });
            scene.refresh().unwrap().unwrap();
            assert_eq!(scene.client.refresh_token().unwrap(), before);
        }
    }
}

#[test]
fn an_empty_refresh_token_is_an_error_and_replaces_nothing() {
    for scene in [Scene::signed_in(), Scene::native()] {
        scene.fake.tamper_response(Endpoint::Token, |answer| {
            answer["refresh_token"] = "".into()
        });
        let error = scene.refused(&[Endpoint::Token], |_| scene.refresh());
        assert!(
            is_response!(ResponseError::Json { .. })(&error),
            "{error:?}"
        );
        scene.recovers();
    }
}

/// The server has rotated the refresh token and told the new one; the rest is refused, and the grant is
/// alive.
fn is_rotated_only(scene: &Scene, fed: &str, expected: Check) {
    let (before, sent) = (scene.stored(), scene.client.refresh_token().unwrap());
    scene.fake.clear_requests();
    let error = scene.refresh().unwrap_err();
    assert!(expected(&error), "{fed}: {error:?}");
    assert!(!error.requires_sign_in() && !error.is_retryable(), "{fed}");
    assert_eq!(scene.requests(), [Endpoint::Token], "{fed}");
    scene.tells_no_secret(&error);
    for (key, value) in scene.stored() {
        assert!(value == before[&key], "{fed}: the {key} has changed");
    }
    assert_eq!(scene.client.refresh_token().unwrap(), sent, "{fed}");
    let rotated = scene.pending_refresh_token();
    assert!(rotated.is_some() && rotated != sent, "{fed}");
    scene.fake.calm();
    for _ in 0..2 {
        // Longer than a used one would be forgiven.
        scene.pass(10);
        scene.refresh().unwrap().unwrap();
        assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
    }
}

#[test]
fn a_rotated_token_is_kept_of_an_answer_that_is_refused() {
    type Tamper = fn(&mut Value);
    let shape = is_response!(ResponseError::Json { .. });
    let rows: [(&str, Tamper, Check); 7] = [
        (
            "no access_token",
            |answer| drop(answer.as_object_mut().unwrap().remove("access_token")),
            shape,
        ),
        (
            "no token_type",
            |answer| drop(answer.as_object_mut().unwrap().remove("token_type")),
            shape,
        ),
        (
            "token_type mac",
            |answer| answer["token_type"] = "mac".into(),
            is_response!(ResponseError::TokenType),
        ),
        (
            "expires_in -1",
            |answer| answer["expires_in"] = json!(-1),
            shape,
        ),
        (
            "expires_in 1e308",
            |answer| answer["expires_in"] = json!(1e308),
            shape,
        ),
        (
            "id_token a.b.c",
            |answer| answer["id_token"] = "a.b.c".into(),
            is!(LogtoError::IdToken(IdTokenError::Jwt(
                JwtError::Base64 { .. }
            ))),
        ),
        (
            "id_token damaged",
            |answer| {
                let token = answer["id_token"].as_str().unwrap();
                answer["id_token"] = format!("{}AAAA", &token[..token.len() - 4]).into();
            },
            is!(LogtoError::IdToken(IdTokenError::Jwt(
                JwtError::InvalidSignature
            ))),
        ),
    ];
    let scene = Scene::native();
    for (fed, tamper, expected) in rows {
        println!("{fed}");
        scene.fake.tamper_response(Endpoint::Token, tamper);
        is_rotated_only(&scene, fed, expected);
    }
    let rows: [(&str, Change, Check); 4] = [
        (
            "sub",
            |claims| claims["sub"] = "bob".into(),
            mismatch!("sub"),
        ),
        (
            "nonce",
            |claims| claims["nonce"] = "another".into(),
            mismatch!("nonce"),
        ),
        (
            "iss",
            |claims| claims["iss"] = "http://evil.example/oidc".into(),
            is!(LogtoError::IdToken(IdTokenError::IssuerMismatch)),
        ),
        (
            "aud",
            |claims| claims["aud"] = "evil".into(),
            is!(LogtoError::IdToken(IdTokenError::AudienceMismatch)),
        ),
    ];
    for (fed, change, expected) in rows {
        println!("{fed}");
        scene.fake.tamper_id_token(move |_, claims| change(claims));
        is_rotated_only(&scene, fed, expected);
    }
    scene.recovers();
}

#[test]
fn answers_that_are_no_tokens() {
    for scene in [Scene::signed_in(), Scene::native()] {
        each_is_refused(&scene);
    }
}

fn each_is_refused(scene: &Scene) {
    let elsewhere = Scene::new();
    let redirect = |status| Misbehaviour::Redirect {
        status,
        location: format!("{}/oidc/token", elsewhere.fake.endpoint()),
    };
    let target = Misbehaviour::Error {
        status: 400,
        error: "invalid_target".to_owned(),
        description: "resource indicator is missing, or unknown".to_owned(),
    };
    let once = &[Endpoint::Token][..];
    let twice = &[Endpoint::Token, Endpoint::Token][..];
    for (misbehaviour, requests, expected, is_retryable) in [
        (
            target,
            once,
            is!(LogtoError::OAuth(error) if error.error == "invalid_target"),
            false,
        ),
        (
            Misbehaviour::Html,
            once,
            is_response!(ResponseError::ContentType { .. }),
            false,
        ),
        (
            Misbehaviour::Garbage,
            once,
            is_response!(ResponseError::Json { .. }),
            false,
        ),
        (
            Misbehaviour::HugeBody,
            once,
            is_http!(HttpError::BodyTooLarge { .. }),
            false,
        ),
        (
            redirect(307),
            once,
            is_response!(ResponseError::Redirect { .. }),
            false,
        ),
        (
            redirect(308),
            once,
            is_response!(ResponseError::Redirect { .. }),
            false,
        ),
        (
            Misbehaviour::Status(429),
            once,
            is!(LogtoError::OAuth(_)),
            true,
        ),
        (
            Misbehaviour::Status(500),
            once,
            is!(LogtoError::OAuth(_)),
            true,
        ),
        // A lost answer is asked for again, once.
        (
            Misbehaviour::CloseUnprocessed,
            twice,
            is_http!(HttpError::Interrupted { .. }),
            true,
        ),
    ] {
        scene.fake.misbehave(Endpoint::Token, misbehaviour.clone());
        let error = scene.refused(requests, |_| scene.refresh());
        assert!(expected(&error), "{misbehaviour:?}: {error:?}");
        assert_eq!(error.is_retryable(), is_retryable, "{misbehaviour:?}");
        assert!(!error.requires_sign_in(), "{misbehaviour:?}");
        scene.fake.calm();
    }
    assert_eq!(elsewhere.fake.connections(), 0);
    scene
        .fake
        .misbehave_times(Endpoint::Token, 1, Misbehaviour::Status(500));
    scene.refresh().unwrap_err();
    scene.refresh().unwrap().unwrap();
    scene.recovers();
}

#[test]
fn what_the_server_has_ended_needs_a_sign_in() {
    let scene = Scene::signed_in();
    scene.fake.revoke_grants();
    scene.fake.clear_requests();
    let mut before = scene.stored();
    let error = scene.refresh().unwrap_err();
    assert!(
        error.requires_sign_in() && !error.is_retryable(),
        "{error:?}"
    );
    assert_eq!(scene.requests(), [Endpoint::Token]);
    scene.tells_no_secret(&error);
    before.insert(PersistKey::RefreshToken, None);
    assert!(
        scene.stored() == before,
        "only that is gone, and not sent again"
    );
    scene.fake.clear_requests();
    assert_eq!(scene.refresh().unwrap(), None);
    assert!(scene.requests().is_empty());
    scene.recovers();
}

#[test]
fn an_organization_that_the_user_is_not_in_is_refused_by_the_server() {
    let scene = Scene::signed_in();
    let error = scene.refused(&[Endpoint::Token], |client| {
        client.organization_token("nobody")
    });
    let told = error.oauth_error().unwrap();
    assert_eq!(told.status, Some(403), "{error:?}");
}

/// Whose the token of a refused answer is, only a later ID token tells.
#[test]
fn a_rotated_token_that_waits_for_its_id_token_serves_nobody_without_one() {
    let scene = Scene::native();
    scene.put_claim("sub", "bob");
    scene.refresh().unwrap_err();
    let waiting = scene.pending_refresh_token();
    scene.fake.calm();
    scene.fake.tamper_response(Endpoint::Token, |answer| {
        answer.as_object_mut().unwrap().remove("id_token");
    });
    for _ in 0..2 {
        let error = scene.refresh().unwrap_err();
        let is_missing = is_response!(ResponseError::IdTokenMissing);
        assert!(is_missing(&error), "{error:?}");
    }
    assert!(waiting.is_some() && scene.pending_refresh_token() != waiting);
    scene.fake.calm();
    scene.refresh().unwrap().unwrap();
    scene.recovers();
}
