//! The server's keys come and go, and the application is not restarted.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto::storage::MemoryStorage;
use logto::{IdTokenClaims, IdTokenError, JwtError, Logto, LogtoConfig, LogtoError};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour, TestClock};

const REDIRECT_URI: &str = "http://localhost:3000/callback";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// An application that verifies tokens, which another one has from the server.
struct Scene {
    fake: FakeLogto,
    clock: TestClock,
    logto: Logto,
}

impl Scene {
    /// With the server's keys known already.
    fn new() -> Self {
        let fake = FakeLogto::builder()
            .app(FakeApp::native("app"))
            .user(FakeUser::new("alice"))
            .start();
        let clock = fake.clock();
        clock.freeze();
        let logto = application(&fake, &clock);
        let scene = Self { fake, clock, logto };
        scene.verify(&scene.token()).unwrap();
        scene.fake.clear_requests();
        scene
    }

    /// A new token, by the server's newest key.
    fn token(&self) -> String {
        let client = application(&self.fake, &self.clock).client(MemoryStorage::new());
        let callback = self.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
        client.handle_sign_in_callback(&callback).unwrap();
        let token = client.id_token().unwrap().unwrap();
        self.fake.clear_requests();
        token
    }

    fn verify(&self, token: &str) -> Result<IdTokenClaims, LogtoError> {
        self.logto.oidc_core()?.verify_id_token(token, "app")
    }

    /// How often the keys were fetched since the last token was had.
    fn fetches(&self) -> usize {
        self.fake.requests_to(Endpoint::Jwks).len()
    }
}

fn application(fake: &FakeLogto, clock: &TestClock) -> Logto {
    let config = LogtoConfig::new(fake.endpoint(), "app");
    Logto::builder(config).clock(clock.clone()).build().unwrap()
}

/// The token with a key's name that no server has.
fn of_no_key(token: &str) -> String {
    of_key(token, "nobody")
}

fn of_key(token: &str, kid: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = format!(r#"{{"alg":"ES384","kid":"{kid}"}}"#);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

fn is_without_key(result: &Result<IdTokenClaims, LogtoError>) -> bool {
    let no_key = IdTokenError::Jwt(JwtError::NoMatchingKey);
    matches!(result, Err(LogtoError::IdToken(error)) if *error == no_key)
}

#[test]
fn keys_rotated_twice_in_a_moment_are_fetched_twice() {
    let scene = Scene::new();
    for _ in 0..2 {
        scene.fake.rotate_keys();
        let token = scene.token();
        scene.verify(&token).unwrap();
        scene.verify(&token).unwrap();
        assert_eq!(scene.fetches(), 1);
    }
}

#[test]
fn a_fetch_without_the_wanted_key_is_not_repeated_for_half_a_minute() {
    let scene = Scene::new();
    let stray = of_no_key(&scene.token());
    for (advance, fetches) in [(0, 1), (29, 1), (1, 2), (1, 2), (29, 3)] {
        scene.clock.advance(Duration::from_secs(advance));
        assert!(is_without_key(&scene.verify(&stray)));
        assert_eq!(scene.fetches(), fetches);
    }
}

#[test]
fn many_threads_that_miss_a_key_fetch_once() {
    for stray in [false, true] {
        let scene = Scene::new();
        scene.fake.rotate_keys();
        let token = scene.token();
        let token = if stray { of_no_key(&token) } else { token };
        let barrier = Barrier::new(16);
        thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| {
                    barrier.wait();
                    let result = scene.verify(&token);
                    assert_eq!(is_without_key(&result), stray, "{result:?}");
                    assert_eq!(result.is_err(), stray);
                });
            }
        });
        assert_eq!(scene.fetches(), 1);
    }
}

#[test]
fn a_key_that_was_withdrawn_is_believed_for_an_hour() {
    let scene = Scene::new();
    let token = scene.token();
    scene.fake.rotate_keys();
    scene.fake.remove_previous_keys();
    scene.clock.advance(HOUR - Duration::from_secs(1));
    scene.verify(&token).unwrap();
    scene.clock.advance(Duration::from_secs(1));
    let result = scene.verify(&token);
    assert!(is_without_key(&result), "{result:?}");
    assert_eq!(
        scene.fetches(),
        1,
        "what was just fetched is not fetched again"
    );
}

#[test]
fn keys_are_used_on_for_a_day_while_the_server_has_none_to_give() {
    for broken in [
        Misbehaviour::Status(503),
        Misbehaviour::Status(404),
        Misbehaviour::Html,
    ] {
        let scene = Scene::new();
        for hour in 1..=24 {
            scene.clock.advance(HOUR);
            let token = scene.token();
            scene.fake.misbehave(Endpoint::Jwks, broken.clone());
            let result = scene.verify(&token);
            assert_eq!(result.is_ok(), hour < 24, "after {hour} hours: {result:?}");
            assert_eq!(scene.fetches(), 1, "after {hour} hours");
            scene.fake.calm();
        }
        scene.verify(&scene.token()).unwrap();
    }
}

#[test]
fn an_unknown_key_is_no_verdict_while_the_server_cannot_be_asked() {
    let scene = Scene::new();
    scene.fake.rotate_keys();
    let token = scene.token();
    scene
        .fake
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(503));
    for _ in 0..2 {
        let error = scene.verify(&token).unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
    }
    scene.fake.calm();
    scene.clock.advance(Duration::from_secs(2));
    scene.verify(&token).unwrap();
}

#[test]
fn keys_that_could_not_be_fetched_are_not_asked_for_again_for_two_seconds() {
    let scene = Scene::new();
    let token = scene.token();
    scene
        .fake
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(503));
    for (advance, fetches) in [(0, 1), (1, 1), (1, 2), (1, 2)] {
        scene.clock.advance(Duration::from_secs(advance));
        for junk in 0..8 {
            let stray = of_key(&token, &format!("junk{junk}"));
            let error = scene.verify(&stray).unwrap_err();
            assert!(error.is_retryable(), "no verdict: {error:?}");
        }
        assert_eq!(scene.fetches(), fetches);
        scene.verify(&token).unwrap();
    }
}

#[test]
fn many_threads_with_junk_make_one_fetch_of_keys_that_cannot_be_had() {
    let scene = Scene::new();
    let token = scene.token();
    scene
        .fake
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(503));
    let barrier = Barrier::new(8);
    thread::scope(|threads| {
        for junk in 0..8 {
            let stray = of_key(&token, &format!("junk{junk}"));
            let (scene, barrier) = (&scene, &barrier);
            threads.spawn(move || {
                barrier.wait();
                assert!(scene.verify(&stray).unwrap_err().is_retryable());
            });
        }
    });
    assert_eq!(scene.fetches(), 1);
}

#[test]
fn a_strangers_token_does_not_hide_a_new_key() {
    let scene = Scene::new();
    assert!(is_without_key(&scene.verify(&of_no_key(&scene.token()))));
    scene.fake.rotate_keys();
    scene.verify(&scene.token()).unwrap();
}

#[test]
fn strangers_tokens_cost_five_fetches_in_half_a_minute() {
    let scene = Scene::new();
    let token = scene.token();
    for (advance, fetches) in [(0, 5), (29, 5), (1, 10)] {
        scene.clock.advance(Duration::from_secs(advance));
        for junk in 0..20 {
            let stray = of_key(&token, &format!("junk{junk}"));
            assert!(is_without_key(&scene.verify(&stray)));
        }
        assert_eq!(scene.fetches(), fetches);
    }
}

#[test]
fn a_sign_in_has_its_new_key_whatever_strangers_send() {
    for failing in [false, true] {
        let scene = Scene::new();
        let token = scene.token();
        let broken = Misbehaviour::Status(503);
        if failing {
            scene.fake.misbehave(Endpoint::Jwks, broken);
        }
        for junk in 0..20 {
            let stray = of_key(&token, &format!("junk{junk}"));
            scene.verify(&stray).unwrap_err();
        }
        scene.fake.calm();
        scene.fake.rotate_keys();
        let client = scene.logto.client(MemoryStorage::new());
        let callback = scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
        client.handle_sign_in_callback(&callback).unwrap();
    }
}

#[test]
fn a_fruitless_fetch_that_takes_a_while_is_not_made_twice() {
    let fake = FakeLogto::builder().app(FakeApp::native("app")).start();
    let clock = fake.clock();
    clock.freeze();
    let scene = Scene {
        logto: application(&fake, &clock),
        fake,
        clock: clock.clone(),
    };
    let header = serde_json::json!({ "alg": "ES384", "kid": "nobody" });
    let stray = scene.fake.forge_jwt(header, serde_json::json!({}));
    scene.fake.tamper_response(Endpoint::Jwks, move |_| {
        clock.advance(Duration::from_secs(1));
    });
    assert!(is_without_key(&scene.verify(&stray)));
    assert_eq!(scene.fetches(), 1);
}
