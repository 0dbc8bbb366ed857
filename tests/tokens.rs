//! Access tokens: which is handed out, for how long, and what else there is to do with them.

use std::thread;
use std::time::Duration;

use logto::storage::{MemoryStorage, PersistKey};
use logto::{
    AccessTokenRequest, ContextOptions, Logto, LogtoBuilder, LogtoClient, LogtoConfig,
    UserInfoScope,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour, TestClock};
use serde_json::{Value, json};

const RESOURCE: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

struct Scene {
    fake: FakeLogto,
    clock: TestClock,
    storage: MemoryStorage,
    client: LogtoClient,
}

impl Scene {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(set: impl Fn(LogtoBuilder) -> LogtoBuilder) -> Self {
        let fake = FakeLogto::builder()
            .app(FakeApp::native("app"))
            .user(
                FakeUser::new("alice")
                    .organization("org_1", "Acme", ["admin"])
                    .organization("org_2", "Umbrella", ["member"]),
            )
            .resource(RESOURCE, ["read:items"])
            .start();
        let clock = fake.clock();
        clock.freeze();
        let config = LogtoConfig::new(fake.endpoint(), "app")
            .resources([RESOURCE])
            .scopes([UserInfoScope::Organizations])
            .scopes(["read:items"]);
        let logto = set(Logto::builder(config).clock(clock.clone()))
            .build()
            .unwrap();
        let storage = MemoryStorage::new();
        let client = logto.client(storage.clone());
        let callback = fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
        client.handle_sign_in_callback(&callback).unwrap();
        Self {
            fake,
            clock,
            storage,
            client,
        }
    }

    fn token(&self) -> String {
        self.client.access_token(RESOURCE).unwrap().unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn refreshes(&self) -> usize {
        self.fake.requests_to(Endpoint::Token).len() - 1
    }
}

#[test]
fn a_token_is_used_until_a_minute_before_it_expires() {
    let scene = Scene::new();
    let token = scene.token();
    scene.pass(3539);
    assert_eq!(scene.token(), token);
    scene.pass(1);
    assert_ne!(scene.token(), token);
    assert_eq!(scene.refreshes(), 2);
}

#[test]
fn the_margin_can_be_set() {
    let scene = Scene::with(|builder| builder.refresh_leeway(Duration::from_secs(600)));
    let token = scene.token();
    scene.pass(2999);
    assert_eq!(scene.token(), token);
    scene.pass(1);
    assert_ne!(scene.token(), token);
}

#[test]
fn every_lifetime_is_defined() {
    // What the server says, and for how many seconds the token is then handed out.
    for (expires_in, used_for) in [
        (json!(3600), 3540),
        (json!("3600"), 3540),
        (json!(100), 50),
        (json!(0), 0),
        (Value::Null, 0),
        (json!(10 * 366 * 86400), 10 * 366 * 86400 - 60),
    ] {
        let scene = Scene::new();
        let said = expires_in.clone();
        scene.fake.tamper_response(Endpoint::Token, move |answer| {
            answer["expires_in"] = said.clone();
        });
        let token = scene.token();
        if used_for > 0 {
            scene.pass(used_for - 1);
            assert_eq!(scene.token(), token, "{expires_in}");
            scene.pass(1);
        }
        let refreshes = scene.refreshes();
        let _ = scene.client.access_token(RESOURCE);
        assert_eq!(scene.refreshes(), refreshes + 1, "{expires_in}");
    }
}

#[test]
fn one_refresh_serves_all_that_waited_however_short_the_tokens_life() {
    let scene = Scene::new();
    let token = scene.token();
    scene.pass(3600);
    scene
        .fake
        .tamper_response(Endpoint::Token, |answer| answer["expires_in"] = 0.into());
    scene.fake.misbehave(
        Endpoint::Token,
        Misbehaviour::Slow(Duration::from_millis(300)),
    );
    let before = scene.refreshes();
    let barrier = std::sync::Barrier::new(16);
    let tokens: Vec<_> = thread::scope(|threads| {
        let askers: Vec<_> = (0..16)
            .map(|_| {
                threads.spawn(|| {
                    barrier.wait();
                    scene.token()
                })
            })
            .collect();
        askers
            .into_iter()
            .map(|asker| asker.join().unwrap())
            .collect()
    });
    assert!(!tokens.contains(&token));
    let refreshes = scene.refreshes() - before;
    assert!(refreshes < 16, "{refreshes} refreshes for 16 callers");
}

#[test]
fn a_clock_that_is_set_back_prolongs_no_token() {
    let scene = Scene::new();
    let token = scene.token();
    scene.pass(3000);
    assert_eq!(scene.token(), token);
    scene.clock.rewind(Duration::from_secs(2900));
    assert_eq!(scene.token(), token, "no time has passed");
    scene.pass(2900 + 540);
    assert_ne!(scene.token(), token);
}

#[test]
fn a_clock_that_is_set_forward_only_refreshes_early() {
    let scene = Scene::new();
    let token = scene.token();
    scene.pass(86400);
    assert_ne!(scene.token(), token);
    let newer = scene.token();
    assert_eq!(scene.token(), newer);
}

#[test]
fn a_token_of_the_future_is_not_believed_by_a_new_process() {
    let scene = Scene::new();
    scene.token();
    scene.clock.rewind(Duration::from_secs(600));
    let config = LogtoConfig::new(scene.fake.endpoint(), "app").resources([RESOURCE]);
    let restarted = Logto::builder(config)
        .clock(scene.clock.clone())
        .build()
        .unwrap()
        .client(scene.storage.clone());
    let before = scene.refreshes();
    restarted.access_token(RESOURCE).unwrap().unwrap();
    assert_eq!(scene.refreshes(), before + 1);
}

#[test]
fn a_refresh_can_be_forced() {
    let scene = Scene::new();
    let token = scene.token();
    let forced = AccessTokenRequest::from(RESOURCE).force_refresh(true);
    let newer = scene.client.access_token(forced).unwrap().unwrap();
    assert_ne!(newer, token);
    assert_eq!(scene.token(), newer);
}

#[test]
fn an_organizations_token_for_a_resource_is_a_token_of_its_own() {
    let scene = Scene::new();
    let request = AccessTokenRequest::from(RESOURCE).organization("org_1");
    let claims = scene.client.access_token_claims(request).unwrap();
    assert_eq!(claims.aud, RESOURCE);
    assert_eq!(claims.organization_id.as_deref(), Some("org_1"));
    let alone = scene.client.access_token_claims(RESOURCE).unwrap();
    assert_eq!(alone.organization_id, None);
    let organization = scene.client.organization_token_claims("org_1").unwrap();
    assert_eq!(organization.aud, "urn:logto:organization:org_1");
    let refreshes = scene.refreshes();
    scene.client.access_token(request).unwrap().unwrap();
    assert_eq!(scene.refreshes(), refreshes, "cached");
}

#[test]
fn access_tokens_can_be_cleared() {
    let scene = Scene::new();
    let token = scene.token();
    scene.client.clear_access_tokens().unwrap();
    assert_ne!(scene.token(), token);
    assert!(scene.client.is_authenticated().unwrap());
}

#[test]
fn a_user_can_be_signed_out_without_the_server() {
    let scene = Scene::new();
    scene.token();
    scene.fake.clear_requests();
    scene.client.clear_all_tokens().unwrap();
    assert!(!scene.client.is_authenticated().unwrap());
    assert_eq!(scene.client.access_token(RESOURCE).unwrap(), None);
    for key in [
        PersistKey::IdToken,
        PersistKey::RefreshToken,
        PersistKey::AccessTokenMap,
    ] {
        assert_eq!(scene.client.session().get(key).unwrap(), None, "{key}");
    }
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn the_context_has_what_was_asked_for() {
    let scene = Scene::new();
    scene.fake.clear_requests();
    let plain = scene.client.context(ContextOptions::new()).unwrap();
    assert!(plain.is_authenticated && plain.claims.unwrap().sub == "alice");
    assert!(plain.user_info.is_none() && plain.access_token.is_none());
    assert!(scene.fake.requests().is_empty());

    let all = ContextOptions::new()
        .user_info(true)
        .access_token(RESOURCE)
        .organization_tokens(true);
    let context = scene.client.context(all).unwrap();
    assert_eq!(context.user_info.unwrap().sub, "alice");
    assert!(context.access_token.is_some());
    let organizations: Vec<_> = context.organization_tokens.keys().cloned().collect();
    assert_eq!(organizations, ["org_1", "org_2"]);

    scene.pass(3600);
    scene
        .fake
        .misbehave_times(Endpoint::Token, 1, Misbehaviour::Status(500));
    let error = scene.client.context(all).unwrap_err();
    assert!(
        error.is_retryable() && !error.requires_sign_in(),
        "not the same as signed out"
    );

    scene.client.clear_all_tokens().unwrap();
    assert!(!scene.client.context(all).unwrap().is_authenticated);
}

#[test]
fn an_access_token_that_the_server_took_back_is_noticed_by_the_user_info() {
    let scene = Scene::new();
    scene.client.fetch_user_info().unwrap();
    scene.fake.revoke_grants();
    let error = scene.client.fetch_user_info().unwrap_err();
    assert!(error.requires_sign_in(), "{error:?}");
}

#[test]
fn a_token_that_the_python_sdk_cached_is_used() {
    let scene = Scene::new();
    let soon = (scene.client.id_token_claims().unwrap().iat) + 100;
    let stored = json!({ "x": { RESOURCE: { "token": "of-python", "expiresAt": soon } } });
    let session = scene.client.session();
    session
        .set(PersistKey::AccessTokenMap, &stored.to_string())
        .unwrap();
    assert_eq!(scene.token(), "of-python");
    scene.pass(100);
    assert_ne!(scene.token(), "of-python");
}

#[test]
fn every_forced_refresh_is_sent() {
    let scene = Scene::new();
    let forced = AccessTokenRequest::from(RESOURCE).force_refresh(true);
    let before = scene.refreshes();
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| scene.client.access_token(forced).unwrap().unwrap());
        }
    });
    assert_eq!(scene.refreshes(), before + 4);
}
