//! Telling applications that a user has signed out.

mod common;

use common::{Http, builder, decode, text, tokens, verify};
use logto_core::Clock;
use logto_testing::{Endpoint, FakeApp, FakeLogto, LogoutDelivery, Misbehaviour};
use serde_json::json;

/// A server that writes down what it is sent, and answers with this status.
struct Receiver(FakeLogto);

impl Receiver {
    fn answering(status: u16) -> Self {
        let fake = FakeLogto::start();
        fake.misbehave(Endpoint::Introspection, Misbehaviour::Status(status));
        Self(fake)
    }

    fn uri(&self) -> String {
        format!("{}{}", self.0.endpoint(), Endpoint::Introspection.path())
    }

    fn received(&self) -> Vec<String> {
        let requests = self.0.requests();
        requests
            .iter()
            .map(|request| {
                assert_eq!(request.method, "POST");
                let content_type = request.header("content-type");
                assert_eq!(content_type, Some("application/x-www-form-urlencoded"));
                assert_eq!(request.form.len(), 1);
                request.form_value("logout_token").unwrap().to_owned()
            })
            .collect()
    }
}

/// Of the two applications `sessions` asks for `sid` and `plain` does not.
fn start(receiver: &Receiver) -> FakeLogto {
    builder()
        .app(
            FakeApp::native("sessions")
                .backchannel_logout_uri(receiver.uri())
                .backchannel_logout_session_required(),
        )
        .app(FakeApp::native("plain").backchannel_logout_uri(receiver.uri()))
        .start()
}

fn sign_out(fake: &FakeLogto) {
    fake.sign_out(&format!("{}/oidc/session/end", fake.endpoint()));
}

fn outcomes(deliveries: &[LogoutDelivery]) -> Vec<(&str, Result<u16, ()>)> {
    deliveries
        .iter()
        .map(|one| (one.app.as_str(), one.outcome.clone().map_err(|_| ())))
        .collect()
}

#[test]
fn session_is_named_to_the_application_that_asks() {
    let fake = start(&Receiver::answering(200));
    let http = Http::new(&fake);
    let first = tokens(&fake, "sessions", &[]);
    let sid = decode(text(&first, "id_token")).1["sid"].clone();
    assert_eq!(sid.as_str().map(str::len), Some(43));
    let refreshed = http.refresh("sessions", text(&first, "refresh_token"), &[]);
    assert_eq!(decode(text(&refreshed.ok(), "id_token")).1["sid"], sid);
    let again = tokens(&fake, "sessions", &[]);
    assert_eq!(decode(text(&again, "id_token")).1["sid"], sid);
    let plain = tokens(&fake, "plain", &[]);
    assert_eq!(decode(text(&plain, "id_token")).1.get("sid"), None);
    sign_out(&fake);
    let next = tokens(&fake, "sessions", &[]);
    assert_ne!(decode(text(&next, "id_token")).1["sid"], sid);
}

#[test]
fn sign_out_is_told_to_the_applications_of_the_session() {
    let receiver = Receiver::answering(204);
    let fake = start(&receiver);
    let id_token = tokens(&fake, "sessions", &[]);
    tokens(&fake, "web", &[]);
    sign_out(&fake);
    let deliveries = fake.logout_deliveries();
    assert_eq!(outcomes(&deliveries), [("sessions", Ok(204))]);
    assert_eq!(deliveries[0].uri, receiver.uri());
    let token = &deliveries[0].token;
    assert_eq!(receiver.received(), [token.as_str()]);
    assert_eq!(verify(&Http::new(&fake), token), Some(true));

    let (header, claims) = decode(token);
    let key = fake.jwks()["keys"][0]["kid"].clone();
    assert_eq!(
        header,
        json!({"alg": "ES384", "typ": "logout+jwt", "kid": key})
    );
    let now = fake.clock().unix_seconds();
    let expected = json!({
        "sub": "alice",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        "jti": claims["jti"],
        "sid": decode(text(&id_token, "id_token")).1["sid"],
        "aud": "sessions",
        "exp": now + 120,
        "iat": now,
        "iss": fake.issuer(),
    });
    assert_eq!(claims, expected);
    assert_eq!(text(&claims, "jti").len(), 43);

    sign_out(&fake);
    assert_eq!(fake.logout_deliveries().len(), 1);
}

#[test]
fn administrator_ends_all_sessions_of_one_user() {
    let receiver = Receiver::answering(200);
    let fake = start(&receiver);
    tokens(&fake, "sessions", &[]);
    tokens(&fake, "plain", &[]);
    fake.end_sessions("bob");
    assert_eq!(fake.logout_deliveries(), []);
    fake.end_sessions("alice");
    let mut deliveries = fake.logout_deliveries();
    deliveries.sort_by(|one, other| one.app.cmp(&other.app));
    assert_eq!(
        outcomes(&deliveries),
        [("plain", Ok(200)), ("sessions", Ok(200))]
    );
    assert_eq!(decode(&deliveries[0].token).1.get("sid"), None);
    assert_eq!(decode(&deliveries[0].token).1["sub"], "alice");
}

#[test]
fn application_that_is_not_there_is_told_in_vain() {
    let receiver = Receiver::answering(200);
    let fake = start(&receiver);
    drop(receiver);
    tokens(&fake, "plain", &[]);
    sign_out(&fake);
    assert_eq!(outcomes(&fake.logout_deliveries()), [("plain", Err(()))]);
}

#[test]
fn test_makes_logout_tokens_of_its_own() {
    let fake = start(&Receiver::answering(200));
    let http = Http::new(&fake);
    let token = || fake.logout_token("sessions", "alice");
    assert_eq!(decode(&token().sign()).1.get("sid"), None);
    let body = tokens(&fake, "sessions", &[]);
    let (_, claims) = decode(&token().sign());
    assert_eq!(
        claims["sid"],
        decode(text(&body, "id_token")).1["sid"],
        "the latest session"
    );
    assert_ne!(claims["jti"], decode(&token().sign()).1["jti"]);
    let other = token().session("s-1").sign();
    assert_eq!(decode(&other).1["sid"], "s-1");

    let tampered = token().tamper(|header, claims| {
        header.remove("typ");
        claims.insert("nonce".to_owned(), json!("n"));
    });
    let tampered = tampered.sign();
    assert_eq!(verify(&http, &tampered), Some(true));
    assert_eq!(decode(&tampered).0.get("typ"), None);
    assert_eq!(decode(&tampered).1["nonce"], "n");
    assert_eq!(verify(&http, &token().forged().sign()), Some(false));
    let unsigned = token().unsigned().sign();
    assert!(unsigned.ends_with('.'));
    assert_eq!(decode(&unsigned).0["alg"], "none");
}

#[test]
fn test_sends_what_it_likes() {
    let receiver = Receiver::answering(400);
    let fake = builder().start();
    fake.set_backchannel_logout_uri("web", receiver.uri());
    let delivery = fake.deliver_logout_token("web", "no token &=+");
    assert_eq!(delivery.outcome, Ok(400));
    assert_eq!(receiver.received(), ["no token &=+"]);
    assert_eq!(fake.logout_deliveries(), []);
    fake.set_backchannel_logout_uri("web", "https://127.0.0.1/logout");
    assert!(fake.deliver_logout_token("web", "x").outcome.is_err());
}
