//! Every way in which a refresh can fail: what the caller gets, what is stored, and what the next call
//! does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use logto::storage::{
    Change, MemoryStorage, PersistKey, Storage, StorageError, StorageErrorKind, StorageLock,
};
use logto::{
    AccessTokenRequest, ContextOptions, HttpClient, HttpError, IdTokenError, JwtError, Logto,
    LogtoClient, LogtoConfig, LogtoError, Revocation, UreqClient, UserInfoScope,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour, TestClock};
use serde_json::{Value, json};

const RESOURCE: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// A native application, whose refresh token is rotated at every use, with one signed-in session.
struct Scene {
    fake: FakeLogto,
    clock: TestClock,
    logto: Logto,
    storage: Arc<Watched>,
    client: LogtoClient,
}

impl Scene {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(set: impl Fn(logto::LogtoBuilder) -> logto::LogtoBuilder) -> Self {
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

    fn sign_in(&self, user: &str) {
        self.fake.sign_in_as(user);
        let callback = self
            .fake
            .authorize(&self.client.sign_in(REDIRECT_URI).unwrap());
        self.client.handle_sign_in_callback(&callback).unwrap();
    }

    /// Every access token is expired from here on, and everybody's metadata and keys are fetched.
    fn expire(&self) {
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
    fn pass_the_grace(&self) {
        self.clock.advance(Duration::from_secs(10));
    }

    fn get(&self, key: PersistKey) -> Option<String> {
        self.storage.inner.get(key).unwrap()
    }

    fn identity(&self) -> (Option<String>, Option<String>) {
        (
            self.get(PersistKey::IdToken),
            self.get(PersistKey::AccessTokenMap),
        )
    }

    fn token(&self) -> Result<Option<String>, LogtoError> {
        self.client.access_token(RESOURCE)
    }

    fn refreshes(&self) -> usize {
        let requests = self.fake.requests_to(Endpoint::Token);
        let is_refresh = |grant: Option<&str>| grant == Some("refresh_token");
        requests
            .iter()
            .filter(|request| is_refresh(request.form_value("grant_type")))
            .count()
    }

    /// The grant is alive, and goes on being so.
    fn lives(&self) {
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
struct Watched {
    inner: MemoryStorage,
    fail_write: AtomicUsize,
    fail_all_writes: AtomicBool,
    fail_reads: AtomicBool,
    is_locked: AtomicBool,
}

impl Watched {
    /// 1 is the next.
    fn fail_write(&self, nth: usize) {
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
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        match self.fail_reads.load(Ordering::SeqCst) {
            true => Err(StorageError::new(
                StorageErrorKind::Backend,
                "the disk is gone",
            )),
            false => self.inner.get(key),
        }
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.write()?;
        self.inner.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.write()?;
        self.inner.update(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        match self.is_locked.load(Ordering::SeqCst) {
            true => Err(StorageError::new(
                StorageErrorKind::Busy,
                "somebody else has it",
            )),
            false => self.inner.lock(timeout),
        }
    }
}

/// Fails token requests as long as it is told to, without sending them.
#[derive(Debug, Default, Clone)]
struct Unplugged {
    inner: UreqClient,
    is_unplugged: Arc<AtomicBool>,
}

impl HttpClient for Unplugged {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        match self.is_unplugged.load(Ordering::SeqCst) {
            true => Err(HttpError::Connect {
                url: request.uri().path().to_owned(),
                source: "no route to host".into(),
            }),
            false => self.inner.send(request, body_limit),
        }
    }
}

#[test]
fn before_it_is_sent() {
    let http = Unplugged::default();
    let scene = Scene::with(|builder| builder.http_client(http.clone()));
    scene.expire();
    let before = scene.identity();
    http.is_unplugged.store(true, Ordering::SeqCst);
    let error = scene.token().unwrap_err();
    assert!(
        error.is_retryable() && !error.requires_sign_in(),
        "{error:?}"
    );
    assert_eq!(scene.identity(), before);
    assert_eq!(scene.refreshes(), 0);
    http.is_unplugged.store(false, Ordering::SeqCst);
    scene.pass_the_grace();
    scene.token().unwrap().unwrap();
    scene.lives();
}

#[test]
fn into_a_dead_pooled_connection() {
    let scene = Scene::new();
    scene.expire();
    scene
        .fake
        .misbehave_times(Endpoint::Token, 1, Misbehaviour::CloseUnprocessed);
    scene.token().unwrap().expect("sent again at once");
    scene.lives();
}

#[test]
fn with_the_connection_closed_before_or_in_the_answer() {
    for misbehaviour in [
        Misbehaviour::CloseBeforeResponse,
        Misbehaviour::CloseMidResponse,
    ] {
        let scene = Scene::new();
        scene.expire();
        scene.fake.misbehave_times(Endpoint::Token, 1, misbehaviour);
        scene
            .token()
            .unwrap()
            .expect("sent again within the server's grace");
        assert_eq!(scene.refreshes(), 2);
        scene.lives();
    }
}

#[test]
fn with_every_answer_lost() {
    let scene = Scene::new();
    scene.expire();
    let before = scene.identity();
    let refresh_token = scene.client.refresh_token().unwrap();
    scene
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::CloseBeforeResponse);
    let error = scene.token().unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(scene.refreshes(), 2, "twice and not more");
    assert_eq!(
        (scene.identity(), scene.client.refresh_token().unwrap()),
        (before, refresh_token)
    );

    scene.fake.calm();
    scene
        .token()
        .unwrap()
        .expect("a second call within the server's grace recovers");
    scene.lives();
}

#[test]
fn with_the_answer_lost_for_longer_than_the_server_forgives() {
    let scene = Scene::new();
    scene.expire();
    scene
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::CloseBeforeResponse);
    scene.token().unwrap_err();
    scene.fake.calm();
    scene.pass_the_grace();
    let error = scene.token().unwrap_err();
    assert!(
        error.requires_sign_in() && !error.is_retryable(),
        "{error:?}"
    );
    assert_eq!(scene.client.refresh_token().unwrap(), None, "gone");
    assert!(
        scene.client.is_authenticated().unwrap(),
        "who it was is still known"
    );
    scene.fake.clear_requests();
    assert_eq!(scene.token().unwrap(), None);
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn with_the_first_write_failing() {
    let scene = Scene::new();
    scene.expire();
    scene.storage.fail_write(1);
    scene
        .token()
        .unwrap()
        .expect("the session is written as a whole");
    scene.lives();
}

#[test]
fn with_the_second_write_failing() {
    let scene = Scene::new();
    scene.expire();
    let before = scene.identity();
    scene.storage.fail_write(2);
    assert!(matches!(scene.token().unwrap_err(), LogtoError::Storage(_)));
    assert_eq!(scene.identity(), before);
    scene.pass_the_grace();
    scene.token().unwrap().expect("the rotated token was safe");
    scene.lives();
}

#[test]
fn with_every_write_failing() {
    let scene = Scene::new();
    scene.expire();
    let before = scene.identity();
    scene.storage.fail_all_writes.store(true, Ordering::SeqCst);
    assert!(matches!(scene.token().unwrap_err(), LogtoError::Storage(_)));
    assert_eq!(scene.identity(), before);
    scene.storage.fail_all_writes.store(false, Ordering::SeqCst);
    scene.pass_the_grace();
    scene
        .token()
        .unwrap()
        .expect("this process remembers the rotated token");
    scene.lives();
}

#[test]
fn with_the_storage_unreadable() {
    let scene = Scene::new();
    scene.expire();
    scene.storage.fail_reads.store(true, Ordering::SeqCst);
    let error = scene.token().unwrap_err();
    assert!(
        matches!(error, LogtoError::Storage(_)) && !error.requires_sign_in(),
        "{error:?}"
    );
    assert!(
        scene.client.is_authenticated().is_err(),
        "not the same as signed out"
    );
    assert!(scene.client.context(ContextOptions::new()).is_err());
    scene.storage.fail_reads.store(false, Ordering::SeqCst);
    assert_eq!(scene.refreshes(), 0);
    scene.lives();
}

#[test]
fn with_the_lock_not_to_be_had() {
    let scene = Scene::new();
    scene.expire();
    scene.storage.is_locked.store(true, Ordering::SeqCst);
    let error = scene.token().unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(scene.refreshes(), 0, "never without the lock");
    scene.storage.is_locked.store(false, Ordering::SeqCst);
    scene.token().unwrap().unwrap();
    scene.lives();
}

type Action = Box<dyn FnOnce() + Send>;

/// Does something after the next token request was answered, and before its answer is read.
#[derive(Clone, Default)]
struct Meanwhile {
    inner: UreqClient,
    action: Arc<Mutex<Option<Action>>>,
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

#[test]
fn while_another_process_has_rotated_without_the_lock() {
    let http = Meanwhile::default();
    let scene = Scene::with(|builder| builder.http_client(http.clone()));
    scene.expire();
    let stale = scene.get(PersistKey::RefreshToken).unwrap();
    let token = scene.token().unwrap();
    let (newer, map) = (
        scene.get(PersistKey::RefreshToken).unwrap(),
        scene.get(PersistKey::AccessTokenMap),
    );
    scene
        .storage
        .inner
        .set(PersistKey::RefreshToken, Some(&stale))
        .unwrap();
    scene
        .storage
        .inner
        .set(PersistKey::AccessTokenMap, None)
        .unwrap();

    // While the stale token is on its way, the other process writes what it has.
    let storage = scene.storage.inner.clone();
    *http.action.lock().unwrap() = Some(Box::new(move || {
        storage.set(PersistKey::RefreshToken, Some(&newer)).unwrap();
        storage
            .set(PersistKey::AccessTokenMap, map.as_deref())
            .unwrap();
    }));
    let refusal = Misbehaviour::Error {
        status: 400,
        error: "invalid_grant".to_owned(),
        description: "grant request is invalid".to_owned(),
    };
    scene.fake.misbehave_times(Endpoint::Token, 1, refusal);
    assert_eq!(
        scene.token().unwrap(),
        token,
        "no error: the other one's token"
    );
    scene.lives();
}

#[test]
fn with_the_lock_lost_to_another_process() {
    #[derive(Debug, Default)]
    struct Lost(MemoryStorage, AtomicBool);

    impl Storage for Lost {
        fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
            self.0.get(key)
        }

        fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
            self.0.set(key, value)
        }

        fn lock(&self, _: Duration) -> Result<StorageLock<'_>, StorageError> {
            Ok(StorageLock::lease(self, |lost| {
                !lost.1.load(Ordering::SeqCst)
            }))
        }
    }

    let scene = Scene::new();
    let storage = Arc::new(Lost::default());
    let client = scene.logto.client(Arc::clone(&storage));
    let callback = scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    client.handle_sign_in_callback(&callback).unwrap();
    scene.expire();
    storage.1.store(true, Ordering::SeqCst);
    let error = client.access_token(RESOURCE).unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(scene.refreshes(), 0);
    storage.1.store(false, Ordering::SeqCst);
    client.access_token(RESOURCE).unwrap().unwrap();
}

#[test]
fn a_sign_in_that_is_stored_by_halves_mixes_no_users() {
    let mut failed = 0;
    for nth in 1..=12 {
        let scene = Scene::new();
        let halves = Halves(Arc::clone(&scene.storage));
        let client = scene.logto.client(halves);
        client.access_token(RESOURCE).unwrap().unwrap();
        scene.fake.sign_in_as("bob");
        let callback = scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
        scene.storage.fail_write(nth);
        let result = client.handle_sign_in_callback(&callback);
        scene.storage.fail_write(0);
        let subject = client.id_token_claims().ok().map(|claims| claims.sub);
        // Whoever is signed in has a refresh token of their own, or none.
        let forced = AccessTokenRequest::from(RESOURCE).force_refresh(true);
        let of_token = match client.access_token(forced) {
            Ok(Some(_)) => Some(client.access_token_claims(RESOURCE).unwrap().sub),
            Ok(None) => None,
            Err(error) => panic!("write {nth}: {error:?}"),
        };
        assert!(
            result.is_err() || subject.as_deref() == Some("bob"),
            "write {nth}"
        );
        if subject.is_some() && of_token.is_some() {
            assert_eq!(subject, of_token, "write {nth}");
        }
        failed += usize::from(result.is_err());
    }
    assert!(
        failed > 3,
        "{failed} sign-ins failed while they were stored"
    );
}

/// The same storage with the least that a storage must implement.
#[derive(Debug)]
struct Halves(Arc<Watched>);

impl Storage for Halves {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.0.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.0.set(key, value)
    }
}

/// Holds the server's next answer to a token request until it is told to go on.
fn hold_the_answer(fake: &FakeLogto) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, is_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    fake.tamper_response(Endpoint::Token, move |_| {
        let _ = reached.send(());
        let _ = may_go_on.lock().unwrap().recv();
    });
    (is_reached, go_on)
}

#[test]
fn a_sign_out_during_a_refresh_stays_signed_out() {
    let scene = Scene::new();
    scene.expire();
    let (is_reached, go_on) = hold_the_answer(&scene.fake);
    thread::scope(|threads| {
        let refresh = threads.spawn(|| scene.token());
        is_reached.recv().unwrap();
        let sign_out = threads.spawn(|| scene.client.sign_out("http://localhost:3000/"));
        drop(go_on);
        refresh.join().unwrap().unwrap();
        let revocation = sign_out.join().unwrap().unwrap().revocation;
        assert!(
            matches!(revocation, Revocation::Revoked),
            "the rotated one: {revocation:?}"
        );
    });
    assert!(!scene.client.is_authenticated().unwrap());
    assert_eq!(scene.client.refresh_token().unwrap(), None);
    assert_eq!(scene.token().unwrap(), None);
}

#[test]
fn a_sign_in_during_a_refresh_wins() {
    let scene = Scene::new();
    let url = scene.client.sign_in(REDIRECT_URI).unwrap();
    scene.clock.advance(Duration::from_secs(590));
    let request = AccessTokenRequest::from(RESOURCE).force_refresh(true);
    let (is_reached, go_on) = hold_the_answer(&scene.fake);
    thread::scope(|threads| {
        let refresh = threads.spawn(|| scene.client.access_token(request));
        is_reached.recv().unwrap();
        scene.fake.sign_in_as("bob");
        let callback = scene.fake.authorize(&url);
        let client = &scene.client;
        let sign_in = threads.spawn(move || client.handle_sign_in_callback(&callback));
        drop(go_on);
        refresh.join().unwrap().unwrap();
        sign_in.join().unwrap().unwrap();
    });
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "bob");
    assert_eq!(
        scene.client.access_token_claims(RESOURCE).unwrap().sub,
        "bob"
    );
    scene.lives();
}
