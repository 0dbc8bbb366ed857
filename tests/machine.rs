//! Machine to machine: one request for any number of callers, and the cache.

mod support;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use logto::storage::{FileStorage, MemoryStorage};
use logto::{
    ConfigError, EncryptionKey, Logto, LogtoConfig, LogtoError, MachineClient, MachineTokenRequest,
    OidcCore, TokenExchange,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour};
use support::provider::{self, Provider};

const RESOURCE: &str = "https://api.example.com";

struct Scene {
    fake: FakeLogto,
    logto: Logto,
    machine: MachineClient,
}

fn scene() -> Scene {
    let fake = FakeLogto::builder()
        .app(FakeApp::machine("machine", "secret"))
        .resource(RESOURCE, ["read:items", "write:items"])
        .resource("https://default.logto.app/api", ["all"])
        .start();
    let clock = fake.clock();
    clock.freeze();
    let config = LogtoConfig::new(fake.endpoint(), "machine").app_secret("secret");
    let logto = Logto::builder(config).clock(clock).build().unwrap();
    Scene {
        machine: logto.machine(),
        logto,
        fake,
    }
}

fn read_items() -> MachineTokenRequest<'static> {
    MachineTokenRequest::from(RESOURCE).scopes(["read:items"])
}

#[test]
fn a_token_is_kept_until_shortly_before_it_expires() {
    let scene = scene();
    let token = scene.machine.access_token(read_items()).unwrap();
    let claims = scene.machine.access_token_claims(read_items()).unwrap();
    assert_eq!(claims.scope, "read:items");
    assert_eq!(claims.client_id.as_deref(), Some("machine"));
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);

    scene.fake.clock().advance(Duration::from_secs(3600 - 61));
    assert_eq!(scene.machine.access_token(read_items()).unwrap(), token);
    scene.fake.clock().advance(Duration::from_secs(2));
    assert_ne!(scene.machine.access_token(read_items()).unwrap(), token);
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 2);
}

#[test]
fn each_resource_and_each_set_of_scopes_has_its_token() {
    let scene = scene();
    let both = MachineTokenRequest::from(RESOURCE).scopes(["write:items", "read:items"]);
    let management = MachineTokenRequest::management_api("default");
    let claims = |request: &MachineTokenRequest<'static>| {
        scene.machine.access_token_claims(request.clone()).unwrap()
    };
    assert_eq!(claims(&read_items()).scope, "read:items");
    assert!(claims(&both).has_scope("write:items"));
    assert_eq!(claims(&management).scope, "all");
    let none = MachineTokenRequest::from(RESOURCE);
    assert_eq!(claims(&none).scope, "");
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 4);

    let forced = read_items().force_refresh(true);
    claims(&forced);
    scene.machine.clear_access_tokens().unwrap();
    claims(&both);
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 6);
}

#[test]
fn sixteen_threads_make_one_request() {
    let scene = scene();
    let tokens: Vec<String> = thread::scope(|scope| {
        let ask = || scene.machine.clone().access_token(read_items()).unwrap();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);
}

#[test]
fn programs_that_start_often_share_their_tokens() {
    let scene = scene();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens");
    let key = EncryptionKey::from_bytes([7; 32]);
    let start = || {
        let storage = FileStorage::open(&path, &key).unwrap();
        let machine = scene.logto.machine_with(storage);
        machine.access_token(read_items()).unwrap()
    };
    assert_eq!(start(), start());
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);
}

#[test]
fn applications_that_share_a_storage_have_tokens_of_their_own() {
    let fake = FakeLogto::builder()
        .app(FakeApp::machine("reader", "secret"))
        .app(FakeApp::machine("admin", "secret"))
        .resource(RESOURCE, ["read:items"])
        .start();
    let storage = Arc::new(MemoryStorage::new());
    for app in ["admin", "reader", "admin"] {
        let config = LogtoConfig::new(fake.endpoint(), app).app_secret("secret");
        let machine = Logto::new(config)
            .unwrap()
            .machine_with(Arc::clone(&storage));
        let claims = machine.access_token_claims(RESOURCE).unwrap();
        assert_eq!(claims.client_id.as_deref(), Some(app));
    }
    assert_eq!(fake.requests_to(Endpoint::Token).len(), 2);
}

#[test]
fn a_users_session_and_the_machines_do_not_mix() {
    let scene = scene();
    let storage = Arc::new(MemoryStorage::new());
    let machine = scene.logto.machine_with(Arc::clone(&storage));
    machine
        .access_token(MachineTokenRequest::from(RESOURCE))
        .unwrap();
    let config = LogtoConfig::new(scene.fake.endpoint(), "machine").resources([RESOURCE]);
    let user = Logto::new(config).unwrap().client(storage);
    assert_eq!(user.access_token(RESOURCE).unwrap(), None);
}

#[test]
fn what_cannot_be_had_is_an_error_and_asked_for_again() {
    let scene = scene();
    let unknown = scene.machine.access_token("https://unknown.example");
    let error = unknown.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "invalid_target");
    assert!(!error.requires_sign_in());

    let busy = Misbehaviour::Status(503);
    scene.fake.misbehave_times(Endpoint::Token, 1, busy);
    let error = scene.machine.access_token(read_items()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    scene.machine.access_token(read_items()).unwrap();
}

#[test]
fn an_application_without_a_secret_is_told_so_and_sends_nothing() {
    let scene = scene();
    let config = LogtoConfig::new(scene.fake.endpoint(), "machine");
    let error = Logto::new(config)
        .unwrap()
        .machine()
        .access_token(RESOURCE)
        .unwrap_err();
    assert!(
        matches!(error, LogtoError::Config(ConfigError::MissingAppSecret)),
        "{error}"
    );
    assert_eq!(scene.fake.requests().len(), 0);
}

#[test]
fn a_real_provider_gives_a_token() {
    let provider = Provider::start();
    let config = LogtoConfig::new(provider.endpoint(), provider::M2M_CLIENT)
        .app_secret(provider::M2M_SECRET);
    let machine = Logto::new(config).unwrap().machine();
    let request = MachineTokenRequest::from(provider::RESOURCE).scopes(["read:items"]);
    let claims = machine.access_token_claims(request).unwrap();
    assert!(claims.aud.contains(provider::RESOURCE));
    assert_eq!(claims.scope, "read:items");
}

#[test]
fn a_machine_that_is_a_member_has_tokens_for_its_organization() {
    let app = FakeApp::machine("machine", "secret").organization("org_1", ["org:read"]);
    let fake = FakeLogto::builder()
        .app(app)
        .resource(RESOURCE, ["read:items"])
        .start();
    let config = LogtoConfig::new(fake.endpoint(), "machine").app_secret("secret");
    let machine = Logto::new(config).unwrap().machine();
    let request = MachineTokenRequest::new()
        .organization("org_1")
        .scopes(["org:read"]);
    let claims = machine.access_token_claims(request).unwrap();
    assert!(claims.aud.contains("urn:logto:organization:org_1"));
    assert_eq!(claims.scope, "org:read");
    let foreign = MachineTokenRequest::new().organization("org_2");
    let error = machine.access_token(foreign).unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "access_denied");
}

#[test]
fn a_subject_token_is_exchanged_once_to_act_as_its_user() {
    let fake = FakeLogto::builder()
        .app(FakeApp::web("support", "secret").token_exchange())
        .user(FakeUser::new("alice"))
        .resource(RESOURCE, ["read:items"])
        .start();
    let config = LogtoConfig::new(fake.endpoint(), "support").app_secret("secret");
    let logto = Logto::new(config).unwrap();
    let subject_token = fake.subject_token("alice");
    let exchange = TokenExchange::new(&subject_token)
        .resource(RESOURCE)
        .scope("read:items");
    let tokens = logto.exchange_token(&exchange).unwrap();
    let claims = OidcCore::decode_access_token(tokens.access_token.expose()).unwrap();
    assert_eq!(
        (claims.sub.as_str(), claims.scope.as_str()),
        ("alice", "read:items")
    );
    assert!(tokens.refresh_token.is_none() && tokens.id_token.is_none());

    let error = logto.exchange_token(&exchange).unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "invalid_grant");
}
