//! In the storage, and without its lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::storage::{
    MemoryStorage, PersistKey, Record, SessionKey, Storage, StorageError, StorageLock, Version,
};
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

    // Nothing else has changed the session, so what the server gave is saved.
    is_watched.store(true, Ordering::SeqCst);
    let token = client.access_token(RESOURCE).unwrap();
    token.expect("a save needs no lock");

    is_watched.store(false, Ordering::SeqCst);
    storage.1.store(false, Ordering::SeqCst);
    scene.pass_the_grace();
    let request = AccessTokenRequest::from(RESOURCE).force_refresh(true);
    let token = client.access_token(request).unwrap();
    token.expect("the rotated token was saved");
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
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        self.0.load(session)
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.0.save(session, record, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.0.remove(session)
    }

    fn lock(&self, _: &SessionKey, _: Duration) -> Result<StorageLock<'_>, StorageError> {
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
    let client = &scene.client;
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
            storage.inner.remove(&SessionKey::ONLY).unwrap();
        }
        answer
    }
}
