//! One session whose refresh token is rotated at every use, and a storage that fails when it is told to.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::storage::{PersistKey, SessionKey};
use logto::{
    AccessTokenRequest, HttpClient, HttpError, Logto, LogtoClient, LogtoConfig, LogtoError,
    Session, UreqClient, UserInfoScope,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, TestClock};

use crate::hooked::Hooked;

pub const RESOURCE: &str = "https://api.example.com";
pub const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// A native application, whose refresh token is rotated at every use, with one signed-in session.
pub struct Scene {
    pub fake: FakeLogto,
    pub clock: TestClock,
    pub logto: Logto,
    pub storage: Hooked,
    pub client: LogtoClient,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(set: impl Fn(logto::LogtoBuilder) -> logto::LogtoBuilder) -> Self {
        let fake = FakeLogto::builder()
            .app(FakeApp::native("app"))
            .user(FakeUser::new("alice").organization("org_1", "Acme", ["admin"]))
            .user(FakeUser::new("bob"))
            .resource(RESOURCE, ["read:items"])
            .start();
        let clock = fake.clock();
        clock.freeze();
        let config = LogtoConfig::new(fake.endpoint(), "app")
            .resources([RESOURCE])
            .scopes([UserInfoScope::Organizations]);
        let builder = Logto::builder(config)
            .clock(clock.clone())
            .lock_timeout(Duration::from_secs(60));
        let logto = set(builder).build().unwrap();
        let storage = Hooked::default();
        let client = logto.client(storage.clone());
        let scene = Self {
            fake,
            clock,
            logto,
            storage,
            client,
        };
        scene.sign_in("alice");
        scene
    }

    pub fn sign_in(&self, user: &str) {
        self.fake.sign_in_as(user);
        let callback = self
            .fake
            .authorize(&self.client.sign_in(REDIRECT_URI).unwrap());
        self.client.handle_sign_in_callback(&callback).unwrap();
    }

    /// Every access token is expired from here on, and everybody's metadata and keys are fetched.
    pub fn expire(&self) {
        self.clock.advance(Duration::from_secs(3600));
        let id_token = self.client.id_token().unwrap().unwrap();
        let _ = self
            .logto
            .oidc_core()
            .unwrap()
            .verify_id_token(&id_token, "app");
        self.fake.clear_requests();
    }

    /// Longer than the server forgives a used refresh token.
    pub fn pass_the_grace(&self) {
        self.clock.advance(Duration::from_secs(10));
    }

    pub fn get(&self, key: PersistKey) -> Option<String> {
        self.session().get(key).unwrap()
    }

    /// The session, past what fails.
    pub fn session(&self) -> Session {
        Session::new(self.storage.inner.clone(), SessionKey::ONLY)
    }

    pub fn identity(&self) -> (Option<String>, Option<String>) {
        (
            self.get(PersistKey::IdToken),
            self.get(PersistKey::AccessTokenMap),
        )
    }

    pub fn token(&self) -> Result<Option<String>, LogtoError> {
        self.client.access_token(RESOURCE)
    }

    pub fn refreshes(&self) -> usize {
        let requests = self.fake.requests_to(Endpoint::Token);
        let is_refresh = |grant: Option<&str>| grant == Some("refresh_token");
        requests
            .iter()
            .filter(|request| is_refresh(request.form_value("grant_type")))
            .count()
    }

    /// The grant is alive, and goes on being so.
    pub fn lives(&self) {
        self.fake.calm();
        for _ in 0..2 {
            self.pass_the_grace();
            let request = AccessTokenRequest::from(RESOURCE).force_refresh(true);
            assert!(self.client.access_token(request).unwrap().is_some());
        }
    }
}

type Action = Box<dyn FnOnce() + Send>;

/// Does something after the next token request was answered, and before its answer is read.
#[derive(Clone, Default)]
pub struct Meanwhile {
    inner: UreqClient,
    action: Arc<Mutex<Option<Action>>>,
}

impl Meanwhile {
    pub fn set(&self, action: impl FnOnce() + Send + 'static) {
        *self.action.lock().unwrap() = Some(Box::new(action));
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl HttpClient for Meanwhile {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let is_token = request.uri().path().ends_with("/token");
        let answer = self.inner.send(request, body_limit);
        if is_token && let Some(action) = self.action.lock().unwrap().take() {
            action();
        }
        answer
    }
}
