use serde_json::json;

use super::*;
use crate::config::Prompt;

const ENDPOINT: &str = "https://foo.logto.app/oidc/device/auth";

fn answer(status: u16, body: &Value) -> Response<Vec<u8>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json; charset=utf-8")
        .body(body.to_string().into_bytes())
        .unwrap()
}

/// What Logto answers, with a member changed, or without it if that is null.
fn started(name: &str, value: Value) -> Result<DeviceAuthorization, LogtoError> {
    let mut body = json!({
        "device_code": "the-device-code",
        "user_code": "FFFT-PVMH",
        "verification_uri": "https://foo.logto.app/device",
        "verification_uri_complete": "https://foo.logto.app/device?user_code=FFFT-PVMH",
        "expires_in": 600,
    });
    match value {
        Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
        value => body[name] = value,
    }
    start_response(&answer(200, &body), 1000, false)
}

fn form(request: http::Request<Vec<u8>>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.body())
        .into_owned()
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_start_asks_for_what_a_sign_in_asks_for() {
    let config = LogtoConfig::new("https://foo.logto.app", "app")
        .resources(["https://api.example.com"])
        .scopes(["urn:logto:scope:organizations", "read:items"]);
    let options = DeviceSignInOptions::new()
        .scopes(["write:items"])
        .prompt([Prompt::Login, Prompt::Consent])
        .extra_param("organization_id", "org_1");
    assert_eq!(
        form(start_request(ENDPOINT, &config, &options).unwrap()),
        [
            pair(
                "scope",
                "openid offline_access profile urn:logto:scope:organizations read:items write:items"
            ),
            pair("prompt", "login consent"),
            pair("resource", "https://api.example.com"),
            pair("resource", "urn:logto:resource:organizations"),
            pair("organization_id", "org_1"),
            pair("client_id", "app"),
        ]
    );
}

#[test]
fn a_parameter_of_the_client_cannot_be_replaced() {
    for name in ["client_id", "scope", "device_code"] {
        check_options(&DeviceSignInOptions::new().extra_param(name, "x")).unwrap_err();
    }
}

#[test]
fn a_poll_sends_the_device_code() {
    let config = LogtoConfig::new("https://foo.logto.app", "app");
    let request = poll_request(ENDPOINT, &config, &"the-device-code".into()).unwrap();
    assert_eq!(
        form(request),
        [
            pair("grant_type", GRANT_TYPE),
            pair("device_code", "the-device-code"),
            pair("client_id", "app"),
        ]
    );
}

#[test]
fn what_logto_answers_is_read() {
    let started = started("unknown", json!(1)).unwrap();
    assert_eq!(started.user_code, "FFFT-PVMH");
    assert_eq!(started.verification_uri, "https://foo.logto.app/device");
    assert_eq!(
        started.best_uri(),
        "https://foo.logto.app/device?user_code=FFFT-PVMH"
    );
    assert_eq!(started.expires_in, Duration::from_secs(600));
    assert_eq!(started.expires_at, 1600);
    assert_eq!(started.interval, Duration::from_secs(5));
    assert!(!format!("{started:?}").contains("the-device-code"));
}

#[test]
fn an_absurd_interval_is_clamped() {
    for (sent, seconds) in [
        (Value::Null, 5),
        (json!(0), 1),
        (json!(-3), 1),
        (json!("5"), 5),
        (json!(" 7 "), 7),
        (json!(10), 10),
        (json!(1_000_000_000), 60),
        (json!(1e300), 60),
        (json!("inf"), 60),
        (json!("NaN"), 5),
        (json!("soon"), 5),
        (json!([5]), 5),
        (json!({}), 5),
    ] {
        let started = started("interval", sent.clone()).unwrap();
        assert_eq!(started.interval, Duration::from_secs(seconds), "{sent}");
    }
}

#[test]
fn each_slow_down_adds_five_seconds() {
    let mut interval = Duration::from_secs(5);
    for expected in [10, 15, 20] {
        interval = slower(interval);
        assert_eq!(interval, Duration::from_secs(expected));
    }
}

#[test]
fn a_verification_uri_is_a_page_over_https() {
    for good in [
        "https://foo.logto.app/device",
        "http://127.0.0.1:3001/device",
        "http://localhost:3001/device",
    ] {
        assert_eq!(
            started("verification_uri", json!(good))
                .unwrap()
                .verification_uri,
            good
        );
    }
    for bad in [
        json!(""),
        json!("foo.logto.app/device"),
        json!("/device"),
        json!("http://foo.logto.app/device"),
        json!("file:///etc/passwd"),
        json!("javascript:alert(1)"),
        json!("data:text/html,x"),
        json!("https://foo.logto.app@evil.example/device"),
        json!(format!("https://foo.logto.app/{}", "x".repeat(LONGEST_URI))),
    ] {
        for name in ["verification_uri", "verification_uri_complete"] {
            let error = started(name, bad.clone()).unwrap_err();
            assert!(
                matches!(
                    error,
                    LogtoError::Device(DeviceError::InvalidVerificationUri { .. })
                ),
                "{name} {bad}: {error}"
            );
        }
    }
}

#[test]
fn a_verification_uri_has_nothing_that_a_terminal_acts_on() {
    let hostile = "https://foo.logto.app/\u{1b}[2J\n\u{202e}\u{7}?x=\u{9b}";
    let uri = started("verification_uri", json!(hostile))
        .unwrap()
        .verification_uri;
    assert!(uri.chars().all(|c| c.is_ascii_graphic()), "{uri:?}");
}

#[test]
fn a_user_code_is_short_and_printable() {
    for good in ["FFFT-PVMH", "123 456", "a"] {
        started("user_code", json!(good)).unwrap();
    }
    for bad in [
        "",
        " ",
        "AB\u{1b}[31mCD",
        "AB\nCD",
        "AB\u{202e}CD",
        "AB\u{200b}CD",
        "AB\u{9b}CD",
        &"x".repeat(65),
    ] {
        assert!(
            matches!(
                started("user_code", json!(bad)),
                Err(LogtoError::Device(DeviceError::InvalidUserCode))
            ),
            "{bad:?}"
        );
    }
}

#[test]
fn what_is_missing_or_absurd_is_refused() {
    for name in ["device_code", "user_code", "verification_uri", "expires_in"] {
        let error = started(name, Value::Null).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    for (name, value) in [
        ("device_code", json!("")),
        ("device_code", json!(5)),
        ("expires_in", json!(-1)),
        ("expires_in", json!(1e308)),
        ("expires_in", json!("soon")),
    ] {
        let error = started(name, value.clone()).unwrap_err();
        assert!(matches!(error, LogtoError::Response(_)), "{name} {value}");
    }
}

#[test]
fn each_answer_to_a_poll_is_told_apart() {
    let poll = |error: &str| poll_response(&answer(400, &json!({ "error": error })));
    assert!(matches!(poll("authorization_pending"), Ok(Poll::Pending)));
    assert!(matches!(poll("slow_down"), Ok(Poll::SlowDown)));
    assert!(matches!(
        poll("access_denied"),
        Err(LogtoError::Device(DeviceError::AccessDenied))
    ));
    assert!(matches!(
        poll("expired_token"),
        Err(LogtoError::Device(DeviceError::Expired))
    ));
    assert!(matches!(poll("invalid_grant"), Err(LogtoError::OAuth(_))));

    let tokens = json!({ "access_token": "a", "token_type": "Bearer" });
    assert!(matches!(
        poll_response(&answer(200, &tokens)),
        Ok(Poll::Tokens(_))
    ));
    let not_yet = json!({ "error": "authorization_pending" });
    poll_response(&answer(200, &not_yet)).unwrap_err();
}
