//! The example on tiny_http, over HTTP.

// Only here does `cargo run` become the program that it runs, so that killing the one kills the other.
#![cfg(unix)]

mod support;

use logto_testing::{FakeLogto, FakeUser};
use serde_json::{Value, json};
use support::curl::Curl;
use support::program::Program;
use support::raw;
use ureq::http::Method;
use url::Url;

fn start() -> (FakeLogto, Program) {
    let fake = FakeLogto::builder()
        .user(FakeUser::new("alice").name("<b>Alice</b>"))
        .start();
    let environment = [
        ("LOGTO_ENDPOINT", fake.endpoint()),
        ("LOGTO_APP_ID", fake.app_id()),
        ("LOGTO_APP_SECRET", fake.app_secret()),
    ];
    let program = Program::start("tiny_http", &environment);
    (fake, program)
}

#[test]
fn a_visitor_signs_in_uses_the_api_and_signs_out() {
    let (_fake, program) = start();
    let mut curl = Curl::default();
    assert_eq!(curl.get(&program.url("/api/me")).status, 401);
    let account = curl.visit(&program.url("/account"));
    assert_eq!(account.url, program.url("/account"));
    assert!(account.body.contains("Hello, &lt;b>Alice"), "{account:?}");
    assert_eq!(account.header("cache-control"), Some("no-store"));
    let me = curl.get(&program.url("/api/me"));
    let me: Value = serde_json::from_str(&me.body).unwrap();
    assert_eq!(me, json!({ "sub": "alice", "name": "<b>Alice</b>" }));

    let url = program.url("/sign-out");
    let refused = curl.send(Method::POST, &url, &[("Sec-Fetch-Site", "cross-site")]);
    assert_eq!(refused.status, 403);
    let left = curl.send(Method::POST, &url, &[("Sec-Fetch-Site", "same-origin")]);
    let home = curl.follow(left);
    assert_eq!(home.url, program.url("/"));
    assert_eq!(curl.session_id(), None);
    assert_eq!(curl.get(&program.url("/api/me")).status, 401);
}

#[test]
fn without_a_server_of_ones_own_it_brings_a_fake_one() {
    let program = Program::start("tiny_http", &[]);
    let account = Curl::default().visit(&program.url("/account"));
    assert!(account.body.contains("Sign in as"), "{account:?}");
}

#[test]
fn odd_requests_are_refused_and_stop_nothing() {
    let (_fake, program) = start();
    let port = Url::parse(&program.base_url).unwrap().port().unwrap();
    let mut curl = Curl::default();
    curl.visit(&program.url("/account"));
    let id = curl.session_id().unwrap();

    let (status, answer) = raw::send(
        port,
        &format!("GET /api/me HTTP/1.1\r\nCookie: a=1\r\nCookie: logto={id}"),
    );
    assert_eq!(status, 200, "{answer}");
    let planted = "A".repeat(43);
    let twice = format!("GET /api/me HTTP/1.1\r\nCookie: logto={planted}\r\nCookie: logto={id}");
    assert_eq!(raw::send(port, &twice).0, 401);
    for (head, expected) in [
        ("GET no-slash HTTP/1.1", 404),
        ("GET /<> HTTP/1.1", 400),
        ("BREW /sign-in HTTP/1.1", 405),
        ("HEAD /callback HTTP/1.1", 405),
        ("GET /sign-out HTTP/1.1", 405),
    ] {
        let (status, answer) = raw::send(port, head);
        assert_eq!(status, expected, "{head}: {answer}");
    }
    let long = format!(
        "POST /account HTTP/1.1\r\nConnection: close\r\nContent-Length: 70000\r\n\r\n{}",
        "a".repeat(70_000)
    );
    assert_eq!(raw::send(port, &long).0, 400);
    assert_eq!(curl.get(&program.url("/api/me")).status, 200);
}
