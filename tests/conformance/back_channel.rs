//! The suite's profile "Back-Channel RP". A refused logout token is answered with 400, and every session
//! stays what it was; one that is good is answered with 200 and ends the session, once.

use logto::{JwtError, LogoutTokenError, Logto, LogtoError, SessionId};
use logto_testing::{Endpoint, LogoutToken, Misbehaviour, SigningAlgorithm};
use serde_json::{Map, Value, json};

use crate::scene::{Check, REDIRECT_URI, RESOURCE, Scene, Stage, is};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What the application answers to the server's request with this token.
fn answer(scene: &Scene, token: &str) -> http::Response<String> {
    let form = format!("logout_token={token}");
    let content_type = Some("application/x-www-form-urlencoded");
    let result =
        scene
            .logto
            .handle_back_channel_logout(&scene.storage, content_type, form.as_bytes());
    if let Err(error) = &result {
        scene.tells_no_secret(error);
    }
    let answer = Logto::back_channel_logout_response(&result);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    scene.secrets.are_not_in("the answer", answer.body());
    answer
}

/// The refusal of the server's logout token after this change, for this many requests.
fn refused_with(
    scene: &Scene,
    requests: &[Endpoint],
    change: impl FnOnce(LogoutToken<'_>) -> LogoutToken<'_>,
) -> LogtoError {
    let token = change(scene.fake.logout_token("app", "alice")).sign();
    scene.secrets.add(&token);
    let error = scene.refused(requests, |_| scene.logto.verify_logout_token(&token));
    let before = scene.stored();
    assert_eq!(answer(scene, &token).status(), 400, "{error:?}");
    assert!(scene.stored() == before, "the session is kept: {error:?}");
    error
}

/// A token that is as good as it was before all of the refusals ends the session, and the same does no
/// more.
fn one_that_is_good_ends_the_session_once(scene: &Scene) {
    let token = scene.fake.logout_token("app", "alice").sign();
    scene.fake.clear_requests();
    assert_eq!(answer(scene, &token).status(), 200);
    assert!(!scene.client.is_authenticated().unwrap());
    assert_eq!(scene.client.refresh_token().unwrap(), None);
    assert_eq!(answer(scene, &token).status(), 400, "the same again");
    assert!(scene.requests().is_empty());
    scene.recovers();
}

/// The refusal by this change of header and claims.
fn refused_by(change: fn(&mut Map<String, Value>, &mut Map<String, Value>), expected: Check) {
    let scene = Scene::signed_in();
    let error = refused_with(&scene, &[], |token| token.tamper(change));
    assert!(expected(&error), "{error:?}");
    one_that_is_good_ends_the_session_once(&scene);
}

#[test]
fn client_test_backchannel_rpinitlogout() {
    let scene = Scene::new();
    let elsewhere = scene.logto.session(&scene.storage, &SessionId::random());
    scene.fake.sign_in_as("bob");
    let url = elsewhere.sign_in(REDIRECT_URI).unwrap();
    let callback = scene.fake.authorize(&url);
    elsewhere.handle_sign_in_callback(&callback).unwrap();
    let session = scene.sign_in("alice").claims.sid.unwrap();

    let token = scene.fake.logout_token("app", "alice").sign();
    let verified = scene.logto.verify_logout_token(&token).unwrap();
    assert_eq!(verified.claims().sub.as_deref(), Some("alice"));
    assert_eq!(verified.claims().sid, Some(session));
    drop(verified);
    one_that_is_good_ends_the_session_once(&scene);
    assert!(elsewhere.is_authenticated().unwrap(), "nobody else's");
}

#[test]
fn client_test_backchannel_rpinitlogout_alg_none() {
    let scene = Scene::signed_in();
    for name in ["none", "None", "nOnE"] {
        let error = refused_with(&scene, &[], |token| {
            token.unsigned().tamper(|header, _| {
                header.insert("alg".to_owned(), name.into());
            })
        });
        let is_none = is!(LogtoError::LogoutToken(LogoutTokenError::Jwt(
            JwtError::AlgorithmNotAllowed { .. }
        )));
        assert!(is_none(&error), "{name}: {error:?}");
    }
    one_that_is_good_ends_the_session_once(&scene);
}

#[test]
fn client_test_backchannel_rpinitlogout_no_event() {
    let expected = is!(LogtoError::LogoutToken(LogoutTokenError::EventMissing));
    refused_by(|_, claims| drop(claims.remove("events").unwrap()), expected);
    refused_by(|_, claims| claims["events"] = json!({}), expected);
    refused_by(|_, claims| claims["events"] = Value::Null, expected);
}

#[test]
fn client_test_backchannel_rpinitlogout_with_nonce() {
    let expected = is!(LogtoError::LogoutToken(LogoutTokenError::NoncePresent));
    refused_by(
        |_, claims| drop(claims.insert("nonce".to_owned(), "x".into())),
        expected,
    );
    refused_by(
        |_, claims| drop(claims.insert("nonce".to_owned(), Value::Null)),
        expected,
    );
}

#[test]
fn client_test_backchannel_rpinitlogout_wrong_alg() {
    let scene = Scene::signed_in();
    let error = refused_with(&scene, &[], |token| {
        token.tamper(|header, _| header["alg"] = "HS256".into())
    });
    let is_hmac = is!(LogtoError::LogoutToken(LogoutTokenError::Jwt(
        JwtError::AlgorithmNotAllowed { .. }
    )));
    assert!(is_hmac(&error), "{error:?}");
    // Nor by one that is known and not the key's.
    let requests = [Endpoint::Jwks];
    let error = refused_with(&scene, &requests, |token| {
        token.tamper(|header, _| header["alg"] = "RS256".into())
    });
    let is_unknown = is!(LogtoError::LogoutToken(LogoutTokenError::Jwt(
        JwtError::NoMatchingKey
    )));
    assert!(is_unknown(&error), "{error:?}");
    one_that_is_good_ends_the_session_once(&scene);
}

#[test]
fn client_test_backchannel_rpinitlogout_wrong_aud() {
    let expected = is!(LogtoError::LogoutToken(LogoutTokenError::AudienceMismatch));
    refused_by(|_, claims| claims["aud"] = "another-app".into(), expected);
    refused_by(|_, claims| claims["aud"] = json!([]), expected);
    let expected = is!(LogtoError::LogoutToken(LogoutTokenError::UntrustedAudience));
    refused_by(|_, claims| claims["aud"] = json!(["app", "evil"]), expected);
}

#[test]
fn client_test_backchannel_rpinitlogout_wrong_event() {
    let expected = is!(LogtoError::LogoutToken(LogoutTokenError::EventMissing));
    refused_by(
        |_, claims| claims["events"] = json!({ "https://example.org/event": {} }),
        expected,
    );
    refused_by(
        |_, claims| claims["events"] = json!({ EVENT: true }),
        expected,
    );
    refused_by(
        |_, claims| claims["events"] = json!({ EVENT: null }),
        expected,
    );
    refused_by(|_, claims| claims["events"] = json!([EVENT]), expected);
    refused_by(|_, claims| claims["events"] = EVENT.into(), expected);
}

#[test]
fn client_test_backchannel_rpinitlogout_wrong_iss() {
    let expected = is!(LogtoError::LogoutToken(LogoutTokenError::IssuerMismatch));
    refused_by(
        |_, claims| claims["iss"] = "https://example.org/oidc".into(),
        expected,
    );
    refused_by(
        |_, claims| claims["iss"] = format!("{}/", claims["iss"].as_str().unwrap()).into(),
        expected,
    );
}

#[test]
fn each_further_step_has_its_own_refusal() {
    use LogoutTokenError::*;
    type Change = fn(&mut Map<String, Value>, &mut Map<String, Value>);
    fn ago(claims: &Map<String, Value>, seconds: i64) -> Value {
        json!(claims["iat"].as_i64().unwrap() - seconds)
    }
    let missing = is!(LogtoError::LogoutToken(Jwt(JwtError::Json {
        part: "payload",
        ..
    })));
    let wrong_type = is!(LogtoError::LogoutToken(Jwt(JwtError::WrongType { .. })));
    let critical = is!(LogtoError::LogoutToken(Jwt(
        JwtError::CriticalHeader { .. }
    )));
    let rows: [(&str, Change, Check); 21] = [
        ("no iss", |_, claims| drop(claims.remove("iss")), missing),
        ("no aud", |_, claims| drop(claims.remove("aud")), missing),
        ("no iat", |_, claims| drop(claims.remove("iat")), missing),
        ("no exp", |_, claims| drop(claims.remove("exp")), missing),
        (
            "expired",
            |_, claims| claims["exp"] = ago(claims, 60),
            is!(LogtoError::LogoutToken(Expired)),
        ),
        (
            "of the future",
            |_, claims| claims["iat"] = ago(claims, -61),
            is!(LogtoError::LogoutToken(NotYetValid)),
        ),
        (
            "old",
            |_, claims| claims["iat"] = ago(claims, 661),
            is!(LogtoError::LogoutToken(TooOld)),
        ),
        (
            "for ever",
            |_, claims| claims["exp"] = json!(i64::MAX),
            is!(LogtoError::LogoutToken(LivesTooLong)),
        ),
        (
            "no jti",
            |_, claims| drop(claims.remove("jti")),
            is!(LogtoError::LogoutToken(InvalidId)),
        ),
        (
            "jti empty",
            |_, claims| claims["jti"] = "".into(),
            is!(LogtoError::LogoutToken(InvalidId)),
        ),
        (
            "jti of 10 kB",
            |_, claims| claims["jti"] = "x".repeat(10_000).into(),
            is!(LogtoError::LogoutToken(InvalidId)),
        ),
        (
            "nobody",
            |_, claims| {
                claims.remove("sub");
                claims.remove("sid");
            },
            is!(LogtoError::LogoutToken(NobodyNamed)),
        ),
        (
            "sub empty",
            |_, claims| claims["sub"] = "".into(),
            is!(LogtoError::LogoutToken(InvalidSubject)),
        ),
        (
            "sub a number",
            |_, claims| claims["sub"] = json!(1),
            missing,
        ),
        (
            "sid empty",
            |_, claims| claims["sid"] = "".into(),
            is!(LogtoError::LogoutToken(InvalidSessionId)),
        ),
        ("no typ", |header, _| drop(header.remove("typ")), wrong_type),
        (
            "typ JWT",
            |header, _| header["typ"] = "JWT".into(),
            wrong_type,
        ),
        (
            "typ at+jwt",
            |header, _| header["typ"] = "at+jwt".into(),
            wrong_type,
        ),
        (
            "crit",
            |header, _| drop(header.insert("crit".to_owned(), json!(["exp"]))),
            critical,
        ),
        (
            "b64",
            |header, _| drop(header.insert("b64".to_owned(), json!(false))),
            critical,
        ),
        (
            "alg null",
            |header, _| header["alg"] = Value::Null,
            is!(LogtoError::LogoutToken(Jwt(JwtError::Json {
                part: "header",
                ..
            }))),
        ),
    ];
    let scene = Scene::signed_in();
    for (fed, change, expected) in rows {
        println!("{fed}");
        let error = refused_with(&scene, &[], |token| token.tamper(change));
        assert!(expected(&error), "{fed}: {error:?}");
    }
    let error = refused_with(&scene, &[], |token| token.forged());
    let is_forged = is!(LogtoError::LogoutToken(Jwt(JwtError::InvalidSignature)));
    assert!(is_forged(&error), "{error:?}");
    one_that_is_good_ends_the_session_once(&scene);
}

#[test]
fn an_id_token_or_an_access_token_is_no_logout_token() {
    let scene = Scene::signed_in();
    let id_token = scene.client.id_token().unwrap().unwrap();
    let access_token = scene.client.access_token(RESOURCE).unwrap().unwrap();
    let opaque = scene.client.access_token(None).unwrap().unwrap();
    for token in [id_token, access_token, opaque, String::new()] {
        let error = scene.refused(&[], |_| scene.logto.verify_logout_token(&token));
        let is_refused = is!(LogtoError::LogoutToken(LogoutTokenError::Jwt(_)));
        assert!(is_refused(&error), "{error:?}");
        assert_eq!(answer(&scene, &token).status(), 400);
    }
}

#[test]
fn requests_that_are_no_logout_requests() {
    let scene = Scene::signed_in();
    let token = scene.fake.logout_token("app", "alice").sign();
    let form = Some("application/x-www-form-urlencoded");
    let good = format!("logout_token={token}");
    let twice = format!("{good}&{good}");
    let huge = format!("{good}&x={}", "x".repeat(64 * 1024));
    for (content_type, body, expected) in [
        (None, &*good, LogoutTokenError::NotAForm),
        (Some("application/json"), &*good, LogoutTokenError::NotAForm),
        (form, "", LogoutTokenError::Missing),
        (form, "logout_token=", LogoutTokenError::Missing),
        (form, "token=x", LogoutTokenError::Missing),
        (form, &*twice, LogoutTokenError::Duplicated),
        (form, &*huge, LogoutTokenError::NotAForm),
    ] {
        let error = scene.refused(&[], |_| {
            scene
                .logto
                .verify_logout_request(content_type, body.as_bytes())
        });
        let is_expected = matches!(&error, LogtoError::LogoutToken(error) if *error == expected);
        assert!(is_expected, "{error:?}");
    }
    one_that_is_good_ends_the_session_once(&scene);
}

#[test]
fn a_server_that_is_down_is_a_400_and_the_token_may_come_again() {
    let scene = Scene::signed_in();
    scene.pass(100_000);
    let token = scene.fake.logout_token("app", "alice").sign();
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        let misbehaviour = Misbehaviour::Status(503);
        scene.fake.misbehave_times(endpoint, 1, misbehaviour);
        let before = scene.stored();
        assert_eq!(answer(&scene, &token).status(), 400);
        assert!(scene.stored() == before);
    }
    assert_eq!(answer(&scene, &token).status(), 200);
    assert!(!scene.client.is_authenticated().unwrap());
}

#[test]
fn an_rsa_servers_logout_token_is_as_good() {
    let stage = Stage {
        algorithm: SigningAlgorithm::Rs256,
        ..Stage::default()
    };
    let scene = stage.scene();
    scene.sign_in("alice");
    one_that_is_good_ends_the_session_once(&scene);
}
