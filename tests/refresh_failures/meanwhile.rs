//! While somebody else is at the same session.

use std::thread;
use std::time::Duration;

use logto::storage::PersistKey;
use logto::{AccessTokenRequest, Revocation};
use logto_testing::{Endpoint, Misbehaviour};

use crate::held_answer::hold_the_answer;
use crate::scene::{Meanwhile, REDIRECT_URI, RESOURCE, Scene};

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
    let session = scene.session();
    session.set(PersistKey::RefreshToken, &stale).unwrap();
    session.delete(PersistKey::AccessTokenMap).unwrap();

    // While the stale token is on its way, the other process writes what it has.
    http.set(move || {
        session.set(PersistKey::RefreshToken, &newer).unwrap();
        let map = map.unwrap();
        session.set(PersistKey::AccessTokenMap, &map).unwrap();
    });
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
