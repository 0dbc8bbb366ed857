//! One session and several users, calls and tabs.

use std::thread;
use std::time::Duration;

use logto::storage::{MemoryStorage, PersistKey, Storage};
use logto::{
    CallbackError, ConfigError, ContextOptions, LogtoError, SessionId, SignInError, SignInOptions,
    StorageErrorKind,
};
use logto_testing::{Endpoint, Faulty, StorageCall};

use crate::held_answer::hold_the_answer;
use crate::scene::{REDIRECT_URI, RESOURCE, Scene, Stage, is};

#[test]
fn nothing_of_the_user_before_is_left_the_moment_another_is_signed_in() {
    for scene in [Scene::signed_in(), Scene::native()] {
        scene.client.access_token(RESOURCE).unwrap().unwrap();
        let of_alice = scene.tokens();
        scene.sign_in("bob");
        let stored = format!("{:?}", scene.stored());
        for token in of_alice
            .values()
            .flatten()
            .filter(|value| !value.starts_with('{'))
        {
            assert!(!stored.contains(token.as_str()));
        }
        let map = of_alice[&PersistKey::AccessTokenMap].as_deref().unwrap();
        let map: serde_json::Value = serde_json::from_str(map).unwrap();
        for (_, cached) in map["x"].as_object().unwrap() {
            assert!(!stored.contains(cached["token"].as_str().unwrap()));
        }
        let claims = scene.client.access_token_claims(RESOURCE).unwrap();
        assert_eq!(claims.sub, "bob");
    }
}

#[test]
fn starting_a_sign_in_signs_nobody_out() {
    let scene = Scene::signed_in();
    let before = scene.tokens();
    for _ in 0..20 {
        scene.start(REDIRECT_URI);
    }
    assert!(scene.tokens() == before);
}

#[test]
fn options_that_cannot_work_are_refused_before_anything_is_stored_or_sent() {
    let scene = Scene::new();
    let to = |uri: &str| SignInOptions::new(REDIRECT_URI).post_redirect_uri(uri);
    for options in [
        "callback".into(),
        "".into(),
        "http://localhost:3000/callback#x".into(),
        to("https://evil.example/"),
        to("//evil.example"),
        to("/\\evil.example"),
        to("javascript:alert(1)"),
        to("http://localhost:3000@evil.example/"),
        SignInOptions::new(REDIRECT_URI).extra_param("state", "x"),
    ] {
        let error = scene.refused(&[], |client| client.sign_in(options));
        assert!(matches!(error, LogtoError::SignIn(_)), "{error:?}");
    }
    let evil = scene.refused(&[], |client| client.sign_in(to("https://evil.example/")));
    let is_foreign = is!(LogtoError::SignIn(
        SignInError::ForeignPostRedirectUri { .. }
    ));
    assert!(is_foreign(&evil), "{evil:?}");
}

#[test]
fn a_lock_that_somebody_else_has_is_retryable_and_nothing_is_done_without_it() {
    let stage = Stage {
        build: |builder| builder.lock_timeout(Duration::from_millis(50)),
        ..Stage::default()
    };
    let scene = stage.scene();
    scene.sign_in("alice");
    let callback = scene.callback();
    let storage = scene.store.session(&scene.id);
    let lock = storage.lock(Duration::ZERO).unwrap();
    for attempt in 0..5 {
        let error = scene.refused(&[], |client| match attempt {
            0 => scene.refresh().map(|_| ()),
            1 => client.handle_sign_in_callback(&callback).map(|_| ()),
            2 => client.sign_in(REDIRECT_URI).map(|_| ()),
            3 => client.sign_out(None).map(|_| ()),
            _ => client.clear_all_tokens(),
        });
        let is_busy = is!(LogtoError::Storage(error) if error.kind() == StorageErrorKind::Busy);
        assert!(
            is_busy(&error) && error.is_retryable(),
            "{attempt}: {error:?}"
        );
    }
    drop(lock);
    scene.refresh().unwrap().unwrap();
    assert_eq!(scene.finish(&callback).unwrap().claims.sub, "bob");
}

#[test]
fn a_sign_in_is_finished_under_an_id_that_nobody_knows() {
    let scene = Scene::new();
    let store = MemoryStorage::new();
    let planted = SessionId::random();
    let client = scene.logto.session(&store, &planted);
    let start = || scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    let [first, second] = [start(), start()];
    let finish = |id: &SessionId, callback: &str| scene.logto.finish_sign_in(&store, id, callback);
    let (id, signed_in) = finish(&planted, &first).unwrap();
    assert_eq!(signed_in.claims.sub, "alice");
    assert!(scene.logto.session(&store, &id).is_authenticated().unwrap());
    for key in PersistKey::ALL {
        assert_eq!(store.session(&planted).get(key).unwrap(), None, "{key}");
    }

    // The other tab's sign-in has moved along, and the finished one is remembered.
    let (newer, _) = finish(&id, &second).unwrap();
    let error = finish(&newer, &first).unwrap_err();
    assert!(
        is!(LogtoError::Callback(CallbackError::AlreadyUsed))(&error),
        "{error:?}"
    );
    assert!(
        scene
            .logto
            .session(&store, &newer)
            .is_authenticated()
            .unwrap()
    );
}

#[test]
fn a_refused_sign_in_gives_no_new_id() {
    let scene = Scene::signed_in();
    scene.put_claim("aud", "another-app");
    let (callback, before) = (scene.callback(), scene.tokens());
    let finish = || {
        scene
            .logto
            .finish_sign_in(&scene.store, &scene.id, &callback)
    };
    let error = finish().unwrap_err();
    assert!(is!(LogtoError::IdToken(_))(&error), "{error:?}");
    assert!(scene.tokens() == before, "the session is where it was");
    let error = finish().unwrap_err();
    assert!(
        is!(LogtoError::Callback(CallbackError::AlreadyUsed))(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn a_sign_in_is_taken_before_its_code_is_sent() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    let (is_reached, go_on) = hold_the_answer(&scene.fake);
    thread::scope(|threads| {
        let finish = threads.spawn(|| scene.finish(&callback));
        is_reached.recv().unwrap();
        assert!(scene.pending_states().is_empty());
        let again = scene.finish(&callback).unwrap_err();
        let is_used = is!(LogtoError::Callback(CallbackError::AlreadyUsed));
        assert!(is_used(&again), "{again:?}");
        drop(go_on);
        finish.join().unwrap().unwrap();
    });
    assert_eq!(
        scene.fake.requests_to(Endpoint::Token).len(),
        2,
        "Alice's and this"
    );
}

#[test]
fn a_storage_that_fails_sends_no_code_and_signs_nobody_in() {
    let scene = Scene::signed_in();
    let storage = Faulty::new(scene.store.session(&scene.id));
    let client = scene.logto.client(storage.clone());
    let is_storage = is!(LogtoError::Storage(error) if error.kind() == StorageErrorKind::Backend);
    for call in [
        StorageCall::Get,
        StorageCall::Lock,
        StorageCall::UpdateUnsynced,
    ] {
        let callback = scene.callback();
        storage.fail(call, 1, StorageErrorKind::Backend);
        let error = scene.refused(&[], |_| client.handle_sign_in_callback(&callback));
        assert!(is_storage(&error), "{call:?}: {error:?}");
        assert_eq!(
            scene.finish(&callback).unwrap().claims.sub,
            "bob",
            "{call:?}"
        );
    }
    scene.sign_in("alice");
    let (callback, before) = (scene.callback(), scene.tokens());
    storage.fail(StorageCall::Update, 1, StorageErrorKind::Backend);
    scene.fake.clear_requests();
    let error = client.handle_sign_in_callback(&callback).unwrap_err();
    assert!(is_storage(&error), "{error:?}");
    scene.tells_no_secret(&error);
    assert_eq!(scene.requests(), [Endpoint::Token]);
    assert!(scene.tokens() == before, "Alice is signed in still");
    let again = scene.refused(&[], |_| client.handle_sign_in_callback(&callback));
    let is_used = is!(LogtoError::Callback(CallbackError::AlreadyUsed));
    assert!(is_used(&again), "{again:?}");
    scene.recovers();
}

#[test]
fn a_storage_that_cannot_be_read_is_not_a_user_who_is_signed_out() {
    let scene = Scene::signed_in();
    let storage = Faulty::new(scene.store.session(&scene.id));
    let client = scene.logto.client(storage.clone());
    for attempt in 0..6 {
        storage.fail(StorageCall::Get, 1, StorageErrorKind::Backend);
        let error = scene.refused(&[], |_| match attempt {
            0 => client.is_authenticated().map(|_| ()),
            1 => client.id_token_claims().map(|_| ()),
            2 => client.access_token(RESOURCE).map(|_| ()),
            3 => client.fetch_user_info().map(|_| ()),
            4 => client.context(ContextOptions::new()).map(|_| ()),
            _ => client.sign_out(None).map(|_| ()),
        });
        assert!(
            matches!(error, LogtoError::Storage(_)),
            "{attempt}: {error:?}"
        );
        assert!(!error.requires_sign_in(), "{attempt}");
    }
    assert!(client.is_authenticated().unwrap());
}

#[test]
fn a_sign_out_during_a_callback_stays_signed_out() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    let (is_reached, go_on) = hold_the_answer(&scene.fake);
    let error = thread::scope(|threads| {
        let finish = threads.spawn(|| scene.finish(&callback));
        is_reached.recv().unwrap();
        scene.client.sign_out(None).unwrap();
        drop(go_on);
        finish.join().unwrap().unwrap_err()
    });
    let is_signed_out = is!(LogtoError::Callback(CallbackError::SignedOutMeanwhile));
    assert!(is_signed_out(&error), "{error:?}");
    assert!(!scene.client.is_authenticated().unwrap());
    scene.tells_no_secret(&error);
    scene.recovers();
}

#[test]
fn nobody_is_signed_in() {
    let scene = Scene::new();
    let client = &scene.client;
    assert!(!client.is_authenticated().unwrap());
    assert_eq!(client.access_token(None).unwrap(), None);
    assert_eq!(client.organization_token("org_1").unwrap(), None);
    for error in [
        client.id_token_claims().unwrap_err(),
        client.access_token_claims(RESOURCE).unwrap_err(),
        client.fetch_user_info().unwrap_err(),
    ] {
        assert!(error.requires_sign_in(), "{error:?}");
    }
    assert!(scene.requests().is_empty());
}

#[test]
fn a_resource_that_no_sign_in_asked_for_is_not_sent() {
    let scene = Scene::signed_in();
    let error = scene.refused(&[], |client| {
        client.access_token("https://other.example.com")
    });
    let is_unknown = is!(LogtoError::Config(ConfigError::UnknownResource { .. }));
    assert!(is_unknown(&error), "{error:?}");
}

#[test]
fn what_cannot_be_read_counts_as_absent() {
    let scene = Scene::signed_in();
    let storage = scene.store.session(&scene.id);
    let broken = [
        "{broken",
        "[]",
        "null",
        "{}",
        "\u{0}",
        r#"{"x":1}"#,
        r#"{"x":{"":{"token":1}}}"#,
    ];
    for text in broken {
        storage.set(PersistKey::AccessTokenMap, Some(text)).unwrap();
        scene.client.access_token(RESOURCE).unwrap().unwrap();
        storage.set(PersistKey::SignInSession, Some(text)).unwrap();
        storage
            .set(PersistKey::PendingRefreshToken, Some(text))
            .unwrap();
        scene.sign_in("bob");
    }
    for text in ["", "opaque", "a.b.c"] {
        storage.set(PersistKey::IdToken, Some(text)).unwrap();
        let error = scene.refused(&[], |client| client.id_token_claims());
        assert_eq!(error.requires_sign_in(), text.is_empty(), "{error:?}");
    }
}
