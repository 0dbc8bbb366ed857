//! Each way to fail.

mod common;

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use common::{Answer, Http, builder, decode, text, tokens, verify};
use logto_testing::{Endpoint, FakeLogto, Misbehaviour};
use serde_json::json;

fn misbehaving(misbehaviour: Misbehaviour) -> FakeLogto {
    let fake = builder().start();
    fake.misbehave_times(Endpoint::Jwks, 1, misbehaviour);
    fake
}

fn jwks(fake: &FakeLogto) -> Result<Answer, ureq::Error> {
    Http::new(fake).try_get("/oidc/jwks", &[])
}

#[test]
fn statuses() {
    let fake = misbehaving(Misbehaviour::Status(500));
    let answer = jwks(&fake).unwrap();
    assert_eq!(answer.error(), (500, "server_error".to_owned()));
    jwks(&fake).unwrap().ok();

    let fake = misbehaving(Misbehaviour::StatusWithRetryAfter {
        status: 429,
        seconds: 7,
    });
    let answer = jwks(&fake).unwrap();
    assert_eq!(answer.error(), (429, "temporarily_unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("7"));

    let fake = misbehaving(Misbehaviour::Error {
        status: 418,
        error: "teapot".to_owned(),
        description: "short and stout".to_owned(),
    });
    let answer = jwks(&fake).unwrap();
    assert_eq!(answer.error(), (418, "teapot".to_owned()));
}

#[test]
fn wrong_bodies() {
    let fake = misbehaving(Misbehaviour::Garbage);
    let answer = jwks(&fake).unwrap();
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&answer.text).is_err());

    let fake = misbehaving(Misbehaviour::Html);
    let answer = jwks(&fake).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );

    let fake = misbehaving(Misbehaviour::Redirect {
        status: 307,
        location: "http://evil.test/".to_owned(),
    });
    let answer = jwks(&fake).unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), Some("http://evil.test/"));
}

#[test]
fn body_without_an_end() {
    let fake = misbehaving(Misbehaviour::HugeBody);
    let url = format!("{}/oidc/jwks", fake.endpoint());
    let mut response = ureq::get(url).call().unwrap();
    let limited = response.body_mut().with_config().limit(1 << 20);
    assert!(limited.read_to_vec().is_err());
}

#[test]
fn slow_answers_are_answers() {
    for misbehaviour in [
        Misbehaviour::Slow(Duration::from_millis(1)),
        Misbehaviour::Drip(Duration::from_micros(1)),
    ] {
        jwks(&misbehaving(misbehaviour)).unwrap().ok();
    }
}

#[test]
fn broken_connections() {
    for misbehaviour in [
        Misbehaviour::CloseUnprocessed,
        Misbehaviour::CloseBeforeResponse,
        Misbehaviour::CloseMidResponse,
    ] {
        let fake = builder().start();
        fake.misbehave(Endpoint::Jwks, misbehaviour.clone());
        assert!(jwks(&fake).is_err(), "{misbehaviour:?}");
        fake.calm();
        jwks(&fake).unwrap().ok();
    }
}

#[test]
fn answers_without_a_body_are_broken_off_too() {
    let fake = builder().start();
    fake.misbehave(Endpoint::EndSession, Misbehaviour::CloseMidResponse);
    let http = Http::new(&fake);
    assert!(http.try_get("/oidc/session/end", &[]).is_err());

    fake.misbehave(Endpoint::Jwks, Misbehaviour::CloseMidResponse);
    let url = format!("{}/oidc/jwks", fake.endpoint());
    assert!(ureq::head(url).call().is_err());
}

#[test]
fn no_answer_until_the_client_gives_up() {
    let fake = misbehaving(Misbehaviour::NeverAnswer);
    let url = format!("{}/oidc/jwks", fake.endpoint());
    let request = ureq::get(url)
        .config()
        .timeout_global(Some(Duration::from_millis(50)));
    let error = request.build().call().unwrap_err();
    assert!(matches!(error, ureq::Error::Timeout(_)), "{error}");
}

#[test]
fn server_that_never_answers_can_be_dropped() {
    let fake = misbehaving(Misbehaviour::NeverAnswer);
    let mut stream = TcpStream::connect(fake.endpoint().strip_prefix("http://").unwrap()).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /oidc/jwks HTTP/1.1\r\n\r\n").unwrap();
    while fake.requests().is_empty() {
        std::thread::yield_now();
    }
    drop(fake);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

#[test]
fn lost_answers_have_been_acted_on_and_lost_requests_have_not() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "native", &[]);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&first, "refresh_token")),
    ];
    fake.misbehave_times(Endpoint::Token, 1, Misbehaviour::CloseUnprocessed);
    assert!(http.try_token("native", &form).is_err());
    fake.clock().advance(Duration::from_secs(60));
    fake.misbehave_times(Endpoint::Token, 1, Misbehaviour::CloseBeforeResponse);
    assert!(http.try_token("native", &form).is_err());
    fake.clock().advance(Duration::from_secs(60));
    let answer = http.token("native", &form);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

#[test]
fn wrong_signatures() {
    let fake = builder().start();
    let http = Http::new(&fake);
    for (misbehaviour, verified) in [
        (Misbehaviour::WrongSignature, Some(false)),
        (Misbehaviour::UnknownKey, None),
    ] {
        fake.misbehave_times(Endpoint::Token, 1, misbehaviour);
        let body = tokens(&fake, "web", &[]);
        assert_eq!(verify(&http, text(&body, "id_token")), verified);
    }
    let body = tokens(&fake, "web", &[]);
    assert_eq!(verify(&http, text(&body, "id_token")), Some(true));
}

#[test]
fn expired_id_token() {
    let fake = builder().start();
    fake.misbehave_times(Endpoint::Token, 1, Misbehaviour::ExpiredIdToken);
    let body = tokens(&fake, "web", &[]);
    let (_, claims) = decode(text(&body, "id_token"));
    let now = logto_core::Clock::unix_seconds(&fake.clock());
    assert_eq!(claims["exp"], now - 3600);
}

#[test]
fn tampering() {
    let fake = builder().start();
    let http = Http::new(&fake);
    fake.tamper_id_token(|header, claims| {
        header.insert("typ".to_owned(), json!("JWT"));
        claims.insert("aud".to_owned(), json!(["web", "other"]));
    });
    fake.tamper_response(Endpoint::Token, |body| {
        body["expires_in"] = json!("soon");
    });
    let body = tokens(&fake, "web", &[]);
    assert_eq!(body["expires_in"], "soon");
    let id_token = text(&body, "id_token");
    assert_eq!(verify(&http, id_token), Some(true));
    let (header, claims) = decode(id_token);
    assert_eq!(header["typ"], "JWT");
    assert_eq!(claims["aud"], json!(["web", "other"]));

    fake.tamper_id_token(|header, _| {
        header.insert("alg".to_owned(), json!("none"));
    });
    let body = tokens(&fake, "web", &[]);
    assert!(text(&body, "id_token").ends_with('.'));

    fake.calm();
    let body = tokens(&fake, "web", &[]);
    assert_eq!(body["expires_in"], 3600);
}
