//! The suite's profile "RP-Initiated Logout RP", and what a sign-out leaves behind.

use std::time::Duration;

use logto::{CallbackError, Logto, LogtoError, Revocation, SignInError, SignOutOptions};
use logto_testing::{Endpoint, Misbehaviour};

use crate::scene::{RESOURCE, Scene, is, query_value};

const HOME: &str = "http://localhost:3000/";
const STATE: &str = "of-this-sign-out";

/// What the server answers the browser after a sign-out with this state.
fn signed_out(scene: &Scene, options: &SignOutOptions) -> String {
    let sign_out = scene.client.sign_out(options.clone()).unwrap();
    assert!(matches!(sign_out.revocation, Revocation::Revoked));
    assert!(!scene.client.is_authenticated().unwrap());
    scene.fake.sign_out(&sign_out.url)
}

#[test]
fn client_test_rp_init_logout() {
    let scene = Scene::signed_in();
    let (id_token, refresh_token) = (
        scene.client.id_token().unwrap(),
        scene.client.refresh_token().unwrap(),
    );
    scene.fake.clear_requests();
    let back = signed_out(&scene, &SignOutOptions::from(HOME).state(STATE));
    assert_eq!(back, format!("{HOME}?state={STATE}"));
    Logto::verify_sign_out_callback(&back, STATE).unwrap();

    assert_eq!(scene.requests(), [Endpoint::Revocation]);
    let revoked = scene.fake.requests_to(Endpoint::Revocation).remove(0);
    assert_eq!(
        revoked.form_value("token"),
        refresh_token.as_deref(),
        "not the access token"
    );
    let ended = scene.fake.requests_to(Endpoint::EndSession).remove(0);
    assert_eq!(ended.query_value("id_token_hint"), id_token.as_deref());
    assert_eq!(ended.query_value("post_logout_redirect_uri"), Some(HOME));
    assert!(scene.stored().values().all(Option::is_none));
    scene.recovers();
}

/// The refusal of what the browser came back with.
fn refused(url: &str, state: &str) -> CallbackError {
    match Logto::verify_sign_out_callback(url, state) {
        Err(LogtoError::Callback(error)) => error,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn client_test_rp_init_logout_other_state() {
    use CallbackError::{DuplicateParameter, SignOutStateMismatch};
    let scene = Scene::signed_in();
    let back = signed_out(&scene, &SignOutOptions::from(HOME).state(STATE));
    for state in [
        "another",
        "of-this-sign-out2",
        "of-this-sign",
        "OF-THIS-SIGN-OUT",
    ] {
        assert_eq!(
            refused(&back.replace(STATE, state), STATE),
            SignOutStateMismatch
        );
    }
    let twice = format!("{back}&state={STATE}");
    assert_eq!(refused(&twice, STATE), DuplicateParameter { name: "state" });
    assert!(!scene.client.is_authenticated().unwrap(), "all the same");
}

#[test]
fn client_test_rp_init_logout_no_state() {
    let scene = Scene::signed_in();
    let back = signed_out(&scene, &SignOutOptions::from(HOME).state(STATE));
    let (without, _) = back.split_once('?').unwrap();
    for url in [without, &back.replace(STATE, "")] {
        assert_eq!(refused(url, STATE), CallbackError::StateMissing);
    }
    assert_eq!(
        refused(&back, ""),
        CallbackError::StateMissing,
        "none was sent"
    );
    assert!(!scene.client.is_authenticated().unwrap(), "all the same");
}

#[test]
fn a_refresh_token_that_cannot_be_revoked_keeps_nobody_signed_in() {
    let busy = Misbehaviour::StatusWithRetryAfter {
        status: 503,
        seconds: 7,
    };
    for misbehaviour in [
        busy,
        Misbehaviour::Status(500),
        Misbehaviour::Status(400),
        Misbehaviour::Garbage,
        Misbehaviour::CloseBeforeResponse,
        Misbehaviour::Redirect {
            status: 307,
            location: "http://127.0.0.1:9/".to_owned(),
        },
    ] {
        let scene = Scene::signed_in();
        scene
            .fake
            .misbehave(Endpoint::Revocation, misbehaviour.clone());
        scene.fake.clear_requests();
        let sign_out = scene.client.sign_out(HOME).unwrap();
        assert_eq!(scene.requests(), [Endpoint::Revocation]);
        match (misbehaviour, sign_out.revocation) {
            // The body says nothing here, and the status all.
            (Misbehaviour::Garbage, Revocation::Revoked) => {}
            (misbehaviour, Revocation::Failed(error)) => {
                scene.tells_no_secret(&error);
                if let Misbehaviour::StatusWithRetryAfter { .. } = misbehaviour {
                    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
                }
            }
            other => panic!("{other:?}"),
        }
        assert!(scene.stored().values().all(Option::is_none));
        let again = scene.client.sign_out(None).unwrap();
        assert!(matches!(again.revocation, Revocation::NoRefreshToken));
        scene.recovers();
    }
}

#[test]
fn a_sign_out_that_cannot_be_started_changes_nothing() {
    let scene = Scene::signed_in();
    for uri in [
        "not a url",
        "",
        "/",
        "http://localhost:3000/#x",
        "http://localhost:3000/\r\nX: y",
    ] {
        let error = scene.refused(&[], |client| client.sign_out(uri));
        let is_uri = is!(LogtoError::SignIn(SignInError::InvalidRedirectUri { .. }));
        assert!(is_uri(&error), "{uri:?}: {error:?}");
    }
    let scene = Scene::signed_in();
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata
            .as_object_mut()
            .unwrap()
            .remove("end_session_endpoint")
            .unwrap();
    });
    scene.pass(3600);
    let error = scene.refused(&[Endpoint::Discovery], |client| client.sign_out(HOME));
    assert!(
        is!(LogtoError::SignIn(SignInError::SignOutUnsupported))(&error),
        "{error:?}"
    );
    // Without the server's help the user is signed out here at least.
    scene.client.clear_all_tokens().unwrap();
    assert!(!scene.client.is_authenticated().unwrap());
    assert_eq!(scene.client.access_token(RESOURCE).unwrap(), None);
}

#[test]
fn without_a_revocation_endpoint_the_sign_out_says_so() {
    let scene = Scene::new();
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata
            .as_object_mut()
            .unwrap()
            .remove("revocation_endpoint")
            .unwrap();
    });
    scene.sign_in("alice");
    scene.fake.clear_requests();
    let sign_out = scene.client.sign_out(HOME).unwrap();
    assert!(matches!(sign_out.revocation, Revocation::Unsupported));
    assert!(scene.requests().is_empty() && !scene.client.is_authenticated().unwrap());
}

#[test]
fn a_callback_that_comes_after_the_sign_out_signs_nobody_in() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    let url = scene.client.sign_out(HOME).unwrap().url;
    assert!(!query_value(&url, "id_token_hint").is_empty());
    let error = scene.refused(&[], |client| client.handle_sign_in_callback(&callback));
    assert!(is!(LogtoError::Callback(_))(&error), "{error:?}");
    assert!(!scene.client.is_authenticated().unwrap());
    scene.recovers();
}
