//! The quickstart in a real browser, headless: what only a browser does with cookies, redirects, forms and caches.
//!
//! Needs Chromium and `chromedriver`; `scripts/test` installs them. With `LOGTO_TEST_NO_BROWSER=1` these tests are left
//! out, and say so. Pictures of each step are left in `target/screenshots`.

#![cfg(unix)]

mod support;

use std::env;

use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour};
use support::program::{Program, free_port};
use support::provider::{ALICE, Provider, RESOURCE, WEB_CLIENT, WEB_SECRET};
use support::webdriver::Chromium;

const SIGNED_OUT: &str = "You are signed out";
const NAME: &str = "Alice Example";
/// What only the account page says.
const ACCOUNT: &str = "What the server knows of you now";

/// How a person signs in and out at the server's own pages.
struct Server {
    name: &'static str,
    sign_in_page: fn(&Chromium),
    sign_in: fn(&Chromium),
    confirm_sign_out: fn(&Chromium),
}

const FAKE: Server = Server {
    name: "fake",
    sign_in_page: |browser| browser.wait_for("/sign-in"),
    sign_in: |browser| browser.click("button[value=alice]"),
    confirm_sign_out: |_| {},
};

const PROVIDER: Server = Server {
    name: "provider",
    sign_in_page: |browser| browser.wait_for_text("Username"),
    sign_in: |browser| {
        browser.write("input[name=username]", ALICE);
        browser.click("button");
        // It gives itself at Logto.
        browser.wait_for_text("Consent");
        browser.click("button");
    },
    confirm_sign_out: |browser| browser.click("button[name=logout]"),
};

#[test]
fn a_person_signs_in_and_out_at_the_fake_server() {
    if is_left_out() {
        return;
    }
    let quickstart = Program::start("quickstart", &[("QUICKSTART_LOGIN_PAGE", "1")]);
    walk_through(&quickstart, &FAKE);
}

#[test]
fn a_person_signs_in_and_out_at_a_real_provider() {
    if is_left_out() {
        return;
    }
    let port = free_port().to_string();
    let base_url = format!("http://localhost:{port}");
    let provider = Provider::builder()
        .redirect_uri(WEB_CLIENT, &format!("{base_url}/callback"))
        .post_logout_redirect_uri(WEB_CLIENT, &format!("{base_url}/"))
        .start();
    let environment = [
        ("PORT", port.as_str()),
        ("LOGTO_ENDPOINT", provider.endpoint()),
        ("LOGTO_APP_ID", WEB_CLIENT),
        ("LOGTO_APP_SECRET", WEB_SECRET),
        ("LOGTO_RESOURCE", RESOURCE),
        ("LOGTO_SCOPES", "read:items"),
    ];
    let quickstart = Program::start("quickstart", &environment);
    walk_through(&quickstart, &PROVIDER);
    // The second sign-in, of the back button, is under way; nobody has asked for more.
    assert_eq!(provider.stats().grants("authorization_code"), 1);
}

fn walk_through(quickstart: &Program, server: &Server) {
    let browser = Chromium::start();
    let pictures = |step: &str| browser.take_pictures(&format!("{}-{step}", server.name));
    let first = browser.tab();

    browser.open(&quickstart.url("/"));
    assert!(browser.text().contains(SIGNED_OUT));
    assert!(browser.cookies().is_empty(), "{:?}", browser.cookies());
    pictures("1-welcome");

    // A page for users only leads to the server's page, and that leads back to it.
    browser.open(&quickstart.url("/account"));
    (server.sign_in_page)(&browser);
    pictures("2-sign-in");
    (server.sign_in)(&browser);
    browser.wait_for("/account");
    assert_eq!(
        browser.url().as_str(),
        quickstart.url("/account"),
        "nothing of the callback is left"
    );
    assert_signed_in(&browser);
    pictures("3-account");
    no_script_sees_the_cookie(&browser);

    browser.reload();
    assert_signed_in(&browser);
    browser.new_tab();
    browser.open(&quickstart.url("/account"));
    assert_signed_in(&browser);
    let second = browser.tab();

    browser.show_tab(&first);
    browser.click("form[action='/sign-out'] button");
    (server.confirm_sign_out)(&browser);
    browser.wait_for("/");
    assert!(browser.text().contains(SIGNED_OUT), "{}", browser.text());
    assert!(
        browser
            .cookies()
            .iter()
            .all(|cookie| cookie["name"] != "logto")
    );
    pictures("4-signed-out");

    // What the pages before it showed is asked for again, and not shown.
    for _ in 0..3 {
        browser.back();
        assert!(!browser.text().contains(ACCOUNT), "{}", browser.text());
    }
    browser.show_tab(&second);
    browser.reload();
    assert!(!browser.text().contains(ACCOUNT), "{}", browser.text());
    (server.sign_in_page)(&browser);
}

fn assert_signed_in(browser: &Chromium) {
    let text = browser.text();
    assert!(text.contains(NAME) && text.contains(ACCOUNT), "{text}");
    assert!(!text.contains("Not available"), "{text}");
}

fn no_script_sees_the_cookie(browser: &Chromium) {
    assert_eq!(browser.script("return document.cookie"), "");
    let cookies = browser.cookies();
    let ours = cookies
        .iter()
        .find(|cookie| cookie["name"] == "logto")
        .unwrap();
    assert_eq!(
        (&ours["httpOnly"], &ours["sameSite"]),
        (&true.into(), &"Lax".into())
    );
}

#[test]
fn what_does_not_work_is_a_page_that_says_what_to_do() {
    if is_left_out() {
        return;
    }
    let fake = FakeLogto::builder()
        .app(FakeApp::web("app", "secret"))
        .user(FakeUser::new("alice").name(NAME))
        .login_page(true)
        .start();
    let environment = [
        ("LOGTO_ENDPOINT", fake.endpoint()),
        ("LOGTO_APP_ID", fake.app_id()),
        ("LOGTO_APP_SECRET", fake.app_secret()),
    ];
    let quickstart = Program::start("quickstart", &environment);
    let browser = Chromium::start();

    fake.misbehave_times(Endpoint::Discovery, 1, Misbehaviour::Status(503));
    browser.open(&quickstart.url("/account"));
    assert!(browser.text().contains("try again"), "{}", browser.text());
    browser.take_pictures("problem-1-unavailable");

    browser.open(&quickstart.url("/sign-in"));
    browser.click("button[name=cancel]");
    browser.wait_for("/callback");
    assert!(browser.text().contains("cancelled"), "{}", browser.text());
    browser.take_pictures("problem-2-cancelled");

    // A sign-in that began at another name of this machine comes back without a cookie.
    browser.delete_cookies();
    let elsewhere = quickstart.url("/sign-in").replace("localhost", "127.0.0.1");
    browser.open(&elsewhere);
    browser.click("button[value=alice]");
    browser.wait_for("/callback");
    assert!(
        browser.text().contains("sent no session cookie"),
        "{}",
        browser.text()
    );
    browser.take_pictures("problem-3-no-cookie");

    browser.open(&quickstart.url("/nowhere"));
    browser.take_pictures("problem-4-not-found");

    // The way out of a problem leads in.
    browser.open(&quickstart.url("/callback?code=c&state=s"));
    browser.click("main a[href='/sign-in']");
    browser.wait_for("/");
    assert_signed_in(&browser);
}

#[test]
fn the_library_shows_problems_without_a_page_of_the_applications() {
    if is_left_out() {
        return;
    }
    let browser = Chromium::start();
    let fake = FakeLogto::start();
    let environment = [
        ("LOGTO_ENDPOINT", fake.endpoint()),
        ("LOGTO_APP_ID", fake.app_id()),
        ("LOGTO_APP_SECRET", fake.app_secret()),
    ];
    let program = Program::start("tiny_http", &environment);
    browser.open(&program.url("/callback?code=c&state=s"));
    assert!(
        browser.text().contains("did not work"),
        "{}",
        browser.text()
    );
    browser.take_pictures("library-1-callback");
    fake.misbehave(Endpoint::Discovery, Misbehaviour::Status(503));
    browser.open(&program.url("/sign-in"));
    assert!(browser.text().contains("wait"), "{}", browser.text());
    browser.take_pictures("library-2-unavailable");

    fake.calm();
    browser.open(&program.url("/account"));
    browser.wait_for_text("Hello, Alice Example");
    browser.take_pictures("tiny-http-1-account");
    browser.click("form[action='/sign-out'] button");
    browser.wait_for("/");
    assert!(browser.cookies().is_empty(), "{:?}", browser.cookies());
}

fn is_left_out() -> bool {
    let is_left_out = env::var_os("LOGTO_TEST_NO_BROWSER").is_some_and(|value| value == "1");
    if is_left_out {
        eprintln!("left out, as LOGTO_TEST_NO_BROWSER asks: a browser is not tried");
    }
    is_left_out
}
