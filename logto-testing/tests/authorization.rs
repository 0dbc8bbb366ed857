//! The authorization endpoint's checks, sessions and the sign-in page.

mod common;

use common::{CALLBACK, Http, builder, in_query, sign_in_url, text};
use logto_testing::{FakeApp, FakeUser};
use serde_json::json;

#[test]
fn errors_before_the_redirect_uri_is_trusted_are_pages() {
    let app = FakeApp::web("strict", "s").redirect_uri("http://localhost:3000/callback");
    let fake = builder().app(app).start();
    let http = Http::new(&fake);
    for (query, error, description) in [
        (
            "state=s&client_id=strict&redirect_uri=http://evil.test/",
            "invalid_redirect_uri",
            "redirect_uri did not match any of the client's registered redirect_uris",
        ),
        (
            "state=s&client_id=strict",
            "invalid_request",
            "missing required parameter 'redirect_uri'",
        ),
        (
            "state=s&client_id=nobody",
            "invalid_client",
            "invalid client nobody",
        ),
        (
            "state=s",
            "invalid_request",
            "missing required parameter 'client_id'",
        ),
        (
            "state=s&client_id=machine&redirect_uri=http://localhost/",
            "invalid_redirect_uri",
            "redirect_uri did not match any of the client's registered redirect_uris",
        ),
    ] {
        let answer = http.get(&format!("/oidc/auth?{query}"));
        assert_eq!(answer.error(), (400, error.to_owned()), "{query}");
        let body = answer.json();
        assert_eq!(body["error_description"], description);
        assert_eq!(body["state"], "s");
        assert_eq!(body["iss"], fake.issuer());
    }
}

#[test]
fn later_errors_go_back_to_the_application() {
    let fake = builder().start();
    let base = format!("/oidc/auth?client_id=native&redirect_uri={CALLBACK}&state=s");
    let pkce = "&code_challenge=x&code_challenge_method=S256";
    let code = "&response_type=code";
    for (query, expected) in [
        (
            code.to_owned(),
            "error=invalid_request&error_description=Authorization+Server+policy+requires+PKCE+to+be+used+for+this+request",
        ),
        (
            format!("{code}&code_challenge=x&code_challenge_method=plain"),
            "error=invalid_request&error_description=not+supported+value+of+code_challenge_method",
        ),
        (
            format!("{code}&code_challenge=x"),
            "error=invalid_request&error_description=code_challenge_method+must+be+provided",
        ),
        (
            format!("{code}{pkce}&prompt=none"),
            "error=login_required&error_description=End-User+authentication+is+required",
        ),
        (
            format!("{code}{pkce}&prompt=unknown"),
            "error=invalid_request&error_description=unsupported+prompt+value+requested",
        ),
        (
            format!("{code}{pkce}&resource=https://unknown.test"),
            "error=invalid_target&error_description=resource+indicator+is+missing%2C+or+unknown",
        ),
        (
            format!("{code}{pkce}&resource=relative"),
            "error=invalid_target&error_description=resource+indicator+must+be+an+absolute+URI",
        ),
        (
            format!("{code}{pkce}&request_uri=x"),
            "error=request_uri_not_supported",
        ),
        (
            pkce.to_owned(),
            "error=invalid_request&error_description=missing+required+parameter+%27response_type%27",
        ),
    ] {
        let answer = Http::new(&fake).get(&format!("{base}{query}"));
        assert_eq!(answer.status, 303);
        let issuer = fake.issuer().replace(':', "%3A").replace('/', "%2F");
        let expected = format!("{CALLBACK}?{expected}&state=s&iss={issuer}");
        assert_eq!(answer.header("location"), Some(expected.as_str()));
    }
}

#[test]
fn other_response_types_answer_in_the_fragment() {
    let fake = builder().start();
    let query = format!("client_id=web&redirect_uri={CALLBACK}&response_type=token");
    let answer = Http::new(&fake).get(&format!("/oidc/auth?{query}"));
    let expected = format!("{CALLBACK}#error=unsupported_response_type&");
    assert!(answer.header("location").unwrap().starts_with(&expected));

    let callback = fake.authorize(&sign_in_url(&fake, "web", &[("response_mode", "fragment")]));
    assert!(callback.starts_with(&format!("{CALLBACK}#code=")));
}

#[test]
fn parameters_given_twice_are_refused() {
    let fake = builder().start();
    let callback = fake.authorize(&sign_in_url(&fake, "web", &[("state", "again")]));
    assert_eq!(
        in_query(&callback, "error_description").as_deref(),
        Some("'state' parameter must not be provided twice")
    );
    assert_eq!(in_query(&callback, "state"), None);
}

#[test]
fn form_is_taken_too() {
    let fake = builder().start();
    let form = [
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
    ];
    let answer = Http::new(&fake).post("/oidc/auth", &form);
    assert_eq!(answer.status, 303);
    assert!(answer.header("location").unwrap().contains("?code="));
}

#[test]
fn browser_session_is_used_without_a_sign_in() {
    let fake = builder().start();
    let silent = |app| fake.authorize(&sign_in_url(&fake, app, &[("prompt", "none")]));
    let error = |url: &str| in_query(url, "error");
    assert_eq!(error(&silent("web")).as_deref(), Some("login_required"));
    fake.authorize(&sign_in_url(&fake, "web", &[]));
    assert_eq!(error(&silent("web")), None);
    assert_eq!(
        error(&silent("native")).as_deref(),
        Some("consent_required")
    );
    fake.sign_in_as("bob");
    assert_eq!(error(&silent("web")).as_deref(), Some("login_required"));
}

#[test]
fn auth_time_is_told_when_it_matters() {
    let fake = builder().start();
    let auth_time = |more: &[(&str, &str)]| {
        let tokens = common::tokens(&fake, "web", more);
        common::decode(text(&tokens, "id_token")).1["auth_time"].clone()
    };
    assert_eq!(auth_time(&[]), json!(null));
    let first = auth_time(&[("max_age", "100")]);
    fake.clock().advance(std::time::Duration::from_secs(50));
    assert_eq!(auth_time(&[("max_age", "100")]), first);
    let second = first.as_i64().unwrap() + 50;
    assert_eq!(auth_time(&[("max_age", "49")]), second);
    assert_eq!(auth_time(&[("prompt", "login")]), second);
}

#[test]
fn sign_in_page_lists_the_users() {
    let fake = builder()
        .login_page(true)
        .user(FakeUser::new("mallory").name("<b>\"Mallory\"</b>"))
        .start();
    let http = Http::new(&fake);
    let url = sign_in_url(&fake, "web", &[]);
    let answer = http.get(url.strip_prefix(fake.endpoint()).unwrap());
    assert_eq!(answer.status, 303);
    let page = answer.header("location").unwrap();
    assert!(page.starts_with("/sign-in?app_id=web&interaction="));
    let html = http.get(page).text;
    assert!(html.contains("value=\"alice\">Alice Example<"));
    assert!(html.contains("&lt;b&gt;&quot;Mallory&quot;&lt;/b&gt;"));

    let (_, interaction) = page.rsplit_once('=').unwrap();
    let form = [("interaction", interaction), ("user", "bob")];
    let answer = http.post("/sign-in", &form);
    assert_eq!(answer.status, 303);
    assert!(answer.header("set-cookie").is_some());
    let callback = answer.header("location").unwrap();
    let code = in_query(callback, "code").unwrap();
    let tokens = http.exchange("web", &code, &[]).ok();
    assert_eq!(common::decode(text(&tokens, "id_token")).1["sub"], "bob");
    assert_eq!(http.post("/sign-in", &form).status, 400);
}

#[test]
fn user_at_the_sign_in_page_would_rather_not() {
    let fake = builder().login_page(true).start();
    let http = Http::new(&fake);
    let url = sign_in_url(&fake, "web", &[]);
    let answer = http.get(url.strip_prefix(fake.endpoint()).unwrap());
    let (_, interaction) = answer.header("location").unwrap().rsplit_once('=').unwrap();
    let form = [("interaction", interaction), ("cancel", "yes")];
    let answer = http.post("/sign-in", &form);
    let callback = answer.header("location").unwrap();
    assert!(callback.starts_with(common::CALLBACK));
    assert_eq!(
        in_query(callback, "error").as_deref(),
        Some("access_denied")
    );
    assert_eq!(in_query(callback, "state").as_deref(), Some("st-1"));
    assert_eq!(answer.header("set-cookie"), None);
}

#[test]
fn played_browser_clicks_on_the_next_user() {
    let fake = builder().login_page(true).start();
    fake.sign_in_as("bob");
    let tokens = common::tokens(&fake, "native", &[]);
    assert_eq!(common::decode(text(&tokens, "id_token")).1["sub"], "bob");
}

#[test]
#[should_panic(expected = "invalid client nobody")]
fn played_browser_does_not_hide_an_error_page() {
    let fake = builder().start();
    fake.authorize(&sign_in_url(&fake, "nobody", &[]));
}
