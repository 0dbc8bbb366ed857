//! What does not work is said, and never taken for "signed out".

use std::net::TcpListener;

use http::Method;
use logto::storage::{PersistKey, StorageErrorKind};
use logto::{Session, SessionId};
use logto_testing::{Endpoint, Misbehaviour, StorageCall};

use crate::scene::{IDLE, Scene, Visitor, location, parameter, sign_in_to, text};

const DOWN: [StorageErrorKind; 3] = [
    StorageErrorKind::Backend,
    StorageErrorKind::Busy,
    StorageErrorKind::PermissionDenied,
];
const UNREADABLE: [StorageErrorKind; 3] = [
    StorageErrorKind::Corrupt,
    StorageErrorKind::WrongKey,
    StorageErrorKind::NewerFormat,
];

#[test]
fn storage_error_is_503_and_nobody_is_signed_out() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    for kind in DOWN {
        for target in ["/account", "/api/items", "/user", "/sign-in"] {
            scene.storage.fail(StorageCall::Any, 1, kind);
            let answer = visitor.get(&scene, target);
            assert_eq!(answer.status(), 503, "{target} {kind:?}");
            assert_eq!(answer.headers()["retry-after"], "5", "{target} {kind:?}");
            assert!(!answer.headers().contains_key("set-cookie"), "{target}");
        }
        scene.storage.fail(StorageCall::Remove, 1, kind);
        scene.storage.fail(StorageCall::Remove, 2, kind);
        let answer = visitor.sign_out(&scene);
        assert_eq!(answer.status(), 503, "{kind:?}");
        assert!(!text(&answer).contains("href"), "{}", text(&answer));
        assert_eq!(visitor.who(&scene), "alice", "{kind:?}");
    }
    scene
        .storage
        .fail(StorageCall::Any, 1, StorageErrorKind::Backend);
    let answer = visitor.get(&scene, "/api/items");
    assert_eq!(text(&answer), r#"{"error":"unavailable"}"#);
    scene
        .storage
        .fail(StorageCall::Any, 1, StorageErrorKind::Backend);
    let answer = visitor.get(&scene, "/user");
    assert_eq!(text(&answer), r#"{"error":"unavailable"}"#);
    scene
        .storage
        .fail(StorageCall::Any, 1, StorageErrorKind::Backend);
    let page = visitor.get(&scene, "/orders?page=2");
    assert!(
        text(&page).contains("href=\"/orders?page=2\""),
        "{}",
        text(&page)
    );
}

#[test]
fn corrupt_session_locks_nobody_out() {
    let scene = Scene::new();
    for kind in UNREADABLE {
        let mut visitor = scene.signed_in("alice");
        let lost = visitor.session_id().unwrap().to_owned();
        scene.storage.fail(StorageCall::Load, 1, kind);
        let page = visitor.get(&scene, "/account");
        assert_eq!(page.status(), 500, "{kind:?}");
        assert!(text(&page).contains("href=\"/sign-in?return_to=%2Faccount\""));

        scene.storage.fail(StorageCall::Load, 1, kind);
        let started = visitor.get(&scene, "/sign-in?return_to=%2Faccount");
        assert_ne!(visitor.session_id(), Some(lost.as_str()), "{kind:?}");
        let callback = scene.at_logto("alice", location(&started));
        assert_eq!(location(&visitor.get(&scene, &callback)), "/account");
    }
}

#[test]
fn damaged_id_token_locks_nobody_out() {
    let scene = Scene::new();
    for garbled in ["garbled", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let mut visitor = scene.signed_in("alice");
        let id: SessionId = visitor.session_id().unwrap().parse().unwrap();
        let session = Session::new(scene.storage.clone(), id.key());
        session.set(PersistKey::IdToken, garbled).unwrap();
        let page = visitor.get(&scene, "/account");
        assert!(
            text(&page).contains("href=\"/sign-in?return_to=%2Faccount\""),
            "{garbled}: {}",
            text(&page)
        );
        let landed = visitor.sign_in(&scene, "alice", "/sign-in?return_to=%2Faccount");
        assert_eq!(location(&landed), "/account", "{garbled}");
        assert_eq!(visitor.who(&scene), "alice", "{garbled}");
    }
}

#[test]
fn corrupt_session_can_be_signed_out_of() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let lost = visitor.clone();
    scene
        .storage
        .fail(StorageCall::Load, 1, StorageErrorKind::Corrupt);
    let page = visitor.sign_out(&scene);
    assert!(text(&page).contains("signed out here"), "{}", text(&page));
    assert_eq!(visitor.session_id(), None);
    assert_eq!(lost.who(&scene), "nobody");
}

#[test]
fn sign_out_without_the_lock_ends_the_session_here() {
    let scene = Scene::new();
    for call in [StorageCall::Lock, StorageCall::Remove] {
        let mut visitor = scene.signed_in("alice");
        let before = visitor.clone();
        scene.storage.fail(call, 1, StorageErrorKind::Busy);
        let page = visitor.sign_out(&scene);
        assert!(text(&page).contains("signed out here"), "{}", text(&page));
        assert_eq!(visitor.session_id(), None);
        assert_eq!(before.who(&scene), "nobody");
    }
}

#[test]
fn callback_that_cannot_be_saved_signs_nobody_in() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    scene
        .storage
        .fail(StorageCall::Replace, 1, StorageErrorKind::Backend);
    assert_eq!(visitor.get(&scene, &callback).status(), 503);
    assert_eq!(visitor.who(&scene), "nobody");
    assert_eq!(
        visitor.get(&scene, &callback).status(),
        400,
        "a code is sent once"
    );
    visitor.sign_in(&scene, "alice", "/sign-in");
    assert_eq!(visitor.who(&scene), "alice");
}

#[test]
fn a_server_that_is_down_is_503_with_a_time_to_wait() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    scene
        .fake
        .misbehave_times(Endpoint::Discovery, 1, Misbehaviour::Status(503));
    let page = visitor.get(&scene, &sign_in_to("/account"));
    assert_eq!(page.status(), 503);
    assert_eq!(page.headers()["retry-after"], "5");
    assert!(text(&page).contains("cannot be reached"), "{}", text(&page));
    let again = "href=\"/sign-in?return_to=%2Faccount\"";
    assert!(text(&page).contains(again), "{}", text(&page));
    assert!(visitor.jar.is_empty());
    scene
        .fake
        .misbehave_times(Endpoint::Discovery, 1, Misbehaviour::Status(503));
    let page = visitor.get(&scene, "/sign-up?return_to=//evil.example");
    assert!(text(&page).contains("href=\"/sign-up\""), "{}", text(&page));

    let asked = Misbehaviour::StatusWithRetryAfter {
        status: 429,
        seconds: 40,
    };
    scene.fake.misbehave_times(Endpoint::Discovery, 1, asked);
    let page = visitor.get(&scene, "/sign-in");
    assert_eq!(
        (page.status().as_u16(), &page.headers()["retry-after"]),
        (503, &"40".parse().unwrap())
    );

    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    scene
        .fake
        .misbehave_times(Endpoint::Token, 1, Misbehaviour::CloseBeforeResponse);
    let page = visitor.get(&scene, &callback);
    assert_eq!(page.status(), 503);
    assert!(text(&page).contains("href=\"/sign-in\""), "{}", text(&page));
}

#[test]
fn a_server_that_nobody_listens_at_is_503_too() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let logto = logto::Logto::new(logto::LogtoConfig::new(endpoint, "app")).unwrap();
    let storage = logto::storage::MemoryStorage::new();
    let auth = logto::web::WebAuth::new(logto, storage, "http://localhost:3000").unwrap();
    let request = http::Request::get("/sign-in").body(Vec::new()).unwrap();
    let answer = auth.handle(&request).unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
}

#[test]
fn a_sign_out_ends_the_session_here_though_the_server_is_down() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let before = visitor.clone();
    // The metadata that was fetched at the sign-in still says where the browser is to go.
    scene
        .fake
        .misbehave(Endpoint::Discovery, Misbehaviour::Status(503));
    scene
        .fake
        .misbehave(Endpoint::Revocation, Misbehaviour::CloseUnprocessed);
    let answer = visitor.sign_out(&scene);
    assert!(location(&answer).starts_with(scene.fake.endpoint()));
    assert_eq!(before.who(&scene), "nobody");
    assert_eq!(visitor.session_id(), None);
}

#[test]
fn a_sign_out_ends_the_session_here_though_the_server_was_never_up() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let before = visitor.clone();
    // A process that has just started, and knows nothing of the server yet.
    let config = scene.auth.logto().config().clone();
    let restarted = Scene {
        auth: logto::web::WebAuth::new(
            logto::Logto::new(config).unwrap(),
            scene.storage.clone(),
            crate::scene::BASE_URL,
        )
        .unwrap(),
        ..scene
    };
    restarted
        .fake
        .misbehave(Endpoint::Discovery, Misbehaviour::Status(503));
    let page = visitor.sign_out(&restarted);
    assert_eq!(page.status(), 200);
    assert!(text(&page).contains("could not be told"), "{}", text(&page));
    assert!(text(&page).contains("href=\"/\">Go on"), "{}", text(&page));
    assert_eq!(visitor.session_id(), None);
    assert_eq!(before.who(&restarted), "nobody");
}

#[test]
fn a_user_who_turns_back_is_told_so_and_stays_who_they_were() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let started = visitor.get(&scene, "/sign-in");
    let state = parameter(&started, "state").unwrap();
    let issuer = scene.fake.issuer();
    let callback = format!(
        "/callback?error=access_denied&error_description=%3Cscript%3E&state={state}&iss={issuer}"
    );
    let page = visitor.get(&scene, &callback);
    assert_eq!(page.status(), 403);
    assert!(text(&page).contains("cancelled"), "{}", text(&page));
    assert!(!text(&page).contains("script"), "{}", text(&page));
    assert_eq!(visitor.who(&scene), "alice");
}

#[test]
fn a_wrong_secret_is_the_applications_fault_and_not_the_users() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    let refusal = Misbehaviour::Error {
        status: 401,
        error: "invalid_client".to_owned(),
        description: "client authentication failed".to_owned(),
    };
    scene.fake.misbehave_times(Endpoint::Token, 1, refusal);
    let page = visitor.get(&scene, &callback);
    assert_eq!(page.status(), 500);
    assert!(!text(&page).contains("client"), "{}", text(&page));
}

#[test]
fn a_sign_in_that_took_too_long_is_told_apart() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    scene
        .fake
        .clock()
        .advance(std::time::Duration::from_secs(601));
    let page = visitor.get(&scene, &callback);
    assert_eq!(page.status(), 400);
    assert!(text(&page).contains("took too long"), "{}", text(&page));
}

#[test]
fn a_session_that_lay_unused_is_over_and_its_cookie_signs_nobody_in() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    scene
        .fake
        .clock()
        .advance(IDLE + std::time::Duration::from_secs(1));
    assert_eq!(
        location(&visitor.get(&scene, "/account")),
        "/sign-in?return_to=%2Faccount"
    );
    assert_eq!(visitor.get(&scene, "/api/items").status(), 401);
    let answer = visitor.send(&scene, Method::POST, "/sign-out", &[]);
    assert_eq!(answer.status(), 303);
}
