//! Signing in on a device without a browser.

#![cfg(feature = "desktop")]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::desktop::{self, Cancel, DesktopDeviceOptions, DesktopError};
use logto::storage::{MemoryStorage, MemoryStore};
use logto::{
    DeviceAuthorization, DeviceError, DeviceSignInOptions, HttpClient, HttpError, IdTokenError,
    LogtoClient, LogtoConfig, LogtoError, SessionId, SessionStore, SignInError, Storage,
    UreqClient,
};
use logto::{Logto, PersistKey};
use logto_testing::TestClock;
use serde_json::{Value, json};
use support::browser::Browser;
use support::provider::{
    ALICE, ALICE_SUB, BOB, BOB_SUB, DEVICE_CLIENT, NATIVE_CLIENT, Provider, RESOURCE,
};
use ureq::http::{Request, Response};

const DEVICE_PATH: &str = "/oidc/device/auth";
const TOKEN_PATH: &str = "/oidc/token";

/// A provider, and what a test has put in front of it.
struct Scene {
    provider: Provider,
    front: Front,
    clock: TestClock,
    client: LogtoClient,
}

/// Answers of the test's, each given once in place of the provider's.
#[derive(Debug, Clone, Default)]
struct Front {
    behind: Arc<UreqClient>,
    planned: Arc<Mutex<VecDeque<Planned>>>,
    changes: Arc<Mutex<Vec<(&'static str, &'static str, Value)>>>,
}

#[derive(Debug)]
struct Planned {
    path: &'static str,
    answer: Result<(u16, Value), ()>,
}

impl Front {
    /// The next request to the path is answered with this error.
    fn refuse(&self, path: &'static str, error: &str) {
        self.answer(path, Ok((400, json!({ "error": error }))));
    }

    fn answer(&self, path: &'static str, answer: Result<(u16, Value), ()>) {
        let mut planned = self.planned.lock().unwrap();
        planned.push_back(Planned { path, answer });
    }

    /// Every answer from the path has this member from now on, or has it not if the value is null.
    fn change(&self, path: &'static str, member: &'static str, value: Value) {
        self.changes.lock().unwrap().push((path, member, value));
    }

    /// Ends all changes.
    fn calm(&self) {
        self.changes.lock().unwrap().clear();
    }

    fn planned(&self, path: &str) -> Option<Result<(u16, Value), ()>> {
        let mut planned = self.planned.lock().unwrap();
        let index = planned.iter().position(|one| one.path == path)?;
        planned.remove(index).map(|one| one.answer)
    }

    fn changed(&self, path: &str, response: Response<Vec<u8>>) -> Response<Vec<u8>> {
        let changes = self.changes.lock().unwrap();
        let mut changes = changes.iter().filter(|(at, ..)| *at == path).peekable();
        if changes.peek().is_none() {
            return response;
        }
        let (parts, body) = response.into_parts();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        for (_, member, value) in changes {
            match value {
                Value::Null => drop(body.as_object_mut().unwrap().remove(*member)),
                value => body[*member] = value.clone(),
            }
        }
        Response::from_parts(parts, body.to_string().into_bytes())
    }
}

impl HttpClient for Front {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let path = request.uri().path().to_owned();
        match self.planned(&path) {
            None => Ok(self.changed(&path, self.behind.send(request, body_limit)?)),
            Some(Ok((status, body))) => Ok(Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .header("retry-after", "7")
                .body(body.to_string().into_bytes())
                .unwrap()),
            Some(Err(())) => Err(HttpError::Timeout {
                url: path,
                source: "asked for by the test".into(),
            }),
        }
    }
}

impl Scene {
    fn new() -> Self {
        Self::of(DEVICE_CLIENT, MemoryStorage::new())
    }

    fn of(app_id: &str, storage: impl Storage + 'static) -> Self {
        let provider = Provider::start();
        let (front, clock) = (Front::default(), TestClock::new());
        let config = LogtoConfig::new(provider.endpoint(), app_id)
            .resources([RESOURCE])
            .scopes(["read:items"]);
        let logto = Logto::builder(config)
            .http_client(front.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            client: logto.client(storage),
            provider,
            front,
            clock,
        }
    }

    fn start(&self) -> DeviceAuthorization {
        let options = DeviceSignInOptions::new();
        self.client.start_device_sign_in(&options).unwrap()
    }

    fn sign_in(&self, user: &str) -> String {
        let mut device = self.start();
        Browser::new().approve_device(device.best_uri(), user);
        let signed_in = self.client.poll_device_sign_in(&mut device).unwrap();
        signed_in.expect("the user has finished").claims.sub
    }

    /// Options with which no time passes, and what the pauses between polls would have been. The user
    /// does this at the pause of this number.
    fn options(
        &self,
        at_pause: usize,
        user: impl Fn(&str) + Send + Sync + 'static,
    ) -> (DesktopDeviceOptions, Arc<Mutex<Vec<u64>>>) {
        let shown = Arc::new(Mutex::new(String::new()));
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let (to_show, to_read) = (Arc::clone(&shown), shown);
        let noted = Arc::clone(&pauses);
        let options = DesktopDeviceOptions::new()
            .show(move |device| device.best_uri().clone_into(&mut to_show.lock().unwrap()))
            .wait_with(move |pause| {
                let mut pauses = noted.lock().unwrap();
                pauses.push(pause.as_secs());
                if pauses.len() == at_pause {
                    user(&to_read.lock().unwrap());
                }
            });
        (options, pauses)
    }
}

fn approve(uri: &str) {
    Browser::new().approve_device(uri, ALICE);
}

fn nobody(_: &str) {}

#[test]
fn a_user_signs_in_on_another_device() {
    let scene = Scene::new();
    let client = &scene.client;
    let mut device = scene.start();
    assert_eq!(
        device.interval,
        Duration::from_secs(5),
        "the server does not say"
    );
    assert_eq!(device.expires_in, Duration::from_secs(600));
    assert!(device.best_uri().contains(&device.user_code));
    assert!(client.poll_device_sign_in(&mut device).unwrap().is_none());
    assert!(!client.is_authenticated().unwrap());

    approve(device.best_uri());
    let signed_in = client.poll_device_sign_in(&mut device).unwrap().unwrap();
    assert_eq!(signed_in.claims.sub, ALICE_SUB);
    assert_eq!(client.id_token_claims().unwrap(), signed_in.claims);
    assert!(client.refresh_token().unwrap().is_some());
    let claims = client.access_token_claims(RESOURCE).unwrap();
    assert_eq!(claims.aud, RESOURCE);
    assert_eq!(claims.scope, "read:items");
    assert_eq!(client.fetch_user_info().unwrap().sub, ALICE_SUB);

    // The code is used up.
    let error = client.poll_device_sign_in(&mut device).unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "invalid_grant");
    assert_eq!(client.id_token_claims().unwrap().sub, ALICE_SUB);
}

#[test]
fn one_call_waits_for_the_user() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(3, approve);
    let signed_in = desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(signed_in.claims.sub, ALICE_SUB);
    assert_eq!(*pauses.lock().unwrap(), [5, 5, 5]);
}

#[test]
fn a_server_that_is_asked_too_often_is_asked_less() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(4, approve);
    for _ in 0..3 {
        scene.front.refuse(TOKEN_PATH, "slow_down");
    }
    desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(*pauses.lock().unwrap(), [5, 10, 15, 20]);
}

#[test]
fn the_servers_interval_is_kept_within_reason() {
    let scene = Scene::new();
    for (sent, kept) in [
        (json!(0), 1),
        (json!(1_000_000_000), 60),
        (json!("5"), 5),
        (json!(7), 7),
        (Value::Null, 5),
    ] {
        scene.front.calm();
        scene.front.change(DEVICE_PATH, "interval", sent);
        let (options, pauses) = scene.options(1, approve);
        desktop::device_sign_in(&scene.client, &options).unwrap();
        assert_eq!(*pauses.lock().unwrap(), [kept]);
    }
}

#[test]
fn a_server_that_fails_is_asked_again_ever_more_slowly() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(5, approve);
    scene.front.answer(TOKEN_PATH, Err(()));
    scene.front.answer(TOKEN_PATH, Ok((503, json!({}))));
    scene.front.answer(TOKEN_PATH, Err(()));
    scene.front.refuse(TOKEN_PATH, "authorization_pending");
    desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(*pauses.lock().unwrap(), [5, 10, 20, 40, 5]);
}

#[test]
fn a_server_can_say_when_to_ask_again() {
    let scene = Scene::new();
    scene.front.change(DEVICE_PATH, "interval", json!(1));
    let (options, pauses) = scene.options(3, approve);
    scene.front.answer(TOKEN_PATH, Ok((429, json!({}))));
    scene.front.refuse(TOKEN_PATH, "authorization_pending");
    desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(*pauses.lock().unwrap(), [1, 7, 1]);
}

#[test]
fn who_declines_is_not_signed_in() {
    let scene = Scene::new();
    assert_eq!(scene.sign_in(BOB), BOB_SUB);
    let (options, _) = scene.options(2, |uri| Browser::new().deny_device(uri));
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_denied() && !error.is_timeout(), "{error}");
    assert!(matches!(
        error,
        DesktopError::Logto(LogtoError::Device(DeviceError::AccessDenied))
    ));
    // Whoever was signed in still is.
    assert_eq!(scene.client.id_token_claims().unwrap().sub, BOB_SUB);
}

#[test]
fn a_code_that_has_expired_ends_it() {
    let scene = Scene::new();
    // By this machine's clock: nothing is sent.
    let mut device = scene.start();
    scene.clock.advance(Duration::from_secs(601));
    scene.provider.reset_stats();
    let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
    assert!(matches!(error, LogtoError::Device(DeviceError::Expired)));
    assert!(!error.is_retryable());
    assert_eq!(scene.provider.stats().count(TOKEN_PATH), 0);

    // By the server's.
    let mut device = scene.start();
    scene.provider.set_clock_offset(601);
    let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
    assert!(matches!(error, LogtoError::Device(DeviceError::Expired)));

    let clock = scene.clock.clone();
    let (options, pauses) = scene.options(2, move |_| clock.advance(Duration::from_secs(700)));
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_timeout() && !error.is_denied(), "{error}");
    assert_eq!(pauses.lock().unwrap().len(), 2);
}

#[test]
fn a_user_who_does_not_come_is_not_waited_for_for_ever() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(0, nobody);
    let options = options.timeout(Duration::from_secs(12));
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(matches!(error, DesktopError::TimedOut { .. }), "{error}");
    assert!(error.is_timeout());
    let pauses = pauses.lock().unwrap();
    assert_eq!(pauses[..2], [5, 5]);
    assert!(pauses.iter().sum::<u64>() <= 12, "{pauses:?}");
}

#[test]
fn cancelling_ends_the_wait() {
    let scene = Scene::new();
    let cancel = Cancel::new();
    let button = cancel.clone();
    let (options, pauses) = scene.options(2, move |_| button.cancel());
    let options = options.cancel(&cancel);
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(pauses.lock().unwrap().len(), 2);
    assert_eq!(scene.provider.stats().count(TOKEN_PATH), 1);

    // With the real pause of five seconds, of which none is waited.
    let options = DesktopDeviceOptions::new().show(|_| {}).cancel(&cancel);
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(scene.provider.stats().count(TOKEN_PATH), 1);
}

#[test]
fn another_user_takes_over_the_whole_session() {
    // One that keeps its sessions under its own lock, and one that has none.
    let store = MemoryStore::new();
    let id = SessionId::random();
    for scene in [
        Scene::of(DEVICE_CLIENT, store.session(&id)),
        Scene::of(DEVICE_CLIENT, MemoryStorage::new()),
    ] {
        assert_eq!(scene.sign_in(ALICE), ALICE_SUB);
        let of_alice = scene.client.access_token(RESOURCE).unwrap().unwrap();
        let refresh_token = scene.client.refresh_token().unwrap();
        assert_eq!(scene.sign_in(BOB), BOB_SUB);
        assert_ne!(scene.client.refresh_token().unwrap(), refresh_token);
        let of_bob = scene.client.access_token(RESOURCE).unwrap().unwrap();
        assert_ne!(of_bob, of_alice);
        assert_eq!(scene.client.fetch_user_info().unwrap().sub, BOB_SUB);
    }
    assert!(
        store
            .session(&id)
            .get(PersistKey::IdToken)
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_refused_id_token_leaves_the_session_as_it_was() {
    let scene = Scene::new();
    assert_eq!(scene.sign_in(BOB), BOB_SUB);
    let refresh_token = scene.client.refresh_token().unwrap();
    let id_token = scene.client.id_token().unwrap().unwrap();
    let (rest, _signature) = id_token.rsplit_once('.').unwrap();
    for (id_token, expected) in [
        (json!(format!("{rest}.AAAA")), "the ID token is refused"),
        (json!("opaque"), "the ID token is refused"),
        (Value::Null, "no ID token"),
    ] {
        let mut device = scene.start();
        approve(device.best_uri());
        scene.front.change(TOKEN_PATH, "id_token", id_token);
        let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(scene.client.id_token_claims().unwrap().sub, BOB_SUB);
        assert_eq!(scene.client.refresh_token().unwrap(), refresh_token);
    }

    // One of an earlier sign-in.
    scene.front.calm();
    scene.clock.advance(Duration::from_secs(580));
    let mut device = scene.start();
    scene.clock.advance(Duration::from_secs(200));
    approve(device.best_uri());
    scene.front.change(TOKEN_PATH, "id_token", json!(id_token));
    assert!(matches!(
        scene.client.poll_device_sign_in(&mut device),
        Err(LogtoError::IdToken(IdTokenError::TooOld))
    ));
}

#[test]
fn a_server_or_an_application_without_the_device_flow_says_so() {
    let scene = Scene::new();
    let discovery = "/oidc/.well-known/openid-configuration";
    let endpoint = "device_authorization_endpoint";
    scene.front.change(discovery, endpoint, Value::Null);
    let options = DeviceSignInOptions::new();
    let error = scene.client.start_device_sign_in(&options).unwrap_err();
    assert!(matches!(
        error,
        LogtoError::Device(DeviceError::Unsupported)
    ));

    let scene = Scene::of(NATIVE_CLIENT, MemoryStorage::new());
    let error = scene.client.start_device_sign_in(&options).unwrap_err();
    assert!(error.oauth_error().is_some(), "{error}");
}

/// Before the user is shown anything.
#[test]
fn a_hostile_server_shows_the_user_nothing() {
    let scene = Scene::new();
    for (member, value) in [
        ("verification_uri", json!("file:///etc/passwd")),
        ("verification_uri", json!("http://evil.example/device")),
        ("verification_uri_complete", json!("javascript:alert(1)")),
        ("user_code", json!("\u{1b}]0;owned\u{7}")),
        ("user_code", json!("x".repeat(100))),
        ("device_code", json!("")),
        ("expires_in", json!(-1)),
    ] {
        scene.front.calm();
        scene.front.change(DEVICE_PATH, member, value.clone());
        let options = DesktopDeviceOptions::new().show(|_| panic!("it was shown"));
        let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
        assert!(
            !error.is_timeout() && !error.is_denied(),
            "{member} {value}"
        );
        assert_eq!(scene.provider.stats().count(TOKEN_PATH), 0);
    }
}

#[test]
fn a_parameter_of_the_client_cannot_be_replaced() {
    let scene = Scene::new();
    let options = DeviceSignInOptions::new().extra_param("client_id", "another");
    assert!(matches!(
        scene.client.start_device_sign_in(&options),
        Err(LogtoError::SignIn(SignInError::ReservedParameter { .. }))
    ));
    assert!(scene.provider.stats().requests.is_empty());
}

#[test]
fn the_device_code_is_never_shown() {
    let scene = Scene::new();
    let mut device = scene.start();
    let code = device.device_code.expose().to_owned();
    assert!(!format!("{device:?}").contains(&code));
    scene.front.refuse(TOKEN_PATH, "invalid_grant");
    let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&code));
}
