//! Signing in on a device without a browser.

#![cfg(feature = "desktop")]

mod support;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use logto::desktop::{self, Cancel, DesktopDeviceOptions, DesktopError};
use logto::storage::{MemoryStorage, StorageErrorKind};
use logto::{
    DeviceAuthorization, DeviceError, DeviceSignInOptions, IdTokenError, Logto, LogtoClient,
    LogtoConfig, LogtoError, SignInError, Storage,
};
use logto_testing::{
    Endpoint, FakeApp, FakeLogto, FakeUser, Faulty, Misbehaviour, StorageCall, TestClock,
};
use serde_json::{Value, json};
use support::browser::Browser;
use support::least::Least;
use support::provider::{ALICE, ALICE_SUB, DEVICE_CLIENT, NATIVE_CLIENT, Provider, RESOURCE};

/// A server, and a device with a clock of its own.
struct Scene {
    fake: Arc<FakeLogto>,
    clock: TestClock,
    client: LogtoClient,
}

impl Scene {
    fn new() -> Self {
        Self::with(MemoryStorage::new())
    }

    fn with(storage: impl Storage + 'static) -> Self {
        let fake = FakeLogto::builder()
            .app(FakeApp::native("tv").device_flow())
            .user(FakeUser::new("alice"))
            .user(FakeUser::new("bob"))
            .resource(RESOURCE, ["read:items"])
            .start();
        let clock = TestClock::new();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
            .resources([RESOURCE])
            .scopes(["read:items"]);
        let logto = Logto::builder(config).clock(clock.clone()).build();
        Self {
            fake: Arc::new(fake),
            clock,
            client: logto.unwrap().client(storage),
        }
    }

    fn start(&self) -> DeviceAuthorization {
        let options = DeviceSignInOptions::new();
        self.client.start_device_sign_in(&options).unwrap()
    }

    fn sign_in(&self, user: &str) {
        let mut device = self.start();
        self.fake.approve_device(&device.user_code, user);
        let signed_in = self.client.poll_device_sign_in(&mut device).unwrap();
        assert_eq!(signed_in.expect("the user has finished").claims.sub, user);
    }

    /// The next polls are answered with this error.
    fn refuse(&self, times: usize, error: &str) {
        let refusal = Misbehaviour::Error {
            status: 400,
            error: error.to_owned(),
            description: String::new(),
        };
        self.fake.misbehave_times(Endpoint::Token, times, refusal);
    }

    /// The answer from the endpoint has this member from now on, or has it not if the value is null.
    fn change(&self, endpoint: Endpoint, member: &'static str, value: Value) {
        self.fake
            .tamper_response(endpoint, move |body| match &value {
                Value::Null => drop(body.as_object_mut().unwrap().remove(member)),
                value => body[member] = value.clone(),
            });
    }

    fn polls(&self) -> usize {
        self.fake.requests_to(Endpoint::Token).len()
    }

    /// Options with which no time passes, and what the pauses between polls would have been, in
    /// seconds. The user does this at the pause of this number, with the code.
    fn options(
        &self,
        at_pause: usize,
        user: impl Fn(&FakeLogto, &str) + Send + Sync + 'static,
    ) -> (DesktopDeviceOptions, Arc<Mutex<Vec<u64>>>) {
        let code = Arc::new(Mutex::new(String::new()));
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let (shown, noted, fake) = (code.clone(), pauses.clone(), self.fake.clone());
        let options = DesktopDeviceOptions::new()
            .show(move |device| device.user_code.clone_into(&mut shown.lock().unwrap()))
            .wait_with(move |pause| {
                let mut pauses = noted.lock().unwrap();
                pauses.push(pause.as_secs());
                if pauses.len() == at_pause {
                    user(&fake, &code.lock().unwrap());
                }
            });
        (options, pauses)
    }
}

fn approve(fake: &FakeLogto, user_code: &str) {
    fake.approve_device(user_code, "alice");
}

fn a_client(provider: &Provider, app_id: &str) -> LogtoClient {
    let config = LogtoConfig::new(provider.endpoint(), app_id)
        .resources([RESOURCE])
        .scopes(["read:items"]);
    LogtoClient::new(config, MemoryStorage::new()).unwrap()
}

#[test]
fn a_user_of_a_real_provider_signs_in_on_another_device() {
    let provider = Provider::start();
    let client = &a_client(&provider, DEVICE_CLIENT);
    let options = DeviceSignInOptions::new();
    let mut device = client.start_device_sign_in(&options).unwrap();
    let default = Duration::from_secs(5);
    assert_eq!(device.interval, default, "the server does not say");
    assert_eq!(device.expires_in, Duration::from_secs(600));
    assert!(device.best_uri().contains(&device.user_code));
    assert!(client.poll_device_sign_in(&mut device).unwrap().is_none());
    assert!(!client.is_authenticated().unwrap());

    Browser::new().approve_device(device.best_uri(), ALICE);
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
fn a_real_provider_tells_why_nobody_is_signed_in() {
    let provider = Provider::start();
    let client = a_client(&provider, DEVICE_CLIENT);
    let options = DeviceSignInOptions::new();
    let mut device = client.start_device_sign_in(&options).unwrap();
    Browser::new().deny_device(device.best_uri());
    assert!(matches!(
        client.poll_device_sign_in(&mut device),
        Err(LogtoError::Device(DeviceError::AccessDenied))
    ));

    let mut device = client.start_device_sign_in(&options).unwrap();
    provider.set_clock_offset(601);
    assert!(matches!(
        client.poll_device_sign_in(&mut device),
        Err(LogtoError::Device(DeviceError::Expired))
    ));

    let without_device_flow = a_client(&provider, NATIVE_CLIENT);
    let refused = without_device_flow.start_device_sign_in(&options);
    assert!(refused.unwrap_err().oauth_error().is_some());
}

#[test]
fn one_call_waits_for_the_user() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(3, approve);
    let signed_in = desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(signed_in.claims.sub, "alice");
    assert_eq!(*pauses.lock().unwrap(), [5, 5, 5]);
}

#[test]
fn a_server_that_is_asked_too_often_is_asked_less() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(4, approve);
    scene.refuse(3, "slow_down");
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
        scene.change(Endpoint::DeviceAuthorization, "interval", sent);
        let (options, pauses) = scene.options(1, approve);
        desktop::device_sign_in(&scene.client, &options).unwrap();
        assert_eq!(*pauses.lock().unwrap(), [kept]);
    }
}

#[test]
fn a_server_that_fails_is_asked_again_ever_more_slowly() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(5, approve);
    let fake = &scene.fake;
    fake.misbehave_times(Endpoint::Token, 2, Misbehaviour::Status(503));
    fake.misbehave_times(Endpoint::Token, 1, Misbehaviour::CloseBeforeResponse);
    scene.refuse(1, "authorization_pending");
    desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(*pauses.lock().unwrap(), [5, 10, 20, 40, 5]);
}

#[test]
fn a_server_can_say_when_to_ask_again() {
    let scene = Scene::new();
    scene.change(Endpoint::DeviceAuthorization, "interval", json!(1));
    let (options, pauses) = scene.options(3, approve);
    let busy = Misbehaviour::StatusWithRetryAfter {
        status: 429,
        seconds: 7,
    };
    scene.fake.misbehave_times(Endpoint::Token, 1, busy);
    scene.refuse(1, "authorization_pending");
    desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(*pauses.lock().unwrap(), [1, 7, 1]);
}

#[test]
fn a_server_cannot_ask_to_wait_beyond_the_end_of_the_code() {
    let scene = Scene::new();
    scene.change(Endpoint::DeviceAuthorization, "expires_in", json!(30));
    let (options, pauses) = scene.options(2, approve);
    let busy = Misbehaviour::StatusWithRetryAfter {
        status: 429,
        seconds: 200,
    };
    scene.fake.misbehave_times(Endpoint::Token, 1, busy);
    desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(*pauses.lock().unwrap(), [5, 30]);
}

/// The server takes the code once.
#[test]
fn tokens_that_cannot_be_stored_for_now_are_kept() {
    let storage = Faulty::new(MemoryStorage::new());
    let scene = Scene::with(storage.clone());
    for nth in [1, 2] {
        storage.fail(StorageCall::Save, nth, StorageErrorKind::Busy);
    }
    let (options, pauses) = scene.options(1, approve);
    let signed_in = desktop::device_sign_in(&scene.client, &options).unwrap();
    assert_eq!(signed_in.claims.sub, "alice");
    assert_eq!((scene.polls(), pauses.lock().unwrap().len()), (1, 3));

    let mut device = scene.start();
    scene.fake.approve_device(&device.user_code, "bob");
    // A full disk, say.
    storage.fail(StorageCall::Save, 1, StorageErrorKind::Backend);
    let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
    assert!(matches!(error, LogtoError::Storage(_)), "{error}");
    assert!(!format!("{device:?}").contains("eyJ"), "{device:?}");
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
    let signed_in = scene.client.poll_device_sign_in(&mut device).unwrap();
    assert_eq!(signed_in.unwrap().claims.sub, "bob");
    assert_eq!(scene.polls(), 2);
}

#[test]
fn a_storage_that_is_broken_ends_it() {
    let storage = Faulty::new(MemoryStorage::new());
    let scene = Scene::with(storage.clone());
    storage.fail(StorageCall::Save, 1, StorageErrorKind::Corrupt);
    let (options, _) = scene.options(1, approve);
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(matches!(error.logto_error(), Some(LogtoError::Storage(_))));
    assert_eq!(scene.polls(), 1);
}

#[test]
fn who_declines_is_not_signed_in() {
    let scene = Scene::new();
    scene.sign_in("bob");
    let (options, _) = scene.options(2, FakeLogto::deny_device);
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_denied() && !error.is_timeout(), "{error}");
    assert!(matches!(
        error,
        DesktopError::Logto(LogtoError::Device(DeviceError::AccessDenied))
    ));
    // Whoever was signed in still is.
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "bob");
}

#[test]
fn a_code_that_has_expired_ends_it() {
    let scene = Scene::new();
    // By this machine's clock: nothing is sent.
    let mut device = scene.start();
    scene.clock.advance(Duration::from_secs(601));
    let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
    assert!(matches!(error, LogtoError::Device(DeviceError::Expired)));
    assert!(!error.is_retryable());
    assert_eq!(scene.polls(), 0);

    // By the server's.
    let mut device = scene.start();
    scene.fake.clock().advance(Duration::from_secs(601));
    let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
    assert!(matches!(error, LogtoError::Device(DeviceError::Expired)));

    let clock = scene.clock.clone();
    let (options, pauses) = scene.options(2, move |_, _| clock.advance(Duration::from_secs(700)));
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_timeout() && !error.is_denied(), "{error}");
    assert_eq!(pauses.lock().unwrap().len(), 2);
}

#[test]
fn a_user_who_does_not_come_is_not_waited_for_for_ever() {
    let scene = Scene::new();
    let (options, pauses) = scene.options(0, approve);
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
    let (options, pauses) = scene.options(2, move |_, _| button.cancel());
    let options = options.cancel(&cancel);
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(pauses.lock().unwrap().len(), 2);
    assert_eq!(scene.polls(), 1);

    // With the real pause of five seconds, of which none is waited.
    let options = DesktopDeviceOptions::new().show(|_| {}).cancel(&cancel);
    let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(scene.polls(), 1);
}

#[test]
fn another_user_takes_over_the_whole_session() {
    // One that has a lock of its own, and one that has none.
    for scene in [Scene::new(), Scene::with(Least::default())] {
        let client = &scene.client;
        scene.sign_in("alice");
        let of_alice = client.access_token(RESOURCE).unwrap().unwrap();
        let refresh_token = client.refresh_token().unwrap();
        scene.sign_in("bob");
        assert_ne!(client.refresh_token().unwrap(), refresh_token);
        assert_ne!(client.access_token(RESOURCE).unwrap().unwrap(), of_alice);
        assert_eq!(client.fetch_user_info().unwrap().sub, "bob");
    }
}

#[test]
fn a_sign_out_is_not_undone_by_a_poll_under_way() {
    for scene in [Scene::new(), Scene::with(Least::default())] {
        let mut device = scene.start();
        approve(&scene.fake, &device.user_code);
        let slow = Misbehaviour::Slow(Duration::from_millis(300));
        scene.fake.misbehave_times(Endpoint::Token, 1, slow);
        let client = scene.client.clone();
        let poll = thread::spawn(move || client.poll_device_sign_in(&mut device));
        while scene.polls() == 0 {
            thread::yield_now();
        }
        scene.client.sign_out(None).unwrap();
        assert!(poll.join().unwrap().unwrap().is_some());
        assert!(!scene.client.is_authenticated().unwrap());
        assert_eq!(scene.client.refresh_token().unwrap(), None);
    }
}

#[test]
fn a_refused_id_token_leaves_the_session_as_it_was() {
    let scene = Scene::new();
    scene.sign_in("bob");
    let refresh_token = scene.client.refresh_token().unwrap();
    let id_token = scene.client.id_token().unwrap().unwrap();
    let (rest, _signature) = id_token.rsplit_once('.').unwrap();
    for (id_token, expected) in [
        (json!(format!("{rest}.AAAA")), "the ID token is refused"),
        (json!("opaque"), "the ID token is refused"),
        (Value::Null, "no ID token"),
    ] {
        let mut device = scene.start();
        approve(&scene.fake, &device.user_code);
        scene.change(Endpoint::Token, "id_token", id_token);
        let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(scene.client.id_token_claims().unwrap().sub, "bob");
        assert_eq!(scene.client.refresh_token().unwrap(), refresh_token);
    }

    // One of an earlier sign-in.
    scene.fake.calm();
    scene.clock.advance(Duration::from_secs(580));
    let mut device = scene.start();
    scene.clock.advance(Duration::from_secs(200));
    approve(&scene.fake, &device.user_code);
    scene.change(Endpoint::Token, "id_token", json!(id_token));
    assert!(matches!(
        scene.client.poll_device_sign_in(&mut device),
        Err(LogtoError::IdToken(IdTokenError::TooOld))
    ));
}

#[test]
fn a_server_without_the_device_flow_says_so() {
    let scene = Scene::new();
    let member = "device_authorization_endpoint";
    scene.change(Endpoint::Discovery, member, Value::Null);
    let options = DeviceSignInOptions::new();
    let error = scene.client.start_device_sign_in(&options).unwrap_err();
    assert!(matches!(
        error,
        LogtoError::Device(DeviceError::Unsupported)
    ));
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
        scene.fake.calm();
        scene.change(Endpoint::DeviceAuthorization, member, value.clone());
        let options = DesktopDeviceOptions::new().show(|_| panic!("it was shown"));
        let error = desktop::device_sign_in(&scene.client, &options).unwrap_err();
        assert!(
            !error.is_timeout() && !error.is_denied(),
            "{member} {value}"
        );
        assert_eq!(scene.polls(), 0);
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
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn the_device_code_is_never_shown() {
    let scene = Scene::new();
    let mut device = scene.start();
    let code = device.device_code.expose().to_owned();
    assert!(!format!("{device:?}").contains(&code));
    scene.refuse(1, "invalid_grant");
    let error = scene.client.poll_device_sign_in(&mut device).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&code));
}
