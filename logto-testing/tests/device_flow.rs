//! Signing in on a device that has no browser.

mod common;

use std::time::Duration;

use common::{API, Answer, Http, builder, decode, text};
use logto_testing::{Endpoint, FakeApp, FakeLogto, Misbehaviour};
use serde_json::{Value, json};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn start() -> FakeLogto {
    builder().app(FakeApp::native("tv").device_flow()).start()
}

fn authorize(http: &Http, app: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("client_id", app),
        ("scope", "openid offline_access profile read:items"),
    ];
    form.extend_from_slice(more);
    http.post("/oidc/device/auth", &form)
}

fn poll(http: &Http, device: &Value) -> Answer {
    let code = text(device, "device_code");
    http.token("tv", &[("grant_type", GRANT_TYPE), ("device_code", code)])
}

fn error(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

#[test]
fn device_is_told_a_code_for_its_user() {
    let fake = start();
    let http = Http::new(&fake);
    let answer = authorize(&http, "tv", &[]);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.ok();
    let user_code = text(&body, "user_code");
    assert_eq!(user_code.len(), 9);
    assert_eq!(&user_code[4..5], "-");
    let page = format!("{}/device", fake.endpoint());
    let expected = json!({
        "device_code": body["device_code"],
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": 600,
    });
    assert_eq!(body, expected);
    assert_eq!(text(&body, "device_code").len(), 43);
    assert_eq!(fake.pending_devices(), [user_code]);
    let metadata = http.get("/oidc/.well-known/openid-configuration").ok();
    assert_eq!(
        metadata["device_authorization_endpoint"],
        format!(
            "{}{}",
            fake.endpoint(),
            Endpoint::DeviceAuthorization.path()
        )
    );
}

#[test]
fn approval_gives_tokens_once() {
    let fake = start();
    let http = Http::new(&fake);
    let device = authorize(&http, "tv", &[("resource", API)]).ok();
    let pending = poll(&http, &device);
    assert_eq!(pending.error(), error(400, "authorization_pending"));
    assert_eq!(
        poll(&http, &device).error(),
        error(400, "authorization_pending")
    );
    fake.approve_device(&text(&device, "user_code").to_lowercase(), "alice");
    assert!(fake.pending_devices().is_empty());

    let body = poll(&http, &device).ok();
    assert_eq!(body["scope"], "openid offline_access profile");
    let (_, claims) = decode(text(&body, "id_token"));
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], "tv");
    assert_eq!(claims.get("nonce"), None);
    http.user_info(text(&body, "access_token")).ok();
    let refresh_token = text(&body, "refresh_token");
    let refreshed = http.refresh("tv", refresh_token, &[("resource", API)]).ok();
    assert_eq!(refreshed["scope"], "read:items");
    assert_ne!(refreshed["refresh_token"], refresh_token);

    assert_eq!(poll(&http, &device).error(), error(400, "invalid_grant"));
    let after = http.refresh("tv", text(&refreshed, "refresh_token"), &[]);
    assert_eq!(after.error(), error(400, "invalid_grant"), "taken back");
}

#[test]
fn denial_and_expiry() {
    let fake = start();
    let http = Http::new(&fake);
    let denied = authorize(&http, "tv", &[]).ok();
    fake.deny_device(text(&denied, "user_code"));
    let answer = poll(&http, &denied);
    assert_eq!(answer.error(), error(400, "access_denied"));
    assert_eq!(
        answer.json()["error_description"],
        "End-User aborted interaction"
    );

    let late = authorize(&http, "tv", &[]).ok();
    let in_time = authorize(&http, "tv", &[]).ok();
    fake.clock().advance(Duration::from_secs(599));
    fake.approve_device(text(&in_time, "user_code"), "alice");
    poll(&http, &in_time).ok();
    fake.clock().advance(Duration::from_secs(1));
    assert_eq!(poll(&http, &late).error(), error(400, "expired_token"));
    assert!(fake.pending_devices().is_empty());
}

#[test]
fn slow_down_and_an_interval_are_made_by_the_test() {
    let fake = start();
    let http = Http::new(&fake);
    fake.tamper_response(Endpoint::DeviceAuthorization, |body| {
        body["interval"] = json!(7);
    });
    let device = authorize(&http, "tv", &[]).ok();
    assert_eq!(device["interval"], 7);
    let slow_down = Misbehaviour::Error {
        status: 400,
        error: "slow_down".to_owned(),
        description: String::new(),
    };
    fake.misbehave_times(Endpoint::Token, 1, slow_down);
    assert_eq!(poll(&http, &device).error(), error(400, "slow_down"));
    assert_eq!(
        poll(&http, &device).error(),
        error(400, "authorization_pending")
    );
}

#[test]
fn user_decides_in_a_browser() {
    let fake = start();
    let http = Http::new(&fake);
    assert!(http.get("/device").text.contains("name=\"user_code\""));
    let device = authorize(&http, "tv", &[]).ok();
    let code = text(&device, "user_code");
    let page = http.get(&format!("/device?user_code={code}")).text;
    assert!(page.contains(&format!("name=\"user_code\" value=\"{code}\"")));
    assert!(page.contains("value=\"bob\""));
    let user = |user| http.post("/device", &[("user_code", code), ("user", user)]);
    assert_eq!(user("nobody").status, 400);
    assert_eq!(user("bob").status, 200);
    let body = poll(&http, &device).ok();
    assert_eq!(decode(text(&body, "id_token")).1["sub"], "bob");
    assert_eq!(user("bob").status, 400, "done already");
    let page = http.get(&format!("/device?user_code={code}")).text;
    assert!(page.contains("No device waits with this code."));

    let device = authorize(&http, "tv", &[]).ok();
    let form = [("user_code", text(&device, "user_code")), ("deny", "yes")];
    assert_eq!(http.post("/device", &form).status, 200);
    assert_eq!(poll(&http, &device).error(), error(400, "access_denied"));
}

#[test]
fn refusals() {
    let fake = start();
    let http = Http::new(&fake);
    let answer = authorize(&http, "native", &[]);
    assert_eq!(answer.error(), error(400, "invalid_request"));
    assert_eq!(
        answer.json()["error_description"],
        format!("{GRANT_TYPE} is not allowed for this client")
    );
    assert_eq!(
        authorize(&http, "nope", &[]).error(),
        error(400, "invalid_client")
    );
    let unknown = [("resource", "https://other.test")];
    assert_eq!(
        authorize(&http, "tv", &unknown).error(),
        error(400, "invalid_target")
    );
    let made_up = json!({"device_code": "made-up"});
    assert_eq!(poll(&http, &made_up).error(), error(400, "invalid_grant"));
    let form = [("grant_type", GRANT_TYPE), ("device_code", "x")];
    let answer = http.token("native", &form);
    assert_eq!(answer.error(), error(400, "invalid_request"));
    let answer = http.token("tv", &form[..1]);
    assert_eq!(
        answer.json()["error_description"],
        "missing required parameter 'device_code'"
    );
}

#[test]
fn an_application_for_devices_sends_no_browser_to_sign_in() {
    let fake = start();
    let http = Http::new(&fake);
    let answer = http.get(
        "/oidc/auth?client_id=tv&redirect_uri=http://127.0.0.1/callback&response_type=code&scope=openid",
    );
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("invalid_redirect_uri"));
    let code = [("grant_type", "authorization_code"), ("code", "a code")];
    let refused = http.token("tv", &code);
    assert_eq!(refused.error(), error(400, "invalid_request"));
}
