//! What the browser can bring, or be made to bring. None of it costs a request.

use std::sync::Barrier;
use std::thread;

use logto::{CallbackError, LogtoError};
use logto_testing::{Endpoint, Misbehaviour};

use crate::scene::{REDIRECT_URI, Scene, is, query_value};

fn callback_error(error: &LogtoError) -> &CallbackError {
    match error {
        LogtoError::Callback(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_this_sign_ins_answer_keeps_every_sign_in() {
    use CallbackError::*;
    let scene = Scene::signed_in();
    let good = scene.callback();
    let iss = scene.fake.issuer();
    let state = query_value(&good, "state");
    let code = query_value(&good, "code");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        good.replacen(from, to, 1)
    };
    let twice = |name| DuplicateParameter { name };
    let unexpected = |name| UnexpectedParameter { name };
    let rows = [
        // Another place.
        (with("localhost", "127.0.0.1"), RedirectUriMismatch),
        (with("localhost", "evil.example"), RedirectUriMismatch),
        (
            with("localhost", "localhost.evil.example"),
            RedirectUriMismatch,
        ),
        (with("http://", "https://"), RedirectUriMismatch),
        (with(":3000", ":3001"), RedirectUriMismatch),
        (with(":3000", ""), RedirectUriMismatch),
        (with("http://", "http://user@"), RedirectUriMismatch),
        (with("/callback", "/callback/"), RedirectUriMismatch),
        (with("/callback", "/Callback"), RedirectUriMismatch),
        (with("/callback", "/x/../callback2"), RedirectUriMismatch),
        (
            with("http://localhost:3000/callback", "/other"),
            RedirectUriMismatch,
        ),
        (
            with("http://localhost:3000", "//evil.example"),
            RedirectUriMismatch,
        ),
        // Of no sign-in.
        (with(&state, "wrong"), StateMismatch),
        (with(&state, &state.to_lowercase()), StateMismatch),
        (with(&state, &format!("{state}%20")), StateMismatch),
        (with(&state, &state[..42]), StateMismatch),
        (with(&state, ""), StateMissing),
        (with("state=", "State="), StateMissing),
        (with("state=", "no_state="), StateMissing),
        (
            format!("{REDIRECT_URI}?error=access_denied&iss={iss}"),
            StateMissing,
        ),
        (
            format!("{REDIRECT_URI}?error=access_denied&state=x&iss={iss}"),
            StateMismatch,
        ),
        (REDIRECT_URI.to_owned(), StateMissing),
        // Twice, the same or not.
        (format!("{good}&state={state}"), twice("state")),
        (format!("{good}&state=x"), twice("state")),
        (format!("{good}&code={code}"), twice("code")),
        (format!("{good}&iss={iss}"), twice("iss")),
        (format!("{good}&iss=x"), twice("iss")),
        (format!("{good}&error=x&error=x"), twice("error")),
        (
            format!("{good}&error=x&error_description=a&error_description=b"),
            twice("error_description"),
        ),
        // Of other flows.
        (format!("{good}#"), Fragment),
        (format!("{good}#access_token=x"), Fragment),
        (with("?", "#"), Fragment),
        (format!("{good}&id_token=x"), unexpected("id_token")),
        (format!("{good}&access_token=x"), unexpected("access_token")),
        (format!("{good}&response=x"), unexpected("response")),
        // No callback at all.
        (String::new(), Malformed),
        ("no url".to_owned(), Malformed),
        ("http://".to_owned(), Malformed),
        (good["http://".len()..].to_owned(), RedirectUriMismatch),
        (format!("{good}&x={}", "x".repeat(16 * 1024)), Malformed),
    ];
    for (callback, expected) in rows {
        println!("{callback}");
        let error = scene.refused(&[], |client| client.handle_sign_in_callback(&callback));
        assert_eq!(callback_error(&error), &expected, "{callback}");
        assert!(
            !error.requires_sign_in() && !error.is_retryable(),
            "{callback}"
        );
    }
    assert_eq!(scene.finish(&good).unwrap().claims.sub, "bob");
    scene.recovers();
}

#[test]
fn the_answer_to_a_sign_in_ends_that_one_only() {
    use CallbackError::*;
    let scene = Scene::signed_in();
    let other = scene.callback();
    for (rest, expected) in [
        ("&code=c", IssuerMissing),
        ("&code=c&iss=http://evil.example/oidc", IssuerMismatch),
        ("&code=c&iss={iss}/", IssuerMismatch),
        ("&error=access_denied", IssuerMissing),
        (
            "&error=access_denied&iss=http://evil.example/oidc",
            IssuerMismatch,
        ),
        ("&iss={iss}", CodeMissing),
        ("&code=&iss={iss}", CodeMissing),
        ("&code=c&error=e&iss={iss}", CodeAndError),
        ("&code=c&error=&iss={iss}", CodeAndError),
        ("&code=&error=e&iss={iss}", CodeAndError),
    ] {
        let state = query_value(&scene.start(REDIRECT_URI), "state");
        let rest = rest.replace("{iss}", scene.fake.issuer());
        let error = scene.refused_sign_in(&format!("{REDIRECT_URI}?state={state}{rest}"), &[]);
        assert_eq!(callback_error(&error), &expected, "{rest}");
    }
    assert_eq!(scene.finish(&other).unwrap().claims.sub, "bob");
}

#[test]
fn the_servers_error_is_kept_as_text_and_ends_its_sign_in() {
    let scene = Scene::signed_in();
    let other = scene.callback();
    let long = "x".repeat(5000);
    for (query, error, description) in [
        (
            "error=access_denied&error_description=no",
            "access_denied",
            Some("no"),
        ),
        ("error=access_denied", "access_denied", None),
        (
            "error=access_denied&error_description=%3Cscript%3E%0D%0ASet-Cookie:%00x",
            "access_denied",
            Some("<script>Set-Cookie:x"),
        ),
        (
            &format!("error=server_error&error_description={long}"),
            "server_error",
            Some(&long[..500]),
        ),
        (&format!("error={long}"), &long[..500], None),
        ("error=%FF", "\u{fffd}", None),
        ("error=login_required", "login_required", None),
    ] {
        let state = query_value(&scene.start(REDIRECT_URI), "state");
        let iss = scene.fake.issuer();
        let callback = format!("{REDIRECT_URI}?{query}&state={state}&iss={iss}");
        let refusal = scene.refused_sign_in(&callback, &[]);
        let told = refusal.oauth_error().unwrap();
        assert_eq!((told.error.as_str(), told.status), (error, None));
        assert_eq!(told.error_description.as_deref(), description);
    }
    assert_eq!(scene.finish(&other).unwrap().claims.sub, "bob");
}

#[test]
fn a_callback_repeated_after_success_or_failure_is_told_apart() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    scene.finish(&callback).unwrap();
    let code = query_value(&callback, "code");
    for again in [
        callback.clone(),
        callback.replace(&code, "another"),
        callback.replace("code=", "error="),
    ] {
        let error = scene.refused(&[], |client| client.handle_sign_in_callback(&again));
        assert_eq!(callback_error(&error), &CallbackError::AlreadyUsed);
    }
    // `refused_sign_in` repeats each that it sees refused.
    scene
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::Status(500));
    let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
    assert!(error.is_retryable(), "{error:?}");
    scene.recovers();
}

#[test]
fn a_sign_in_lives_for_ten_minutes() {
    let scene = Scene::signed_in();
    let (late, in_time) = (scene.callback(), scene.start(REDIRECT_URI));
    scene.pass(600);
    let in_time = scene.come_back(&in_time);
    scene.finish(&in_time).unwrap();
    scene.pass(1);
    let error = scene.refused(&[], |client| client.handle_sign_in_callback(&late));
    assert_eq!(callback_error(&error), &CallbackError::Expired);
    scene.recovers();
}

#[test]
fn two_tabs_finish_in_any_order() {
    let scene = Scene::new();
    let a = scene.callback_of("alice");
    let b = scene.callback_of("bob");
    assert_eq!(scene.finish(&b).unwrap().claims.sub, "bob");
    assert_eq!(scene.finish(&a).unwrap().claims.sub, "alice");
    assert!(scene.pending_states().is_empty());
}

#[test]
fn of_too_many_sign_ins_the_oldest_are_forgotten() {
    let scene = Scene::signed_in();
    let urls: Vec<_> = (0..18).map(|_| scene.start(REDIRECT_URI)).collect();
    assert_eq!(scene.pending_states().len(), 16);
    scene.fake.sign_in_as("bob");
    let mut callbacks = urls.iter().map(|url| scene.come_back(url));
    for _ in 0..2 {
        let forgotten = callbacks.next().unwrap();
        let error = scene.refused(&[], |client| client.handle_sign_in_callback(&forgotten));
        assert_eq!(callback_error(&error), &CallbackError::StateMismatch);
    }
    for callback in callbacks {
        scene.finish(&callback).unwrap();
    }
}

#[test]
fn sixteen_threads_with_one_callback_send_one_request() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    scene.fake.clear_requests();
    let barrier = Barrier::new(16);
    let attempt = || {
        barrier.wait();
        scene.finish(&callback)
    };
    let results: Vec<_> = thread::scope(|threads| {
        let attempts: Vec<_> = (0..16).map(|_| threads.spawn(attempt)).collect();
        let results = attempts.into_iter().map(|attempt| attempt.join().unwrap());
        results.collect()
    });
    let errors: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert_eq!(errors.len(), 15);
    for error in errors {
        assert_eq!(callback_error(error), &CallbackError::AlreadyUsed);
    }
    assert_eq!(scene.requests(), [Endpoint::Token]);
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "bob");
}

#[test]
fn a_callback_of_another_session_is_no_sign_in() {
    let scene = Scene::signed_in();
    let attacker = scene.logto.client(logto::storage::MemoryStorage::new());
    let planted = scene
        .fake
        .authorize(&attacker.sign_in(REDIRECT_URI).unwrap());
    let error = scene.refused(&[], |client| client.handle_sign_in_callback(&planted));
    assert_eq!(callback_error(&error), &CallbackError::StateMismatch);
}

#[test]
fn a_code_of_another_sign_in_is_worth_nothing_here() {
    let scene = Scene::signed_in();
    let attacker = scene.logto.client(logto::storage::MemoryStorage::new());
    let theirs = scene
        .fake
        .authorize(&attacker.sign_in(REDIRECT_URI).unwrap());
    let ours = scene.callback();
    let injected = ours.replace(&query_value(&ours, "code"), &query_value(&theirs, "code"));
    // The server holds the code to its own verifier.
    let error = scene.refused_sign_in(&injected, &[Endpoint::Token]);
    assert_eq!(error.oauth_error().unwrap().error, "invalid_grant");
    scene.recovers();
}

#[test]
fn a_callback_is_read_in_every_form_that_it_can_have() {
    let scene = Scene::new();
    let forms: [fn(&str) -> String; 4] = [
        |good| good["http://localhost:3000".len()..].to_owned(),
        |good| good.replacen("http://localhost", "HTTP://LOCALHOST", 1),
        |good| format!("{good}&session_state=x&utm_source=y"),
        |good| good.replacen("?code=", "?&x&code=", 1),
    ];
    for form in forms {
        let callback = form(&scene.callback());
        assert!(
            scene.client.is_sign_in_redirected(&callback).unwrap(),
            "{callback}"
        );
        scene.finish(&callback).unwrap();
        assert!(
            !scene.client.is_sign_in_redirected(&callback).unwrap(),
            "{callback}"
        );
    }
}

#[test]
fn custom_schemes_loopback_ports_and_queries_of_redirect_uris_are_told_apart() {
    let scene = Scene::native();
    let uris = [
        "io.logto.example://callback",
        "io.logto.example:/callback",
        "http://127.0.0.1:8765/callback",
        "http://[::1]:8765/callback",
        "https://example.com:8443/callback",
        "https://example.com/callback?tenant=blue",
    ];
    for uri in uris {
        println!("{uri}");
        scene.fake.sign_in_as("bob");
        let callback = scene.come_back(&scene.start(uri));
        let (_, answer) = callback.split_once("code=").unwrap();
        for other in uris.iter().filter(|other| **other != uri) {
            let elsewhere = format!("{}?code={answer}", other.split('?').next().unwrap());
            let error = scene.refused(&[], |client| client.handle_sign_in_callback(&elsewhere));
            let is_elsewhere = is!(LogtoError::Callback(CallbackError::RedirectUriMismatch));
            assert!(is_elsewhere(&error), "{elsewhere}: {error:?}");
        }
        assert_eq!(scene.finish(&callback).unwrap().claims.sub, "bob");
    }
}

#[test]
fn without_its_promise_the_issuer_may_be_missing_but_not_another() {
    let scene = Scene::new();
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata["authorization_response_iss_parameter_supported"] = false.into();
    });
    scene.sign_in("alice");
    let callback = scene.callback();
    let (start, _) = callback.split_once("&iss=").unwrap();
    scene.finish(start).unwrap();
    let callback = scene.callback();
    let (start, _) = callback.split_once("&iss=").unwrap();
    let error = scene.refused_sign_in(&format!("{start}&iss=http://evil.example/oidc"), &[]);
    assert!(
        is!(LogtoError::Callback(CallbackError::IssuerMismatch))(&error),
        "{error:?}"
    );
}
