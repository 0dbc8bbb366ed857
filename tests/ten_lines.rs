//! The README's first program: it is what the example is, and it does what the README says.

// Only here does `cargo run` become the program that it runs, so that killing the one kills the other.
#![cfg(unix)]

mod support;

use std::fs;

use logto_testing::{FakeApp, FakeLogto};
use support::curl::Curl;
use support::program::{Program, free_port};
use ureq::http::Method;

#[test]
fn the_readme_shows_the_example() {
    let root = env!("CARGO_MANIFEST_DIR");
    let readme = fs::read_to_string(format!("{root}/README.md")).unwrap();
    let example = fs::read_to_string(format!("{root}/examples/ten_lines.rs")).unwrap();
    let (_, program) = example.split_once("\n\n").unwrap();
    assert!(readme.contains(&format!("```rust,no_run\n{program}```")));
}

#[test]
fn it_signs_a_user_in_and_out() {
    let address = format!("localhost:{}", free_port());
    let base_url = format!("http://{address}");
    // What the README has set in the Logto Console, and no more.
    let app = FakeApp::web("app", "secret")
        .redirect_uri(format!("{base_url}/callback"))
        .post_logout_redirect_uri(format!("{base_url}/"));
    let fake = FakeLogto::builder().app(app).start();
    let environment = [
        ("ADDRESS", address.as_str()),
        ("LOGTO_ENDPOINT", fake.endpoint()),
        ("LOGTO_APP_ID", fake.app_id()),
        ("LOGTO_APP_SECRET", fake.app_secret()),
    ];
    let _program = Program::start_at("ten_lines", &base_url, &environment);
    let mut curl = Curl::default();
    let page = curl.visit(&format!("{base_url}/orders?page=2"));
    assert_eq!(
        (page.url, page.body.as_str()),
        (format!("{base_url}/orders?page=2"), "Hello, alice")
    );

    let own = [("Origin", base_url.as_str())];
    let left = curl.send(Method::POST, &format!("{base_url}/sign-out"), &own);
    let to = left.header("location").unwrap().to_owned();
    assert_eq!(fake.sign_out(&to), format!("{base_url}/"));
    assert_eq!(curl.session_id(), None);
    let stranger = curl.get(&format!("{base_url}/orders"));
    assert_eq!(
        stranger.header("location"),
        Some("/sign-in?return_to=%2Forders")
    );
}
