//! In the storage, and without its lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::storage::{Change, MemoryStorage, PersistKey, Storage, StorageError, StorageLock};
use logto::{AccessTokenRequest, ContextOptions, HttpClient, HttpError, LogtoError, UreqClient};

use crate::scene::{REDIRECT_URI, RESOURCE, Scene, Watched};

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

#[test]
fn with_the_lock_lost_to_another_process() {
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
fn with_the_lock_lost_while_the_answer_is_on_its_way() {
    let storage = Arc::new(Lost::default());
    let is_watched = Arc::new(AtomicBool::new(false));
    let http = LosesTheLock(
        UreqClient::new(),
        Arc::clone(&storage),
        Arc::clone(&is_watched),
    );
    let scene = Scene::with(|builder| builder.http_client(http.clone()));
    let client = scene.logto.client(Arc::clone(&storage));
    let callback = scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    client.handle_sign_in_callback(&callback).unwrap();
    scene.expire();
    let before = storage.get(PersistKey::AccessTokenMap).unwrap();

    is_watched.store(true, Ordering::SeqCst);
    let error = client.access_token(RESOURCE).unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(storage.get(PersistKey::AccessTokenMap).unwrap(), before);

    is_watched.store(false, Ordering::SeqCst);
    storage.1.store(false, Ordering::SeqCst);
    scene.pass_the_grace();
    let token = client.access_token(RESOURCE).unwrap();
    token.expect("the rotated token was safe");
}

/// While a token request is answered, another process takes the lease over.
#[derive(Debug, Clone)]
struct LosesTheLock(UreqClient, Arc<Lost>, Arc<AtomicBool>);

impl HttpClient for LosesTheLock {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let is_token = request.uri().path().ends_with("/token");
        let answer = self.0.send(request, body_limit);
        if is_token && self.2.load(Ordering::SeqCst) {
            self.1.1.store(true, Ordering::SeqCst);
        }
        answer
    }
}

/// A memory storage whose lock is a lease, which is lost when it is told so.
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

#[test]
fn a_session_that_ended_meanwhile_is_not_brought_back() {
    let ended = Arc::new(Mutex::new(None::<Arc<Watched>>));
    let http = EndsTheSession(UreqClient::new(), Arc::clone(&ended));
    let scene = Scene::with(|builder| builder.http_client(http.clone()));
    let client = scene.logto.client(Halves(Arc::clone(&scene.storage)));
    scene.expire();
    *ended.lock().unwrap() = Some(Arc::clone(&scene.storage));
    assert_eq!(client.access_token(RESOURCE).unwrap(), None);
    for key in PersistKey::ALL {
        assert_eq!(scene.get(key), None, "{key}");
    }
}

/// Without the lock, another process ends the session before a refresh is answered.
#[derive(Debug, Clone)]
struct EndsTheSession(UreqClient, Arc<Mutex<Option<Arc<Watched>>>>);

impl HttpClient for EndsTheSession {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let is_token = request.uri().path().ends_with("/token");
        let answer = self.0.send(request, body_limit);
        if is_token && let Some(storage) = self.1.lock().unwrap().take() {
            let changes = PersistKey::ALL.map(Change::remove);
            storage.inner.update(&changes).unwrap();
        }
        answer
    }
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
