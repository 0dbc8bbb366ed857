//! What the token endpoint can answer to a code, and that a code is sent once whatever it answers.

use std::net::TcpListener;
use std::time::Duration;

use logto::storage::PersistKey;
use logto::{HttpError, Logto, LogtoError, ResponseError};
use logto_testing::{Endpoint, Misbehaviour};
use serde_json::{Value, json};

use crate::scene::{Check, RESOURCE, Scene, is, is_http, is_response, query_value, within};
use crate::secrets::Overheard;

type Tamper = fn(&mut Value);

fn remove(answer: &mut Value, member: &str) {
    answer.as_object_mut().unwrap().remove(member).unwrap();
}

const OF_ANOTHER_SHAPE: Check = is_response!(ResponseError::Json { .. });

#[test]
fn members_that_are_missing_or_wrong() {
    let no_bearer = is_response!(ResponseError::TokenType);
    let no_id_token = is_response!(ResponseError::IdTokenMissing);
    let rows: [(&str, Tamper, Check); 31] = [
        (
            "token_type mac",
            |answer| answer["token_type"] = "mac".into(),
            no_bearer,
        ),
        (
            "token_type DPoP",
            |answer| answer["token_type"] = "DPoP".into(),
            no_bearer,
        ),
        (
            "token_type N_A",
            |answer| answer["token_type"] = "N_A".into(),
            no_bearer,
        ),
        (
            "token_type empty",
            |answer| answer["token_type"] = "".into(),
            no_bearer,
        ),
        (
            "token_type missing",
            |answer| remove(answer, "token_type"),
            OF_ANOTHER_SHAPE,
        ),
        (
            "token_type null",
            |answer| answer["token_type"] = Value::Null,
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in -1",
            |answer| answer["expires_in"] = json!(-1),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in -0.5",
            |answer| answer["expires_in"] = json!(-0.5),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in 1e308",
            |answer| answer["expires_in"] = json!(1e308),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in of 2^64",
            |answer| answer["expires_in"] = json!(u64::MAX),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in of eleven years",
            |answer| answer["expires_in"] = json!(11 * 366 * 86400),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in of text",
            |answer| answer["expires_in"] = "soon".into(),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in empty",
            |answer| answer["expires_in"] = "".into(),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in \"-1\"",
            |answer| answer["expires_in"] = "-1".into(),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in true",
            |answer| answer["expires_in"] = true.into(),
            OF_ANOTHER_SHAPE,
        ),
        (
            "expires_in a list",
            |answer| answer["expires_in"] = json!([3600]),
            OF_ANOTHER_SHAPE,
        ),
        (
            "access_token missing",
            |answer| remove(answer, "access_token"),
            OF_ANOTHER_SHAPE,
        ),
        (
            "access_token empty",
            |answer| answer["access_token"] = "".into(),
            OF_ANOTHER_SHAPE,
        ),
        (
            "access_token with a header behind",
            |answer| answer["access_token"] = "split\r\nX-Evil: of the server".into(),
            OF_ANOTHER_SHAPE,
        ),
        (
            "access_token not of ASCII",
            |answer| answer["access_token"] = "\u{e9}\u{20ac}".into(),
            OF_ANOTHER_SHAPE,
        ),
        (
            "access_token null",
            |answer| answer["access_token"] = Value::Null,
            OF_ANOTHER_SHAPE,
        ),
        (
            "access_token a number",
            |answer| answer["access_token"] = json!(1),
            OF_ANOTHER_SHAPE,
        ),
        (
            "id_token missing",
            |answer| remove(answer, "id_token"),
            no_id_token,
        ),
        (
            "id_token null",
            |answer| answer["id_token"] = Value::Null,
            no_id_token,
        ),
        (
            "id_token empty",
            |answer| answer["id_token"] = "".into(),
            no_id_token,
        ),
        (
            "id_token a number",
            |answer| answer["id_token"] = json!(1),
            OF_ANOTHER_SHAPE,
        ),
        (
            "refresh_token a number",
            |answer| answer["refresh_token"] = json!(1),
            OF_ANOTHER_SHAPE,
        ),
        (
            "scope a list",
            |answer| answer["scope"] = json!(["openid"]),
            OF_ANOTHER_SHAPE,
        ),
        (
            "a list",
            |answer| *answer = json!([answer.take()]),
            OF_ANOTHER_SHAPE,
        ),
        ("null", |answer| *answer = Value::Null, OF_ANOTHER_SHAPE),
        (
            "an error with the status 200",
            |answer| {
                *answer = json!({ "error": "invalid_grant", "error_description": "no" });
            },
            OF_ANOTHER_SHAPE,
        ),
    ];
    let scene = Scene::signed_in();
    for (fed, tamper, expected) in rows {
        println!("{fed}");
        scene.fake.tamper_response(Endpoint::Token, tamper);
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert!(expected(&error), "{fed}: {error:?}");
        assert!(!error.is_retryable() && !error.requires_sign_in(), "{fed}");
    }
    scene.recovers();
}

#[test]
fn members_that_are_odd_and_do_no_harm() {
    let rows: [(&str, Tamper); 12] = [
        ("token_type BEARER", |answer| {
            answer["token_type"] = "BEARER".into()
        }),
        ("token_type bearer", |answer| {
            answer["token_type"] = "bearer".into()
        }),
        ("expires_in \"3600\"", |answer| {
            answer["expires_in"] = "3600".into()
        }),
        ("expires_in with a fraction", |answer| {
            answer["expires_in"] = json!(3600.5)
        }),
        ("expires_in missing", |answer| remove(answer, "expires_in")),
        ("expires_in null", |answer| {
            answer["expires_in"] = Value::Null
        }),
        ("expires_in 0", |answer| answer["expires_in"] = json!(0)),
        ("scope missing", |answer| remove(answer, "scope")),
        ("scope empty", |answer| answer["scope"] = "".into()),
        ("refresh_token missing", |answer| {
            remove(answer, "refresh_token")
        }),
        ("refresh_token null", |answer| {
            answer["refresh_token"] = Value::Null
        }),
        ("members that nobody knows", |answer| {
            answer["issued_token_type"] = "x".into();
            answer["error"] = "".into();
        }),
    ];
    let scene = Scene::new();
    for (fed, tamper) in rows {
        println!("{fed}");
        scene.fake.tamper_response(Endpoint::Token, tamper);
        let result = scene.finish(&scene.callback());
        assert!(result.is_ok(), "{fed}: {result:?}");
        let has_refresh_token = scene.client.refresh_token().unwrap().is_some();
        assert_eq!(has_refresh_token, !fed.contains("refresh_token"), "{fed}");
    }
}

#[test]
fn a_servers_error_is_kept_as_it_is() {
    let scene = Scene::signed_in();
    scene.fake.tamper_response(Endpoint::Token, |answer| {
        if answer["error"] == "invalid_grant" {
            answer["error_description"] = format!("{}\u{7}\n", "x".repeat(600)).into();
        }
    });
    // The server refuses a code that it has not given.
    let callback = scene.callback();
    let code = query_value(&callback, "code");
    let error = scene.refused_sign_in(&callback.replace(&code, "made-up"), &[Endpoint::Token]);
    let told = error.oauth_error().unwrap();
    assert_eq!(
        (told.error.as_str(), told.status),
        ("invalid_grant", Some(400))
    );
    assert_eq!(told.code.as_deref(), Some("oidc.invalid_grant"));
    assert!(told.message.is_some());
    assert_eq!(told.error_description.as_deref(), Some(&*"x".repeat(500)));
    assert!(!error.is_retryable());
    scene.recovers();
}

#[test]
fn answers_that_are_no_tokens() {
    let scene = Scene::signed_in();
    let elsewhere = Scene::new();
    let redirect = |status| Misbehaviour::Redirect {
        status,
        location: format!("{}/oidc/token", elsewhere.fake.endpoint()),
    };
    let redirected = is_response!(ResponseError::Redirect { .. });
    for (misbehaviour, expected, is_retryable) in [
        (
            Misbehaviour::Html,
            is_response!(ResponseError::ContentType { .. }),
            false,
        ),
        (Misbehaviour::Garbage, OF_ANOTHER_SHAPE, false),
        (
            Misbehaviour::HugeBody,
            is_http!(HttpError::BodyTooLarge { limit: 262_144, .. }),
            false,
        ),
        (redirect(301), redirected, false),
        (redirect(302), redirected, false),
        (redirect(303), redirected, false),
        (redirect(307), redirected, false),
        (redirect(308), redirected, false),
        (Misbehaviour::Status(401), is!(LogtoError::OAuth(_)), false),
        (Misbehaviour::Status(429), is!(LogtoError::OAuth(_)), true),
        (Misbehaviour::Status(500), is!(LogtoError::OAuth(_)), true),
        (
            Misbehaviour::CloseUnprocessed,
            is_http!(HttpError::Interrupted { .. }),
            true,
        ),
        (
            Misbehaviour::CloseBeforeResponse,
            is_http!(HttpError::Interrupted { .. }),
            true,
        ),
        (
            Misbehaviour::CloseMidResponse,
            is_http!(HttpError::Interrupted { .. }),
            true,
        ),
    ] {
        scene.fake.misbehave(Endpoint::Token, misbehaviour.clone());
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert!(expected(&error), "{misbehaviour:?}: {error:?}");
        assert_eq!(error.is_retryable(), is_retryable, "{misbehaviour:?}");
        scene.fake.calm();
    }
    assert_eq!(
        elsewhere.fake.connections(),
        0,
        "no code, verifier or secret"
    );
    scene.recovers();
}

#[test]
fn when_to_try_again_is_told() {
    let scene = Scene::signed_in();
    for status in [429, 503] {
        let busy = Misbehaviour::StatusWithRetryAfter { status, seconds: 7 };
        scene.fake.misbehave_times(Endpoint::Token, 1, busy);
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert!(error.is_retryable());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
    scene.recovers();
}

#[test]
fn a_server_that_never_ends_its_answer_is_given_up() {
    for misbehaviour in [
        Misbehaviour::NeverAnswer,
        Misbehaviour::Drip(Duration::from_secs(2)),
    ] {
        let scene = Scene::signed_in();
        let (callback, before) = (scene.callback(), scene.tokens());
        let impatient = Logto::builder(scene.logto.config().clone())
            .clock(scene.clock.clone())
            .http_client(Hasty {
                hasty: within(Duration::from_secs(1)),
                patient: crate::scene::patient(),
            })
            .build()
            .unwrap();
        scene.fake.misbehave(Endpoint::Token, misbehaviour.clone());
        scene.fake.clear_requests();
        let client = impatient.session(&scene.storage, &scene.id);
        let error = client.handle_sign_in_callback(&callback).unwrap_err();
        assert!(
            is_http!(HttpError::Timeout { .. })(&error),
            "{misbehaviour:?}: {error:?}"
        );
        assert!(error.is_retryable());
        assert!(scene.fake.requests_to(Endpoint::Token).len() <= 1);
        assert!(scene.tokens() == before, "{misbehaviour:?}");
        scene.recovers();
    }
}

/// Has no patience with the token endpoint.
#[derive(Debug)]
struct Hasty {
    hasty: logto::UreqClient,
    patient: logto::UreqClient,
}

impl logto::HttpClient for Hasty {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        match request.uri().path().ends_with("/token") {
            true => self.hasty.send(request, body_limit),
            false => self.patient.send(request, body_limit),
        }
    }
}

#[test]
fn a_server_that_is_gone_is_sent_nothing_and_costs_no_sign_in() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut config = scene.logto.config().clone();
    config.endpoint = format!("http://127.0.0.1:{port}");
    let gone = Logto::builder(config)
        .clock(scene.clock.clone())
        .http_client(Overheard {
            inner: crate::scene::patient(),
            secrets: scene.secrets.clone(),
        })
        .build()
        .unwrap();
    let client = gone.session(&scene.storage, &scene.id);
    scene.pass(3600 - 600);
    for attempt in 0..4 {
        let error = scene.refused(&[], |_| match attempt {
            0 => client.handle_sign_in_callback(&callback).map(|_| ()),
            1 => client.sign_in(crate::scene::REDIRECT_URI).map(|_| ()),
            2 => client.access_token(RESOURCE).map(|_| ()),
            _ => client.sign_out(None).map(|_| ()),
        });
        let is_unsent = is!(LogtoError::Http(error) if !error.may_have_been_sent());
        match attempt {
            // Too late by now, and told before anything is asked.
            0 => assert!(is!(LogtoError::Callback(_))(&error), "{error:?}"),
            _ => assert!(is_unsent(&error) && error.is_retryable(), "{error:?}"),
        }
    }
    let callback = scene.callback();
    let error = scene.refused(&[], |_| client.handle_sign_in_callback(&callback));
    assert!(error.is_retryable(), "{error:?}");
    scene.finish(&callback).unwrap();
}

#[test]
fn a_failed_sign_in_keeps_the_user_who_is_signed_in() {
    let scene = Scene::signed_in();
    for misbehaviour in [
        Misbehaviour::Status(500),
        Misbehaviour::WrongSignature,
        Misbehaviour::ExpiredIdToken,
    ] {
        scene.fake.misbehave_times(Endpoint::Token, 1, misbehaviour);
        scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
        let token = scene.client.access_token_claims(RESOURCE).unwrap();
        assert_eq!(token.sub, "alice");
    }
    assert!(scene.stored()[&PersistKey::RefreshToken].is_some());
}
