//! What the token endpoint refuses, and in which words.

mod common;

use common::{Http, basic, builder, text, tokens};
use serde_json::json;

#[test]
fn invalid_grant_in_logtos_words() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let answer = http.exchange("web", "made-up", &[]);
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let expected = json!({
        "code": "oidc.invalid_grant",
        "message": "Grant request is invalid.",
        "error_uri": "https://openid.sh/debug/invalid_grant",
        "error": "invalid_grant",
        "error_description": "grant request is invalid",
    });
    assert_eq!(answer.json(), expected);

    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", "native"),
    ];
    let bare = http.post("/oidc/token?parse_error=false", &form);
    let expected = json!({
        "error": "invalid_grant",
        "error_description": "grant request is invalid",
    });
    assert_eq!((bare.status, bare.json()), (400, expected));
}

#[test]
fn requests_that_lack_something() {
    let fake = builder().start();
    let http = Http::new(&fake);
    for (form, error, description) in [
        (
            &[("grant_type", "authorization_code"), ("code", "x")][..],
            "invalid_request",
            "missing required parameter 'redirect_uri'",
        ),
        (
            &[("grant_type", "authorization_code")],
            "invalid_request",
            "missing required parameter 'code'",
        ),
        (
            &[("grant_type", "refresh_token")],
            "invalid_request",
            "missing required parameter 'refresh_token'",
        ),
        (
            &[],
            "invalid_request",
            "missing required parameter 'grant_type'",
        ),
        (
            &[("grant_type", "password")],
            "unsupported_grant_type",
            "unsupported grant_type requested",
        ),
        (
            &[("grant_type", "client_credentials")],
            "invalid_request",
            "requested grant type is not allowed for this client",
        ),
    ] {
        let answer = http.token("web", form);
        assert_eq!(answer.error(), (400, error.to_owned()));
        assert_eq!(answer.json()["error_description"], description);
    }
    let answer = http.post_text("/oidc/token", "text/plain", "x");
    assert_eq!(
        answer.json()["error_description"],
        "only application/x-www-form-urlencoded content-type bodies are supported on POST /token"
    );
}

#[test]
fn clients_that_do_not_prove_who_they_are() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let grant = ("grant_type", "refresh_token");
    let post = |form: &[(&str, &str)], authorization: Option<String>| {
        let mut all = vec![grant];
        all.extend_from_slice(form);
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("Authorization", value.as_str()))
            .collect();
        http.post_with("/oidc/token", &all, &headers)
    };
    let challenge = format!(
        "Basic realm=\"{}\", error=\"invalid_client\", \
         error_description=\"client authentication failed\"",
        fake.issuer()
    );

    for (id, secret) in [("web", "wrong"), ("native", "made-up")] {
        let answer = post(&[], Some(basic(id, secret)));
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
        assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    }
    for form in [
        &[("client_id", "web"), ("client_secret", "wrong")][..],
        &[("client_id", "web")],
    ] {
        let answer = post(form, None);
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
        assert_eq!(answer.header("www-authenticate"), None);
    }
    let unknown = post(&[], Some(basic("unknown", "x")));
    assert_eq!(unknown.error(), (400, "invalid_client".to_owned()));
    for (form, authorization, description) in [
        (&[][..], None, "no client authentication mechanism provided"),
        (
            &[("client_secret", "s3cret")],
            Some(basic("web", "s3cret")),
            "client authentication must only be provided using one mechanism",
        ),
        (
            &[("client_id", "native")],
            Some(basic("web", "s3cret")),
            "client_id mismatch",
        ),
    ] {
        let answer = post(form, authorization);
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
        assert_eq!(answer.json()["error_description"], description);
    }
}

#[test]
fn basic_credentials_are_form_decoded() {
    let app = logto_testing::FakeApp::web("an app", "p+:%&=");
    let fake = builder().app(app).start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let form = [("token", text(&first, "access_token"))];
    let authorization = basic("an+app", "p%2B%3A%25%26%3D");
    let headers = [("Authorization", authorization.as_str())];
    let answer = http.post_with("/oidc/token/introspection", &form, &headers);
    assert_eq!(answer.ok()["active"], true);
}
