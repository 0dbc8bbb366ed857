//! While a user is signed in, and until they are not.

use std::thread;

use logto_testing::Endpoint;

use crate::scene::{RESOURCE, Scene, status, stderr, stdout};

#[test]
fn whoever_is_signed_in_is_shown() {
    let scene = Scene::new();
    scene.sign_in();
    let output = scene.run(&["whoami"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let expected = format!(
        "Name      Alice Example\nE-mail    alice@example.test\nUser id   alice\nServer    {}\n",
        scene.fake.endpoint()
    );
    assert_eq!(stdout(&output), expected);
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_token_is_all_that_is_printed() {
    let scene = Scene::new();
    scene.sign_in();
    for arguments in [
        &["token"][..],
        &["token", "--resource", RESOURCE],
        &["token", "--organization", "org1"],
    ] {
        let output = scene.run(arguments);
        assert_eq!(status(&output), 0, "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "");
        let token = stdout(&output).strip_suffix('\n').unwrap();
        assert!(!token.is_empty() && !token.contains(char::is_whitespace));
        let is_jwt = token.split('.').count() == 3;
        assert_eq!(is_jwt, arguments.len() > 1, "{arguments:?}");
    }
}

#[test]
fn twenty_scripts_at_once_refresh_once() {
    const SCRIPTS: usize = 20;

    let scene = Scene::new();
    scene
        .fake
        .tamper_response(Endpoint::Token, |body| body["expires_in"] = 0.into());
    scene.sign_in();
    scene.fake.calm();
    scene.fake.clear_requests();

    let tokens: Vec<String> = thread::scope(|scope| {
        let script = || {
            let output = scene.run(&["token"]);
            assert_eq!(status(&output), 0, "{}", stderr(&output));
            stdout(&output).trim_end().to_owned()
        };
        let scripts: Vec<_> = (0..SCRIPTS).map(|_| scope.spawn(script)).collect();
        scripts
            .into_iter()
            .map(|script| script.join().unwrap())
            .collect()
    });
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);
    assert!(tokens.iter().all(|token| scene.is_accepted(token)));
}

#[test]
fn an_api_that_is_not_configured_is_not_asked_for() {
    let scene = Scene::new();
    scene.sign_in();
    scene.fake.clear_requests();
    let output = scene.run(&["token", "--resource", "https://other.example.test"]);
    assert_eq!(status(&output), 2);
    assert_eq!(stdout(&output), "");
    let told = "the API \"https://other.example.test\" is not among LOGTO_RESOURCES";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
    assert!(scene.fake.requests_to(Endpoint::Token).is_empty());
}

#[test]
fn a_session_that_the_server_has_ended_needs_a_new_sign_in() {
    let scene = Scene::new();
    scene.sign_in();
    scene.fake.revoke_grants();
    let output = scene.run(&["token", "--resource", RESOURCE]);
    assert_eq!(status(&output), 3, "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("the server has ended your session"));

    scene.sign_in();
    assert_eq!(status(&scene.run(&["token", "--resource", RESOURCE])), 0);
}

#[test]
fn a_sign_out_revokes_and_leaves_nobody_signed_in() {
    let scene = Scene::new();
    scene.sign_in();
    let token = scene.run(&["token"]);
    assert!(scene.is_accepted(stdout(&token).trim_end()));

    let output = scene.run(&["logout"]);
    assert_eq!(status(&output), 0);
    assert_eq!(stdout(&output), "");
    assert_eq!(stderr(&output), "You are signed out.\n");
    assert_eq!(scene.fake.requests_to(Endpoint::Revocation).len(), 1);
    assert_eq!(scene.session_file(), None);

    assert_eq!(status(&scene.run(&["logout"])), 3);
    assert_eq!(status(&scene.run(&["token"])), 3);
}
