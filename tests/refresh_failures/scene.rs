//! One session whose refresh token is rotated at every use, and a storage that fails when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use logto::storage::{
    MemoryStorage, PersistKey, Record, SessionKey, Storage, StorageError, StorageErrorKind,
    StorageLock, Version,
};
use logto::{
    AccessTokenRequest, Logto, LogtoClient, LogtoConfig, LogtoError, Session, UserInfoScope,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, TestClock};

pub const RESOURCE: &str = "https://api.example.com";
pub const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// A native application, whose refresh token is rotated at every use, with one signed-in session.
pub struct Scene {
    pub fake: FakeLogto,
    pub clock: TestClock,
    pub logto: Logto,
    pub storage: Arc<Watched>,
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
        let storage = Arc::new(Watched::default());
        let client = logto.client(Arc::clone(&storage));
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

/// A memory storage whose nth write from now on fails, or whose lock is never had.
#[derive(Debug, Default)]
pub struct Watched {
    pub inner: MemoryStorage,
    pub fail_write: AtomicUsize,
    pub fail_all_writes: AtomicBool,
    pub fail_reads: AtomicBool,
    pub is_locked: AtomicBool,
}

impl Watched {
    /// 1 is the next.
    pub fn fail_write(&self, nth: usize) {
        self.fail_write.store(nth, Ordering::SeqCst);
    }

    fn write(&self) -> Result<(), StorageError> {
        let counted = self
            .fail_write
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match counted {
            _ if self.fail_all_writes.load(Ordering::SeqCst) => Err(StorageError::new(
                StorageErrorKind::Backend,
                "the disk is full",
            )),
            Ok(1) => Err(StorageError::new(
                StorageErrorKind::Backend,
                "the disk is full",
            )),
            _ => Ok(()),
        }
    }
}

impl Storage for Watched {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        match self.fail_reads.load(Ordering::SeqCst) {
            true => Err(StorageError::new(
                StorageErrorKind::Backend,
                "the disk is gone",
            )),
            false => self.inner.load(session),
        }
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.write()?;
        self.inner.save(session, record, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.write()?;
        self.inner.remove(session)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        match self.is_locked.load(Ordering::SeqCst) {
            true => Err(StorageError::new(
                StorageErrorKind::Busy,
                "another process has it",
            )),
            false => self.inner.lock(session, timeout),
        }
    }
}
