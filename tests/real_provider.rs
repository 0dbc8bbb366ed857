//! The whole path against a real OpenID provider: sign in, tokens, refresh, sign out.

mod support;

use std::time::Duration;

use logto::storage::SqliteStorage;
use logto::{
    Logto, LogtoClient, LogtoConfig, Revocation, Scope, SessionId, SignInOptions, UserInfoScope,
};
use logto_testing::TestClock;
use support::browser::Browser;
use support::provider::{
    ALICE, ALICE_SUB, BOB, BOB_SUB, NATIVE_CLIENT, NATIVE_POST_LOGOUT_URI, NATIVE_REDIRECT_URI,
    ORGANIZATION, Provider, RESOURCE, WEB_CLIENT, WEB_POST_LOGOUT_URI, WEB_REDIRECT_URI,
    WEB_SECRET,
};
use tempfile::TempDir;

/// One application at one provider, with sessions in SQLite.
struct Scene {
    provider: Provider,
    clock: TestClock,
    logto: Logto,
    store: SqliteStorage,
    _directory: TempDir,
}

impl Scene {
    fn web() -> Self {
        Self::of(Provider::start(), |endpoint| {
            LogtoConfig::new(endpoint, WEB_CLIENT).app_secret(WEB_SECRET)
        })
    }

    fn native() -> Self {
        Self::of(Provider::start(), |endpoint| {
            LogtoConfig::new(endpoint, NATIVE_CLIENT)
        })
    }

    fn of(provider: Provider, config: impl Fn(&str) -> LogtoConfig) -> Self {
        let clock = TestClock::new();
        let config = config(provider.endpoint())
            .resources([RESOURCE])
            .scopes([
                UserInfoScope::Email,
                UserInfoScope::CustomData,
                UserInfoScope::Organizations,
            ])
            .scopes(["read:items", "org:read"].map(Scope::from));
        let directory = tempfile::tempdir().unwrap();
        Self {
            logto: Logto::builder(config).clock(clock.clone()).build().unwrap(),
            store: SqliteStorage::open(directory.path().join("sessions.db")).unwrap(),
            provider,
            clock,
            _directory: directory,
        }
    }

    fn client(&self) -> LogtoClient {
        self.logto.session(&self.store, &SessionId::random())
    }

    /// Moves the time here and at the provider.
    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.provider.set_clock_offset(time.as_secs() as i64);
    }
}

fn sign_in(client: &LogtoClient, browser: &mut Browser, redirect_uri: &str, user: &str) -> String {
    let callback = browser.sign_in(&client.sign_in(redirect_uri).unwrap(), user);
    assert!(client.is_sign_in_redirected(&callback).unwrap());
    client
        .handle_sign_in_callback(&callback)
        .unwrap()
        .claims
        .sub
}

#[test]
fn a_web_application_signs_a_user_in_and_out() {
    let scene = Scene::web();
    let client = scene.client();
    let mut browser = Browser::new();
    assert!(!client.is_authenticated().unwrap());

    let options = SignInOptions::new(WEB_REDIRECT_URI).post_redirect_uri("/dashboard");
    let callback = browser.sign_in(&client.sign_in(options).unwrap(), ALICE);
    let signed_in = client.handle_sign_in_callback(&callback).unwrap();
    assert_eq!(signed_in.claims.sub, ALICE_SUB);
    assert_eq!(signed_in.claims.aud, WEB_CLIENT);
    assert_eq!(signed_in.post_redirect_uri.as_deref(), Some("/dashboard"));
    assert!(client.is_authenticated().unwrap());
    assert_eq!(client.id_token_claims().unwrap(), signed_in.claims);

    let user_info = client.fetch_user_info().unwrap();
    assert_eq!(user_info.sub, ALICE_SUB);
    assert!(user_info.email.is_some() && user_info.custom_data.is_some());

    has_tokens(&client);
    let refresh_token = client.refresh_token().unwrap().unwrap();
    refreshes_when_time_has_passed(&scene, &client);
    assert_eq!(
        client.refresh_token().unwrap().unwrap(),
        refresh_token,
        "not rotated"
    );

    signs_out(&scene, &client, &mut browser, WEB_POST_LOGOUT_URI);
}

#[test]
fn a_native_application_signs_a_user_in_and_out() {
    let scene = Scene::native();
    let client = scene.client();
    let mut browser = Browser::new();
    let redirect_uri = NATIVE_REDIRECT_URI.replace("8765", "54321");
    assert_eq!(
        sign_in(&client, &mut browser, &redirect_uri, ALICE),
        ALICE_SUB
    );
    assert_eq!(client.fetch_user_info().unwrap().sub, ALICE_SUB);

    let first = client.refresh_token().unwrap().unwrap();
    has_tokens(&client);
    let rotated = client.refresh_token().unwrap().unwrap();
    assert_ne!(rotated, first, "the provider rotates at every refresh");
    refreshes_when_time_has_passed(&scene, &client);
    assert_ne!(client.refresh_token().unwrap().unwrap(), rotated);

    signs_out(&scene, &client, &mut browser, NATIVE_POST_LOGOUT_URI);
}

/// Tokens for a resource and for an organization are had by the refresh token, and then cached.
fn has_tokens(client: &LogtoClient) {
    let claims = client.access_token_claims(RESOURCE).unwrap();
    assert_eq!(claims.aud, RESOURCE);
    assert_eq!(claims.sub, ALICE_SUB);
    assert!(claims.has_scope("read:items"));
    assert_eq!(
        client.access_token_claims(RESOURCE).unwrap(),
        claims,
        "cached"
    );

    let claims = client.organization_token_claims(ORGANIZATION).unwrap();
    assert_eq!(
        claims.aud,
        *format!("urn:logto:organization:{ORGANIZATION}")
    );
}

fn refreshes_when_time_has_passed(scene: &Scene, client: &LogtoClient) {
    let token = client.access_token(RESOURCE).unwrap().unwrap();
    let id_token = client.id_token().unwrap().unwrap();
    scene.provider.reset_stats();
    scene.pass(Duration::from_secs(3601));
    let newer = client.access_token(RESOURCE).unwrap().unwrap();
    assert_ne!(newer, token);
    assert_ne!(
        client.id_token().unwrap().unwrap(),
        id_token,
        "the ID token is newer too"
    );
    assert_eq!(
        client.access_token(RESOURCE).unwrap().unwrap(),
        newer,
        "cached"
    );
    assert_eq!(scene.provider.stats().grants("refresh_token"), 1);
    assert_eq!(client.id_token_claims().unwrap().sub, ALICE_SUB);
}

fn signs_out(scene: &Scene, client: &LogtoClient, browser: &mut Browser, to: &str) {
    let refresh_token = client.refresh_token().unwrap().unwrap();
    let sign_out = client.sign_out(to).unwrap();
    assert!(
        matches!(sign_out.revocation, Revocation::Revoked),
        "{sign_out:?}"
    );
    assert!(!client.is_authenticated().unwrap());
    assert_eq!(client.refresh_token().unwrap(), None);
    assert_eq!(client.access_token(RESOURCE).unwrap(), None);
    assert_eq!(
        browser.sign_out(&sign_out.url),
        to,
        "the provider accepts the sign-out"
    );

    let config = scene.logto.config();
    let error = scene
        .logto
        .oidc_core()
        .unwrap()
        .fetch_token_by_refresh_token(&logto::RefreshTokenGrant {
            client_id: &config.app_id,
            client_secret: config.app_secret.as_ref().map(logto::Secret::expose),
            refresh_token: &refresh_token,
            ..Default::default()
        })
        .unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "invalid_grant");
    assert!(error.requires_sign_in());
}

#[test]
fn the_second_sign_in_costs_one_request() {
    let scene = Scene::web();
    let mut browser = Browser::new();
    let (alice, bob) = (scene.client(), scene.client());
    assert_eq!(
        sign_in(&alice, &mut browser, WEB_REDIRECT_URI, ALICE),
        ALICE_SUB
    );

    let callback = {
        browser.clear();
        browser.sign_in(&bob.sign_in(WEB_REDIRECT_URI).unwrap(), BOB)
    };
    scene.provider.reset_stats();
    let signed_in = bob.handle_sign_in_callback(&callback).unwrap();
    assert_eq!(signed_in.claims.sub, BOB_SUB);
    assert_eq!(signed_in.claims.name, None, "Bob's name is null");
    let stats = scene.provider.stats();
    let paths: Vec<_> = stats
        .requests
        .iter()
        .map(|request| request.path.as_str())
        .collect();
    assert_eq!(paths, ["/oidc/token"]);
}

#[test]
fn a_user_who_refuses_is_told_apart() {
    let scene = Scene::web();
    let client = scene.client();
    let mut browser = Browser::new();
    let callback = browser.cancel_sign_in(&client.sign_in(WEB_REDIRECT_URI).unwrap());
    let error = client.handle_sign_in_callback(&callback).unwrap_err();
    assert_eq!(error.oauth_error().unwrap().error, "access_denied");
    assert!(!client.is_authenticated().unwrap());
}

#[test]
fn two_tabs_both_finish_their_sign_in() {
    let scene = Scene::web();
    let client = scene.client();
    let mut browser = Browser::new();
    let urls = [(); 2].map(|()| client.sign_in(WEB_REDIRECT_URI).unwrap());
    let [first, second] = urls.map(|url| browser.sign_in(&url, ALICE));
    for callback in [&second, &first] {
        let signed_in = client.handle_sign_in_callback(callback).unwrap();
        assert_eq!(signed_in.claims.sub, ALICE_SUB);
    }
    assert!(
        client.handle_sign_in_callback(&first).is_err(),
        "a code is sent once"
    );
}

#[test]
fn keys_that_were_rotated_are_found_without_a_restart() {
    let scene = Scene::web();
    let mut browser = Browser::new();
    sign_in(&scene.client(), &mut browser, WEB_REDIRECT_URI, ALICE);
    for algorithm in ["RS256", "ES256", "ES384"] {
        scene.provider.replace_keys(algorithm);
        browser.clear();
        let client = scene.client();
        assert_eq!(
            sign_in(&client, &mut browser, WEB_REDIRECT_URI, ALICE),
            ALICE_SUB
        );
        assert_eq!(client.access_token_claims(RESOURCE).unwrap().aud, RESOURCE);
    }
}
