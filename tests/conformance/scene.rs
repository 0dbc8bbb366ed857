//! One session at a server that can be made to cheat, and what is held of every refusal: its requests,
//! what is stored afterwards, and that neither its error nor the log has a secret.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use logto::storage::{MemoryStorage, PersistKey, Record, Storage};
use logto::{
    AccessTokenRequest, CallbackError, Logto, LogtoBuilder, LogtoClient, LogtoConfig, LogtoError,
    SessionId, SignInOptions, SignInOutcome, UreqClient,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, SigningAlgorithm, TestClock};
use serde_json::{Map, Value};

use crate::captured;
use crate::secrets::{Overheard, Secrets, told_by};

pub const RESOURCE: &str = "https://api.example.com";
pub const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// Whether an error is the expected one.
pub type Check = fn(&LogtoError) -> bool;

/// A [`Check`] by a pattern.
macro_rules! is {
    ($pattern:pat $(if $guard:expr)?) => {{
        let check: $crate::scene::Check = |error| matches!(error, $pattern $(if $guard)?);
        check
    }};
}

/// The same for what is boxed in a `LogtoError::Response`.
macro_rules! is_response {
    ($pattern:pat) => {{
        let check: $crate::scene::Check =
            |error| matches!(error, LogtoError::Response(error) if matches!(**error, $pattern));
        check
    }};
}

/// The same for what is boxed in a `LogtoError::Http`.
macro_rules! is_http {
    ($pattern:pat) => {{
        let check: $crate::scene::Check =
            |error| matches!(error, LogtoError::Http(error) if matches!(**error, $pattern));
        check
    }};
}

pub(crate) use {is, is_http, is_response};

/// A session of a web application, at a server whose clock is the application's.
pub struct Scene {
    pub fake: FakeLogto,
    pub clock: TestClock,
    pub logto: Logto,
    pub storage: MemoryStorage,
    pub id: SessionId,
    pub client: LogtoClient,
    pub secrets: Secrets,
}

/// What differs in a scene.
pub struct Stage {
    pub app_id: &'static str,
    pub app_secret: Option<&'static str>,
    pub algorithm: SigningAlgorithm,
    pub configure: fn(LogtoConfig) -> LogtoConfig,
    pub build: fn(LogtoBuilder) -> LogtoBuilder,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            app_id: "app",
            app_secret: Some("the-secret-of-the-application"),
            algorithm: SigningAlgorithm::Es384,
            configure: |config| config,
            build: |builder| builder,
        }
    }
}

impl Stage {
    pub fn scene(self) -> Scene {
        captured::install();
        let app = match self.app_secret {
            Some(secret) => FakeApp::web(self.app_id, secret),
            None => FakeApp::native(self.app_id),
        };
        let fake = FakeLogto::builder()
            .app(app.backchannel_logout_session_required())
            .user(FakeUser::new("alice").name("Alice Example"))
            .user(FakeUser::new("bob"))
            .resource(RESOURCE, ["read:items"])
            .signing_algorithm(self.algorithm)
            .start();
        let clock = fake.clock();
        clock.freeze();
        let mut config = LogtoConfig::new(fake.endpoint(), self.app_id).resources([RESOURCE]);
        let secrets = Secrets::default();
        if let Some(secret) = self.app_secret {
            config = config.app_secret(secret);
            secrets.add(secret);
        }
        let http = Overheard {
            inner: patient(),
            secrets: secrets.clone(),
        };
        let builder = Logto::builder((self.configure)(config)).clock(clock.clone());
        let logto = (self.build)(builder.http_client(http)).build().unwrap();
        let (storage, id) = (MemoryStorage::new(), SessionId::random());
        secrets.add(id.expose());
        Scene {
            client: logto.session(&storage, &id),
            fake,
            clock,
            logto,
            storage,
            id,
            secrets,
        }
    }
}

/// What the application and its user do.
impl Scene {
    /// Nobody is signed in, and nothing is known of the server.
    pub fn new() -> Self {
        Stage::default().scene()
    }

    /// Alice is signed in, and the server's metadata and keys are known.
    pub fn signed_in() -> Self {
        let scene = Self::new();
        scene.sign_in("alice");
        scene
    }

    /// The same of a native application, whose refresh token is rotated at every use.
    pub fn native() -> Self {
        let stage = Stage {
            app_secret: None,
            ..Stage::default()
        };
        let scene = stage.scene();
        scene.sign_in("alice");
        scene
    }

    /// Starts a sign-in, and returns the URL for the browser.
    pub fn start(&self, options: impl Into<SignInOptions>) -> String {
        let url = self.client.sign_in(options).unwrap();
        self.gather(&url);
        url
    }

    /// The callback of a new sign-in of Bob.
    pub fn callback(&self) -> String {
        self.callback_of("bob")
    }

    pub fn callback_of(&self, user: &str) -> String {
        self.fake.sign_in_as(user);
        self.come_back(&self.start(REDIRECT_URI))
    }

    /// What the server answers the browser at this URL.
    pub fn come_back(&self, url: &str) -> String {
        let callback = self.fake.authorize(url);
        self.gather(&callback);
        callback
    }

    pub fn finish(&self, callback: &str) -> Result<SignInOutcome, LogtoError> {
        self.client.handle_sign_in_callback(callback)
    }

    pub fn sign_in(&self, user: &str) -> SignInOutcome {
        let signed_in = self.finish(&self.callback_of(user)).unwrap();
        assert_eq!(signed_in.claims.sub, user);
        signed_in
    }

    /// A token that the server is asked for in any case.
    pub fn refresh(&self) -> Result<Option<String>, LogtoError> {
        let request = AccessTokenRequest::from(RESOURCE).force_refresh(true);
        self.client.access_token(request)
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn gather(&self, url: &str) {
        let (_, query) = url.split_once('?').unwrap();
        self.secrets.add_parameters(query.as_bytes());
    }
}

/// What the server does.
impl Scene {
    /// Changes a claim of ID tokens.
    pub fn put_claim(&self, claim: &'static str, value: impl Into<Value>) {
        let value = value.into();
        self.fake.tamper_id_token(move |_, claims| {
            claims.insert(claim.to_owned(), value.clone());
        });
    }

    /// Takes a claim out of ID tokens.
    pub fn drop_claim(&self, claim: &'static str) {
        self.fake.tamper_id_token(move |_, claims| {
            claims.remove(claim);
        });
    }

    /// Puts another ID token in the place of each, made from its header and its claims.
    pub fn replace_id_token(
        &self,
        make: impl Fn(Map<String, Value>, Map<String, Value>) -> String + Send + Sync + 'static,
    ) {
        self.fake.tamper_response(Endpoint::Token, move |answer| {
            if let Some(token) = answer["id_token"].as_str() {
                let mut parts = token.split('.').map(decoded);
                let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
                answer["id_token"] = make(header, claims).into();
            }
        });
    }

    /// What the application has asked for, in order.
    pub fn requests(&self) -> Vec<Endpoint> {
        let requests = self.fake.requests();
        let of_application = requests.iter().filter(|request| request.connection != 0);
        of_application
            .map(|request| request.endpoint().unwrap())
            .collect()
    }
}

/// What is held of a refusal.
impl Scene {
    /// The error of a step that must fail with these requests, and leave every stored byte as it was.
    pub fn refused<T: Debug>(
        &self,
        requests: &[Endpoint],
        step: impl FnOnce(&LogtoClient) -> Result<T, LogtoError>,
    ) -> LogtoError {
        let before = self.record();
        let error = self.failed(requests, step);
        assert!(
            self.record() == before,
            "the session has changed: {error:?}"
        );
        error
    }

    /// The error of a callback that must be refused with these requests, and that uses its own sign-in
    /// up and nothing else.
    pub fn refused_sign_in(&self, callback: &str, requests: &[Endpoint]) -> LogtoError {
        let (before, mut states) = (self.stored(), self.pending_states());
        let error = self.failed(requests, |client| client.handle_sign_in_callback(callback));
        for (key, value) in self.stored() {
            let is_kept = key == PersistKey::SignInSession || before[&key] == value;
            assert!(is_kept, "the {key} has changed: {error:?}");
        }
        let state = query_value(callback, "state");
        states.retain(|pending| *pending != state);
        assert_eq!(self.pending_states(), states, "{error:?}");
        let again = self.refused(&[], |client| client.handle_sign_in_callback(callback));
        let has_failed = matches!(again, LogtoError::Callback(CallbackError::AlreadyFailed));
        assert!(has_failed, "{again:?}");
        error
    }

    /// A right sign-in works as if nothing had been.
    pub fn recovers(&self) {
        self.fake.calm();
        self.sign_in("bob");
        let claims = self.client.access_token_claims(RESOURCE).unwrap();
        assert_eq!(claims.sub, "bob");
    }

    /// The session as it is stored.
    pub fn record(&self) -> Option<Record> {
        self.storage.load(&self.id.key()).unwrap()
    }

    /// Every value of the session.
    pub fn stored(&self) -> BTreeMap<PersistKey, Option<String>> {
        let session = self.client.session();
        let keys = PersistKey::ALL.into_iter();
        keys.map(|key| (key, session.get(key).unwrap())).collect()
    }

    /// A rotated refresh token that is not verified yet.
    pub fn pending_refresh_token(&self) -> Option<String> {
        let data: Value = serde_json::from_str(self.record()?.data()).unwrap();
        Some(data.get("pendingRefreshToken")?.as_str()?.to_owned())
    }

    /// Who is signed in, and with which tokens.
    pub fn tokens(&self) -> BTreeMap<PersistKey, Option<String>> {
        let mut stored = self.stored();
        stored.remove(&PersistKey::SignInSession);
        stored
    }

    /// The states of the sign-ins under way, the newest first.
    pub fn pending_states(&self) -> Vec<String> {
        let Some(text) = &self.stored()[&PersistKey::SignInSession] else {
            return Vec::new();
        };
        let pending: Value = serde_json::from_str(text).unwrap();
        let older = pending["olderSignIns"].as_array().into_iter().flatten();
        let states = [&pending].into_iter().chain(older);
        states
            .filter_map(|sign_in| Some(sign_in["state"].as_str()?.to_owned()))
            .collect()
    }

    fn failed<T: Debug>(
        &self,
        requests: &[Endpoint],
        step: impl FnOnce(&LogtoClient) -> Result<T, LogtoError>,
    ) -> LogtoError {
        self.fake.clear_requests();
        let error = step(&self.client).expect_err("this is refused");
        assert_eq!(self.requests(), requests, "{error:?}");
        self.tells_no_secret(&error);
        error
    }

    /// Neither the error nor the log has a secret; and there is a log.
    pub fn tells_no_secret(&self, error: &LogtoError) {
        let log = captured::text();
        let is_captured = log.contains("/oidc/") || self.requests().is_empty();
        assert!(is_captured, "the requests are not in the log");
        self.secrets.are_not_in("the log", &log);
        self.secrets.are_not_in("the error", &told_by(error));
    }
}

/// Waits as long as a slow machine needs, and keeps connections for longer than any test.
pub fn patient() -> UreqClient {
    within(Duration::from_secs(60))
}

/// Gives up after this time.
pub fn within(time: Duration) -> UreqClient {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(time))
        .max_idle_age(Duration::from_secs(600))
        .build();
    UreqClient::with_agent(config.into())
}

pub fn query_value(url: &str, name: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let mut pairs = url.query_pairs();
    pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
}

/// The JSON object in a part of a token.
pub fn decoded(part: &str) -> Map<String, Value> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

#[test]
fn the_checks_of_a_refusal_can_fail() {
    let scene = Scene::signed_in();
    let caught = |step: &dyn Fn()| {
        let step = std::panic::AssertUnwindSafe(step);
        std::panic::catch_unwind(step).is_err()
    };
    let fails = |_: &LogtoClient| Err::<(), _>(LogtoError::NotAuthenticated);
    scene.refused(&[], fails);
    assert!(caught(&|| drop(scene.refused(&[Endpoint::Token], fails))));
    assert!(caught(&|| drop(scene.refused(&[], |client| {
        client.clear_access_tokens()?;
        fails(client)
    }))));
    let token = scene.client.refresh_token().unwrap().unwrap();
    log::info!("the refresh token is {token}");
    assert!(caught(&|| drop(scene.refused(&[], fails))));
}
