//! Another process writes to the session between the moment at which ours loads it and the one at which it saves.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::storage::{
    MemoryStorage, PersistKey, Record, SessionKey, Storage, StorageError, StorageErrorKind,
    StorageLock, Version,
};
use logto::{
    AccessTokenRequest, CallbackError, Logto, LogtoConfig, LogtoError, Session, SessionId,
};
use logto_testing::{Endpoint, FakeLogto, FakeUser};

const REDIRECT_URI: &str = "http://localhost:3000/callback";

type Interference = Box<dyn FnMut(&MemoryStorage) + Send>;

/// A storage in which another process writes just before ours does.
#[derive(Clone, Default)]
struct Interfered {
    inner: MemoryStorage,
    before_writes: Arc<Mutex<Option<Interference>>>,
    writes: Arc<AtomicUsize>,
}

impl Interfered {
    /// Before this many of the next writes.
    fn interfere(&self, mut times: usize, mut others: impl FnMut(&MemoryStorage) + Send + 'static) {
        self.writes.store(0, Ordering::SeqCst);
        *self.before_writes.lock().unwrap() = Some(Box::new(move |storage| {
            if times > 0 {
                times -= 1;
                others(storage);
            }
        }));
    }

    fn before_a_write(&self) {
        self.writes.fetch_add(1, Ordering::SeqCst);
        if let Some(others) = &mut *self.before_writes.lock().unwrap() {
            others(&self.inner);
        }
    }
}

impl fmt::Debug for Interfered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interfered")
    }
}

impl Storage for Interfered {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        self.inner.load(session)
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.before_a_write();
        self.inner.save(session, record, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.inner.remove(session)
    }

    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        self.before_a_write();
        self.inner.replace(from, expected, to, record)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        self.inner.lock(session, timeout)
    }
}

struct Scene {
    fake: FakeLogto,
    logto: Logto,
    storage: Interfered,
    id: SessionId,
}

impl Scene {
    fn new() -> Self {
        let fake = FakeLogto::builder().user(FakeUser::new("alice")).start();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        Self {
            logto: Logto::builder(config).clock(fake.clock()).build().unwrap(),
            fake,
            storage: Interfered::default(),
            id: SessionId::random(),
        }
    }

    /// The URL of a sign-in that is under way.
    fn sign_in(&self) -> String {
        let client = self.logto.session(&self.storage, &self.id);
        client.sign_in(REDIRECT_URI).unwrap()
    }

    fn finish(&self, callback: &str) -> Result<SessionId, LogtoError> {
        let finished = self.logto.finish_sign_in(&self.storage, &self.id, callback);
        finished.map(|(id, _)| id)
    }

    fn is_authenticated(&self, id: &SessionId) -> bool {
        let client = self.logto.session(&self.storage, id);
        client.is_authenticated().unwrap()
    }

    fn session(&self) -> Session {
        Session::new(self.storage.inner.clone(), self.id.key())
    }

    fn token_requests(&self) -> usize {
        self.fake.requests_to(Endpoint::Token).len()
    }

    /// Another process writes to the session, some times.
    fn write_meanwhile(&self, times: usize) {
        let key = self.id.key();
        self.storage.interfere(times, move |storage| {
            let session = Session::new(storage.clone(), key);
            let now = session.get(PersistKey::RefreshToken).unwrap();
            let next = format!("{} and more", now.unwrap_or_default());
            session.set(PersistKey::RefreshToken, &next).unwrap();
        });
    }
}

#[test]
fn conflict_repeats_the_change_and_loses_nothing() {
    let scene = Scene::new();
    scene.write_meanwhile(1);
    let url = scene.sign_in();
    assert_eq!(scene.storage.writes.load(Ordering::SeqCst), 2);

    let callback = scene.fake.authorize(&url);
    scene.write_meanwhile(3);
    let new_id = scene.finish(&callback).unwrap();
    assert_eq!(scene.storage.writes.load(Ordering::SeqCst), 4);
    assert_eq!(scene.token_requests(), 1);
    assert!(scene.is_authenticated(&new_id));
    assert!(!scene.is_authenticated(&scene.id));
}

#[test]
fn conflict_that_does_not_end_is_an_error_to_try_again() {
    let scene = Scene::new();
    scene.write_meanwhile(usize::MAX);
    let client = scene.logto.session(&scene.storage, &scene.id);
    let error = client.sign_in(REDIRECT_URI).unwrap_err();
    assert!(
        matches!(&error, LogtoError::Storage(error) if error.kind() == StorageErrorKind::Conflict),
        "{error:?}"
    );
    assert!(error.is_retryable());
}

#[test]
fn conflict_keeps_a_sign_in_that_another_process_has_begun() {
    let scene = Scene::new();
    let theirs = scene.sign_in();
    let stored = scene.session().get(PersistKey::SignInSession).unwrap();
    scene.storage.remove(&scene.id.key()).unwrap();
    let (key, stored) = (scene.id.key(), stored.unwrap());
    scene.storage.interfere(1, move |storage| {
        let session = Session::new(storage.clone(), key);
        session.set(PersistKey::SignInSession, &stored).unwrap();
    });
    let ours = scene.sign_in();
    for url in [theirs, ours] {
        let callback = scene.fake.authorize(&url);
        let client = scene.logto.session(&scene.storage, &scene.id);
        client.handle_sign_in_callback(&callback).unwrap();
    }
}

#[test]
fn conflict_with_a_sign_out_during_a_callback_signs_nobody_in() {
    let scene = Scene::new();
    let callback = scene.fake.authorize(&scene.sign_in());
    let key = scene.id.key();
    scene
        .storage
        .interfere(1, move |storage| storage.remove(&key).unwrap());
    let error = scene.finish(&callback).unwrap_err();
    assert!(
        matches!(
            error,
            LogtoError::Callback(CallbackError::SignedOutMeanwhile)
        ),
        "{error:?}"
    );
    let mut sessions = 0;
    let count = &mut |_: &SessionKey| {
        sessions += 1;
        Ok(())
    };
    scene.storage.inner.for_each(count).unwrap();
    assert_eq!(sessions, 0);
}

#[test]
fn conflict_with_a_sign_out_during_a_refresh_does_not_bring_the_session_back() {
    let scene = Scene::new();
    let callback = scene.fake.authorize(&scene.sign_in());
    let client = scene.logto.session(&scene.storage, &scene.id);
    client.handle_sign_in_callback(&callback).unwrap();
    let key = scene.id.key();
    scene
        .storage
        .interfere(1, move |storage| storage.remove(&key).unwrap());
    let request = AccessTokenRequest::new().force_refresh(true);
    assert_eq!(client.access_token(request).unwrap(), None);
    assert!(!client.is_authenticated().unwrap());
}
