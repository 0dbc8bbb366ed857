//! One session and several users, calls and tabs.

use std::thread;
use std::time::Duration;

use logto::storage::{MemoryStorage, PersistKey, Record, Storage};
use logto::{
    CallbackError, ConfigError, ContextOptions, LogtoError, Revocation, SessionId, SignInError,
    SignInOptions, StorageErrorKind,
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
fn lock_of_another_holder_is_retryable_and_nothing_is_sent_without_it() {
    let stage = Stage {
        build: |builder| builder.lock_timeout(Duration::from_millis(50)),
        ..Stage::default()
    };
    let scene = stage.scene();
    scene.sign_in("alice");
    let callback = scene.callback();
    let key = scene.id.key();
    let lock = scene.storage.lock(&key, Duration::ZERO).unwrap();
    for attempt in 0..3 {
        let error = scene.refused(&[], |client| match attempt {
            0 => scene.refresh().map(|_| ()),
            1 => client.handle_sign_in_callback(&callback).map(|_| ()),
            _ => client.sign_out(None).map(|_| ()),
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
    let storage = MemoryStorage::new();
    let planted = SessionId::random();
    let client = scene.logto.session(&storage, &planted);
    let start = || scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    let [first, second] = [start(), start()];
    let finish = |id: &SessionId, url: &str| scene.logto.finish_sign_in(&storage, id, url);
    let is_signed_in = |id: &SessionId| {
        let client = scene.logto.session(&storage, id);
        client.is_authenticated().unwrap()
    };
    let (id, signed_in) = finish(&planted, &first).unwrap();
    assert_eq!(signed_in.claims.sub, "alice");
    assert!(is_signed_in(&id));
    assert_eq!(storage.load(&planted.key()).unwrap(), None);

    // The other tab's sign-in has moved along, and the finished one is remembered.
    let (newer, _) = finish(&id, &second).unwrap();
    let error = finish(&newer, &first).unwrap_err();
    assert!(
        is!(LogtoError::Callback(CallbackError::AlreadyUsed))(&error),
        "{error:?}"
    );
    assert!(is_signed_in(&newer));
}

#[test]
fn a_refused_sign_in_gives_no_new_id() {
    let scene = Scene::signed_in();
    scene.put_claim("aud", "another-app");
    let (callback, before) = (scene.callback(), scene.tokens());
    let finish = || {
        scene
            .logto
            .finish_sign_in(&scene.storage, &scene.id, &callback)
    };
    let error = finish().unwrap_err();
    assert!(is!(LogtoError::IdToken(_))(&error), "{error:?}");
    assert!(scene.tokens() == before, "the session is where it was");
    let error = finish().unwrap_err();
    assert!(
        is!(LogtoError::Callback(CallbackError::AlreadyFailed))(&error),
        "{error:?}"
    );
    scene.recovers();
}

#[test]
fn callback_sent_twice_waits_for_the_first_and_sends_no_code() {
    let scene = Scene::signed_in();
    for is_refused in [false, true] {
        if is_refused {
            scene.put_claim("aud", "another-app");
        }
        let callback = scene.callback();
        scene.fake.clear_requests();
        let (is_reached, go_on) = hold_the_answer(&scene.fake);
        let (first, second) = thread::scope(|threads| {
            let first = threads.spawn(|| scene.finish(&callback));
            is_reached.recv().unwrap();
            let second = threads.spawn(|| scene.finish(&callback));
            drop(go_on);
            (first.join().unwrap(), second.join().unwrap())
        });
        assert_eq!(first.is_err(), is_refused, "{first:?}");
        let expected = match is_refused {
            false => CallbackError::AlreadyUsed,
            true => CallbackError::AlreadyFailed,
        };
        match second.unwrap_err() {
            LogtoError::Callback(error) => assert_eq!(error, expected),
            error => panic!("{error:?}"),
        }
        assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);
    }
}

#[test]
fn callback_that_waited_for_the_move_of_its_session_is_already_used() {
    let scene = Scene::new();
    let callback = scene.callback();
    let finish = || {
        let logto = &scene.logto;
        logto.finish_sign_in(&scene.storage, &scene.id, &callback)
    };
    let (is_reached, go_on) = hold_the_answer(&scene.fake);
    let second = thread::scope(|threads| {
        let first = threads.spawn(finish);
        is_reached.recv().unwrap();
        let second = threads.spawn(finish);
        // Until it waits for the lock, and so has found the sign-in.
        thread::sleep(Duration::from_millis(200));
        drop(go_on);
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap_err()
    });
    let is_used = is!(LogtoError::Callback(CallbackError::AlreadyUsed));
    assert!(is_used(&second), "{second:?}");
    let late = finish().unwrap_err();
    let is_unknown = is!(LogtoError::Callback(CallbackError::StateMismatch));
    assert!(is_unknown(&late), "{late:?}");
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);
}

#[test]
fn storage_error_in_a_callback_signs_nobody_in() {
    let scene = Scene::signed_in();
    let storage = Faulty::new(scene.storage.clone());
    let client = scene.logto.session(&storage, &scene.id);
    let is_storage = is!(LogtoError::Storage(error) if error.kind() == StorageErrorKind::Backend);
    for (call, nth) in [
        (StorageCall::Load, 1),
        (StorageCall::Lock, 1),
        (StorageCall::Load, 2),
    ] {
        let callback = scene.callback();
        storage.fail(call, nth, StorageErrorKind::Backend);
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
    storage.fail(StorageCall::Save, 1, StorageErrorKind::Backend);
    scene.fake.clear_requests();
    let error = client.handle_sign_in_callback(&callback).unwrap_err();
    assert!(is_storage(&error), "{error:?}");
    scene.tells_no_secret(&error);
    assert_eq!(scene.requests(), [Endpoint::Token]);
    assert!(scene.tokens() == before, "Alice is signed in still");
    let again = scene.refused(&[], |_| client.handle_sign_in_callback(&callback));
    let has_failed = is!(LogtoError::Callback(CallbackError::AlreadyFailed));
    assert!(has_failed(&again), "{again:?}");
    scene.recovers();
}

#[test]
fn storage_error_is_not_signed_out() {
    let scene = Scene::signed_in();
    let storage = Faulty::new(scene.storage.clone());
    let client = scene.logto.session(&storage, &scene.id);
    for attempt in 0..6 {
        storage.fail(StorageCall::Load, 1, StorageErrorKind::Backend);
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
fn sign_out_during_a_callback_waits_and_ends_what_it_made() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    let (is_reached, go_on) = hold_the_answer(&scene.fake);
    thread::scope(|threads| {
        let finish = threads.spawn(|| scene.finish(&callback));
        is_reached.recv().unwrap();
        let sign_out = threads.spawn(|| scene.client.sign_out(None));
        drop(go_on);
        finish.join().unwrap().unwrap();
        let revocation = sign_out.join().unwrap().unwrap().revocation;
        assert!(matches!(revocation, Revocation::Revoked), "{revocation:?}");
    });
    assert_eq!(scene.record(), None);
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
fn corrupt_value_is_refused_and_changes_nothing() {
    let scene = Scene::signed_in();
    for text in [
        "{broken",
        "[[]]",
        "null",
        "\u{0}",
        r#"{"x":{"":{"token":1}}}"#,
    ] {
        let error = scene.refused(&[], |client| {
            let set = client.session().set(PersistKey::AccessTokenMap, text);
            set.map_err(LogtoError::from)
        });
        assert!(is_corrupt(&error), "{text}: {error:?}");
    }
    let session = scene.client.session();
    for text in ["", "opaque", "a.b.c"] {
        session.set(PersistKey::IdToken, text).unwrap();
        let error = scene.refused(&[], |client| client.id_token_claims());
        assert_eq!(error.requires_sign_in(), text.is_empty(), "{error:?}");
    }
}

#[test]
fn corrupt_session_is_never_overwritten_and_can_be_cleared() {
    for data in [
        "{broken",
        "null",
        "",
        "1",
        r#"{"idToken":1}"#,
        r#"{"accessTokenMap":{"x":1}}"#,
    ] {
        let scene = Scene::signed_in();
        let callback = scene.callback();
        let before = scene.record().unwrap();
        let corrupt = Record::new(before.owner(), data);
        let (key, version) = (scene.id.key(), Some(before.version()));
        scene.storage.save(&key, &corrupt, version).unwrap();
        for call in 0..7 {
            let error = scene.refused(&[], |client| match call {
                0 => client.is_authenticated().map(drop),
                1 => client.context(ContextOptions::new()).map(drop),
                2 => client.access_token(RESOURCE).map(drop),
                3 => client.sign_in(REDIRECT_URI).map(drop),
                4 => client.handle_sign_in_callback(&callback).map(drop),
                5 => client.sign_out(None).map(drop),
                _ => client.clear_access_tokens(),
            });
            assert!(is_corrupt(&error), "{data}: {call}: {error:?}");
            assert!(!error.requires_sign_in() && !error.is_retryable());
        }
        scene.client.clear_all_tokens().unwrap();
        assert_eq!(scene.record(), None);
        scene.recovers();
    }
}

fn is_corrupt(error: &LogtoError) -> bool {
    matches!(error, LogtoError::Storage(error) if error.kind() == StorageErrorKind::Corrupt)
}
