//! In the storage, and without its lock.

use logto::storage::{MemoryStorage, SessionKey, Storage, StorageErrorKind};
use logto::{ContextOptions, LogtoError};

use crate::hooked::{Call, Hooked};
use crate::scene::{Meanwhile, REDIRECT_URI, Scene};

#[test]
fn with_the_first_write_failing() {
    let scene = Scene::new();
    scene.expire();
    fail_write(&scene.storage, 1);
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
    fail_write(&scene.storage, 2);
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
    let storage = &scene.storage;
    storage.fail(StorageErrorKind::Backend, |call| call.is_write());
    assert!(matches!(scene.token().unwrap_err(), LogtoError::Storage(_)));
    assert_eq!(scene.identity(), before);
    storage.calm();
    scene.pass_the_grace();
    scene
        .token()
        .unwrap()
        .expect("this process remembers the rotated token");
    scene.lives();
}

#[test]
fn with_every_write_failing_for_two_refreshes() {
    let scene = Scene::new();
    scene.expire();
    let storage = &scene.storage;
    storage.fail(StorageErrorKind::Backend, |call| call.is_write());
    for _ in 0..2 {
        assert!(matches!(scene.token().unwrap_err(), LogtoError::Storage(_)));
        scene.pass_the_grace();
    }
    storage.calm();
    scene
        .token()
        .unwrap()
        .expect("this process remembers the newest token");
    scene.lives();
}

#[test]
fn context_with_another_user_signing_in_meanwhile_mixes_none() {
    let scene = Scene::new();
    let bobs = MemoryStorage::new();
    let bob = scene.logto.client(bobs.clone());
    scene.fake.sign_in_as("bob");
    let callback = scene.fake.authorize(&bob.sign_in(REDIRECT_URI).unwrap());
    bob.handle_sign_in_callback(&callback).unwrap();
    let mut loads = 0;
    scene.storage.hook(move |inner, call| {
        loads += usize::from(matches!(call, Call::Load));
        if loads == 2 && matches!(call, Call::Load) {
            let version = inner
                .load(&SessionKey::ONLY)?
                .map(|record| record.version());
            let record = bobs.load(&SessionKey::ONLY)?.unwrap();
            inner.save(&SessionKey::ONLY, &record, version)?;
        }
        Ok(())
    });
    let context = scene.client.context(ContextOptions::new().user_info(true));
    assert!(
        matches!(context, Err(LogtoError::NotAuthenticated)),
        "{context:?}"
    );
}

#[test]
fn with_the_storage_unreadable() {
    let scene = Scene::new();
    scene.expire();
    let storage = &scene.storage;
    storage.fail(StorageErrorKind::Backend, |call| matches!(call, Call::Load));
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
    storage.calm();
    assert_eq!(scene.refreshes(), 0);
    scene.lives();
}

#[test]
fn with_the_lock_not_to_be_had() {
    let scene = Scene::new();
    scene.expire();
    let storage = &scene.storage;
    storage.fail(StorageErrorKind::Busy, |call| matches!(call, Call::Lock));
    let error = scene.token().unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(scene.refreshes(), 0, "never without the lock");
    storage.calm();
    scene.token().unwrap().unwrap();
    scene.lives();
}

#[test]
fn with_the_lock_lost_to_another_process() {
    let scene = Scene::new();
    scene.expire();
    scene.storage.lose_locks();
    let error = scene.token().unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(scene.refreshes(), 0);
    scene.storage.calm();
    scene.token().unwrap().unwrap();
}

#[test]
fn with_the_lock_lost_while_the_answer_is_on_its_way() {
    let http = Meanwhile::default();
    let scene = Scene::with(|builder| builder.http_client(http.clone()));
    scene.expire();

    // Nothing else has changed the session, so what the server gave is saved.
    let storage = scene.storage.clone();
    http.set(move || storage.lose_locks());
    scene.token().unwrap().expect("a save needs no lock");
    scene.storage.calm();
    scene.lives();
}

#[test]
fn with_the_session_ended_by_another_process() {
    let http = Meanwhile::default();
    let scene = Scene::with(|builder| builder.http_client(http.clone()));
    scene.expire();
    let storage = scene.storage.inner.clone();
    http.set(move || storage.remove(&SessionKey::ONLY).unwrap());
    assert_eq!(scene.token().unwrap(), None);
    let record = scene.storage.load(&SessionKey::ONLY).unwrap();
    assert_eq!(record, None, "it is not brought back");
}

/// 1 is the next.
fn fail_write(storage: &Hooked, mut nth: usize) {
    storage.fail(StorageErrorKind::Backend, move |call| {
        nth = nth.wrapping_sub(usize::from(call.is_write()));
        nth == 0 && call.is_write()
    });
}
