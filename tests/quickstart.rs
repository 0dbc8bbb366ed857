//! The quickstart, as its reader starts it, with `cargo run`, and plays with it, with curl.

// Only here does `cargo run` become the program that it runs, so that killing the one kills the other.
#![cfg(unix)]

mod support;

use std::net::TcpListener;

use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour};
use support::curl::Curl;
use support::program::{Program, refusal};
use ureq::http::Method;
use url::Url;

const RESOURCE: &str = "https://api.example.com";
const EXAMPLE: &str = "quickstart";
const SIGNED_OUT: &str = "You are signed out";

#[test]
fn a_visitor_is_told_to_sign_in_and_gets_no_cookie() {
    let quickstart = Program::start(EXAMPLE, &[]);
    let mut curl = Curl::default();

    let home = curl.get(&quickstart.url("/"));
    assert_eq!(home.status, 200);
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
    assert!(home.body.contains("href=\"/sign-up\""));
    assert_eq!(home.header("set-cookie"), None);
    assert_eq!(home.header("cache-control"), Some("no-store"));
    assert_eq!(home.header("x-content-type-options"), Some("nosniff"));
    let policy = home.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");

    let nowhere = curl.get(&quickstart.url("/nowhere"));
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.header("set-cookie"), None);
}

#[test]
fn signing_in_ends_on_a_page_with_the_users_name_and_under_a_new_session_id() {
    let quickstart = Program::start(EXAMPLE, &[]);
    let mut curl = Curl::default();

    let started = curl.get(&quickstart.url("/sign-in"));
    let planted = curl.session_id().expect("a sign-in has a session");
    let home = curl.follow(started);
    assert_eq!(home.url, quickstart.url("/"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");
    assert_ne!(curl.session_id().unwrap(), planted);
    let again = curl.visit(&quickstart.url("/"));
    assert!(again.body.contains("<h1>Alice Example</h1>"), "{again:?}");

    let mut thief = Curl::default();
    thief.set_session_id(&planted);
    let home = thief.visit(&quickstart.url("/"));
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
}

#[test]
fn a_user_stays_signed_in_when_the_program_is_killed() {
    let quickstart = Program::start(EXAMPLE, &[]);
    let mut curl = Curl::default();
    curl.visit(&quickstart.url("/sign-in"));

    let quickstart = quickstart.kill_and_restart();
    let home = curl.visit(&quickstart.url("/"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");
    assert!(home.body.contains("{&quot;plan&quot;:&quot;free&quot;}"));
    assert!(
        home.body
            .contains("Access token for https://api.example.com")
    );
    assert!(home.body.contains("<td>read:items write:items</td>"));
}

#[test]
fn signing_out_takes_a_form_of_the_same_site() {
    let quickstart = Program::start(EXAMPLE, &[]);
    let mut curl = Curl::default();
    curl.visit(&quickstart.url("/sign-in"));
    let url = quickstart.url("/sign-out");

    let by_get = curl.get(&url);
    assert_eq!((by_get.status, by_get.header("allow")), (405, Some("POST")));
    for foreign in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let refused = curl.send(Method::POST, &url, &[foreign]);
        assert_eq!(refused.status, 403, "{foreign:?}");
    }
    let home = curl.visit(&quickstart.url("/"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");

    let signed_in = curl.session_id().unwrap();
    let origin = quickstart.url("");
    let sign_out = curl.send(Method::POST, &url, &[("Origin", &origin)]);
    let home = curl.follow(sign_out);
    assert_eq!(home.url, quickstart.url("/"));
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
    assert_eq!(curl.session_id(), None);

    curl.set_session_id(&signed_in);
    let home = curl.visit(&quickstart.url("/"));
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
}

#[test]
fn a_callback_of_no_sign_in_is_an_error_page() {
    let quickstart = Program::start(EXAMPLE, &[]);
    let mut curl = Curl::default();
    let url = quickstart.url("/callback?code=abc&state=%3Cb%3E");
    assert_eq!(curl.get(&url).status, 400);

    curl.get(&quickstart.url("/sign-in"));
    let page = curl.get(&url);
    assert_eq!(page.status, 400);
    assert!(page.body.contains("href=\"/sign-in\""), "{page:?}");
    assert!(!page.body.contains("<b>"), "{page:?}");
}

#[test]
fn redirect_uris_and_cookies_follow_the_configured_base_url_and_no_host_header() {
    let base_url = [("BASE_URL", "https://app.example.com")];
    let quickstart = Program::start(EXAMPLE, &base_url);
    let mut curl = Curl::default();

    let host = [("Host", "evil.example")];
    let sign_in = curl.send(Method::GET, &quickstart.url("/sign-in"), &host);
    let location = Url::parse(sign_in.header("location").unwrap()).unwrap();
    let redirect_uri = location
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri");
    assert_eq!(redirect_uri.unwrap().1, "https://app.example.com/callback");
    let cookie = sign_in.header("set-cookie").unwrap();
    for attribute in [
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
        "; Max-Age=34560000",
        "; Secure",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
}

#[test]
fn it_uses_the_logto_server_of_the_environment() {
    let fake = real_server();
    let quickstart = start_with_real_server(&fake);
    let said = quickstart.output.join("\n");
    assert!(said.contains(fake.endpoint()), "{said}");
    assert!(said.contains(&quickstart.url("/callback")), "{said}");

    let mut curl = Curl::default();
    let home = curl.visit(&quickstart.url("/sign-in"));
    assert!(home.body.contains("<h1>&lt;b&gt;Mallory&lt;/b&gt;</h1>"));
    assert!(!home.body.contains("<b>"), "{home:?}");
    assert!(
        home.body
            .contains("Access token for https://api.example.com")
    );
    assert!(home.body.contains("<td>read:items</td>"), "{home:?}");

    let register = curl.get(&quickstart.url("/sign-up"));
    let location = register.header("location").unwrap();
    assert!(location.contains("first_screen=register"), "{location}");
}

#[test]
fn what_cannot_be_had_is_said_beside_the_rest() {
    let fake = real_server();
    let quickstart = start_with_real_server(&fake);
    let mut curl = Curl::default();
    curl.visit(&quickstart.url("/sign-in"));

    fake.misbehave(Endpoint::UserInfo, Misbehaviour::Status(503));
    let home = curl.visit(&quickstart.url("/"));
    assert_eq!(home.status, 200);
    assert_eq!(home.body.matches("Not available now").count(), 1);
    assert!(home.body.contains("Mallory"), "{home:?}");
    assert!(home.body.contains("<th scope=\"row\">client_id</th>"));
}

#[test]
fn a_user_whose_grant_is_revoked_is_offered_to_sign_in_again() {
    let fake = FakeLogto::builder()
        .app(FakeApp::web("app", "secret"))
        .resource(RESOURCE, ["read:items"])
        .start();
    let quickstart = start_with_real_server(&fake);
    let mut curl = Curl::default();
    let home = curl.visit(&quickstart.url("/sign-in"));
    assert!(!home.body.contains("Not available now"), "{home:?}");

    fake.revoke_grants();
    let home = curl.visit(&quickstart.url("/"));
    assert_eq!(home.status, 200);
    assert_eq!(home.body.matches("Sign in again").count(), 1);
    assert!(home.body.contains("Alice Example"), "{home:?}");
}

#[test]
fn a_server_that_is_down_is_a_page_that_says_to_try_again() {
    let fake = real_server();
    let quickstart = start_with_real_server(&fake);
    fake.misbehave(Endpoint::Discovery, Misbehaviour::Status(503));
    let page = Curl::default().get(&quickstart.url("/sign-in"));
    assert_eq!(page.status, 503);
    assert!(page.body.contains("try again"), "{page:?}");
}

#[test]
fn a_part_of_the_environment_is_refused_by_the_name_of_what_is_missing() {
    let endpoint = ("LOGTO_ENDPOINT", "https://foo.logto.app");
    for (set, missing) in [
        (vec![endpoint], "LOGTO_APP_ID"),
        (vec![("LOGTO_APP_ID", "app")], "LOGTO_ENDPOINT"),
        (vec![("LOGTO_APP_SECRET", "secret")], "LOGTO_ENDPOINT"),
        (vec![endpoint, ("LOGTO_APP_ID", "app")], "LOGTO_APP_SECRET"),
    ] {
        let message = refusal(EXAMPLE, &set);
        assert!(message.contains(missing), "{set:?}: {message}");
    }
}

#[test]
fn a_taken_port_is_named_and_a_taken_port_of_the_fake_server_replaced() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let message = refusal(EXAMPLE, &[("PORT", &port)]);
    assert!(
        message.contains(&format!("port {port} is taken")),
        "{message}"
    );
    let message = refusal(EXAMPLE, &[("PORT", "many")]);
    assert!(message.contains("PORT is \"many\""), "{message}");

    let fake_port = [("QUICKSTART_FAKE_PORT", port.as_str())];
    let quickstart = Program::start(EXAMPLE, &fake_port);
    let home = Curl::default().visit(&quickstart.url("/sign-in"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");
}

/// A server that the quickstart has not started itself.
fn real_server() -> FakeLogto {
    FakeLogto::builder()
        .app(FakeApp::web("app", "secret"))
        .user(FakeUser::new("mallory").name("<b>Mallory</b>"))
        .resource(RESOURCE, ["read:items"])
        .start()
}

fn start_with_real_server(fake: &FakeLogto) -> Program {
    let environment = [
        ("LOGTO_ENDPOINT", fake.endpoint()),
        ("LOGTO_APP_ID", fake.app_id()),
        ("LOGTO_APP_SECRET", fake.app_secret()),
        ("LOGTO_RESOURCE", RESOURCE),
        ("LOGTO_SCOPES", "read:items"),
    ];
    Program::start(EXAMPLE, &environment)
}
