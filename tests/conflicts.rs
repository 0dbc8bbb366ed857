//! Another process writes to the session between the moment at which ours loads it and the one at which it saves.

#[path = "support/hooked.rs"]
mod hooked;
#[path = "support/with_defaults.rs"]
mod with_defaults;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hooked::Hooked;
use logto::storage::{PersistKey, SessionKey, Storage, StorageErrorKind};
use logto::{
    AccessTokenRequest, CallbackError, Logto, LogtoConfig, LogtoError, Session, SessionId,
};
use logto_testing::{Endpoint, FakeLogto, FakeUser};
use with_defaults::WithDefaults;

const REDIRECT_URI: &str = "http://localhost:3000/callback";

struct Scene {
    fake: FakeLogto,
    logto: Logto,
    storage: Hooked,
    id: SessionId,
}

impl Scene {
    fn new() -> Self {
        let fake = FakeLogto::builder().user(FakeUser::new("alice")).start();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        Self {
            logto: Logto::builder(config).clock(fake.clock()).build().unwrap(),
            fake,
            storage: Hooked::default(),
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

    /// Another process writes to the session before this many of the next writes. Returns how often it did.
    fn write_meanwhile(&self, times: usize) -> Arc<AtomicUsize> {
        let key = self.id.key();
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&writes);
        self.storage.interfere(times, move |storage| {
            counted.fetch_add(1, Ordering::SeqCst);
            let session = Session::new(storage.clone(), key);
            let now = session.get(PersistKey::RefreshToken).unwrap();
            let next = format!("{} and more", now.unwrap_or_default());
            session.set(PersistKey::RefreshToken, &next).unwrap();
        });
        writes
    }
}

#[test]
fn conflict_repeats_the_change_and_loses_nothing() {
    let scene = Scene::new();
    let writes = scene.write_meanwhile(1);
    let url = scene.sign_in();
    assert_eq!(writes.load(Ordering::SeqCst), 1);

    let callback = scene.fake.authorize(&url);
    let writes = scene.write_meanwhile(3);
    let new_id = scene.finish(&callback).unwrap();
    assert_eq!(writes.load(Ordering::SeqCst), 3);
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

fn count(storage: &Hooked) -> usize {
    let mut sessions = 0;
    let count = &mut |_: &SessionKey| {
        sessions += 1;
        Ok(())
    };
    storage.inner.for_each(count).unwrap();
    sessions
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
    assert_eq!(count(&scene.storage), 0);
}

/// What the trait provides compares again after its first step.
#[test]
fn conflict_within_the_default_replacement_signs_nobody_in() {
    let scene = Scene::new();
    let storage = WithDefaults(scene.storage.clone());
    let client = scene.logto.session(&storage, &scene.id);
    let callback = scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    let key = scene.id.key();
    scene
        .storage
        .interfere(1, move |storage| storage.remove(&key).unwrap());
    let finished = scene.logto.finish_sign_in(&storage, &scene.id, &callback);
    assert!(
        matches!(
            finished,
            Err(LogtoError::Callback(CallbackError::SignedOutMeanwhile))
        ),
        "{finished:?}"
    );
    assert_eq!(count(&scene.storage), 0);
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
