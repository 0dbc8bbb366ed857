//! What a sign-in asks of how and when the user proved who they are, and the way back from a sign-out.

use std::time::Duration;

use logto::storage::MemoryStorage;
use logto::{
    CallbackError, IdTokenError, Logto, LogtoClient, LogtoConfig, LogtoError, SignInOptions,
    SignOutOptions,
};
use logto_testing::{Endpoint, FakeLogto};
use serde_json::Value;

const REDIRECT_URI: &str = "http://localhost:3000/callback";
const HOME: &str = "http://localhost:3000/";

struct Scene {
    fake: FakeLogto,
    client: LogtoClient,
}

impl Scene {
    fn new() -> Self {
        let fake = FakeLogto::start();
        fake.clock().freeze();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        let logto = Logto::builder(config).clock(fake.clock()).build().unwrap();
        let client = logto.client(MemoryStorage::new());
        Self { fake, client }
    }

    fn sign_in(&self, options: SignInOptions) -> Result<Option<i64>, LogtoError> {
        let callback = self.fake.authorize(&self.client.sign_in(options)?);
        let signed_in = self.client.handle_sign_in_callback(&callback)?;
        Ok(signed_in.claims.auth_time)
    }

    /// A sign-in with an ID token whose claim is this, or is left out.
    fn sign_in_with(&self, options: SignInOptions, claim: &str, value: Value) -> IdTokenError {
        let claim = claim.to_owned();
        self.fake.tamper_id_token(move |_, claims| {
            claims.insert(claim.clone(), value.clone());
        });
        let refusal = self.sign_in(options).unwrap_err();
        self.fake.calm();
        match refusal {
            LogtoError::IdToken(error) => error,
            error => panic!("{error:?}"),
        }
    }
}

fn options() -> SignInOptions {
    SignInOptions::new(REDIRECT_URI)
}

fn within_ten_minutes() -> SignInOptions {
    options().max_age(Duration::from_secs(600))
}

#[test]
fn a_user_who_signed_in_long_ago_is_asked_again() {
    let scene = Scene::new();
    assert_eq!(scene.sign_in(options()).unwrap(), None);
    let first = scene.sign_in(within_ten_minutes()).unwrap().unwrap();
    scene.fake.clock().advance(Duration::from_secs(600));
    assert_eq!(scene.sign_in(within_ten_minutes()).unwrap(), Some(first));
    scene.fake.clock().advance(Duration::from_secs(61));
    let again = scene.sign_in(within_ten_minutes()).unwrap();
    assert_eq!(again, Some(first + 661));
}

#[test]
fn a_server_that_did_not_ask_again_or_does_not_say_fails_the_sign_in() {
    let scene = Scene::new();
    let now = scene.sign_in(within_ten_minutes()).unwrap().unwrap();
    let session = scene.client.id_token().unwrap();
    for (auth_time, error) in [
        (Value::Null, IdTokenError::AuthTimeMissing),
        ((now - 661).into(), IdTokenError::AuthenticationTooOld),
        ((now + 61).into(), IdTokenError::NotYetValid),
    ] {
        let refusal = scene.sign_in_with(within_ten_minutes(), "auth_time", auth_time);
        assert_eq!(refusal, error);
        assert_eq!(scene.client.id_token().unwrap(), session, "is what it was");
    }
}

#[test]
fn a_user_is_authenticated_in_one_of_the_ways_that_are_asked_for() {
    let scene = Scene::new();
    let gold = || options().acr_values(["gold"]);
    let missing = scene.sign_in_with(gold(), "acr", Value::Null);
    assert_eq!(missing, IdTokenError::AcrMissing);
    let mismatch = scene.sign_in_with(gold(), "acr", "silver".into());
    assert_eq!(mismatch, IdTokenError::AcrMismatch);
    assert!(!scene.client.is_authenticated().unwrap());
    scene.fake.tamper_id_token(|_, claims| {
        claims.insert("acr".to_owned(), "gold".into());
    });
    scene.sign_in(gold()).unwrap();
}

#[test]
fn the_way_back_from_a_sign_out_has_its_state() {
    let scene = Scene::new();
    scene.sign_in(options()).unwrap();
    let to = SignOutOptions::from(HOME).random_state();
    let sign_out = scene.client.sign_out(to).unwrap();
    let state = sign_out.state.as_ref().unwrap().expose();
    assert!(!format!("{sign_out:?}").contains(state));
    let back = scene.fake.sign_out(&sign_out.url);
    assert_eq!(back, format!("{HOME}?state={state}"));
    Logto::verify_sign_out_callback(&back, state).unwrap();

    scene.sign_in(options()).unwrap();
    let sign_out = scene.client.sign_out(HOME).unwrap();
    assert!(sign_out.state.is_none());
    let back = scene.fake.sign_out(&sign_out.url);
    assert!(matches!(
        Logto::verify_sign_out_callback(&back, state),
        Err(LogtoError::Callback(CallbackError::StateMissing))
    ));
    assert_eq!(scene.fake.requests_to(Endpoint::EndSession).len(), 2);
}
