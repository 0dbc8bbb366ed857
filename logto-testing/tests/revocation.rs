//! Revocation, introspection and sign-out.

mod common;

use std::time::Duration;

use common::{API, Http, basic, builder, text, tokens};
use logto_testing::FakeApp;
use serde_json::json;

fn revoke(http: &Http, token: &str) -> common::Answer {
    let authorization = basic("web", "s3cret");
    let headers = [("Authorization", authorization.as_str())];
    http.post_with("/oidc/token/revocation", &[("token", token)], &headers)
}

#[test]
fn either_token_ends_the_grant() {
    let fake = builder().start();
    let http = Http::new(&fake);
    for member in ["refresh_token", "access_token"] {
        let first = tokens(&fake, "web", &[]);
        let answer = revoke(&http, text(&first, member));
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        let refreshed = http.refresh("web", text(&first, "refresh_token"), &[]);
        assert_eq!(refreshed.error(), (400, "invalid_grant".to_owned()));
        assert_eq!(http.user_info(text(&first, "access_token")).status, 401);
    }
}

#[test]
fn used_refresh_token_ends_the_grant_too() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "native", &[]);
    let used = text(&first, "refresh_token");
    let second = http.refresh("native", used, &[]).ok();
    let form = [("token", used), ("client_id", "native")];
    assert_eq!(http.post("/oidc/token/revocation", &form).status, 200);
    let answer = http.refresh("native", text(&second, "refresh_token"), &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

#[test]
fn unknown_tokens_and_those_of_others_are_left_alone() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let native = tokens(&fake, "native", &[]);
    assert_eq!(revoke(&http, "made-up").status, 200);
    assert_eq!(revoke(&http, text(&native, "refresh_token")).status, 200);
    http.refresh("native", text(&native, "refresh_token"), &[])
        .ok();
}

#[test]
fn refused_revocations() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let of_resource = http
        .refresh("web", text(&first, "refresh_token"), &[("resource", API)])
        .ok();
    let answer = revoke(&http, text(&of_resource, "access_token"));
    assert_eq!(answer.error(), (400, "unsupported_token_type".to_owned()));
    assert_eq!(
        revoke(&http, "").error(),
        (400, "invalid_request".to_owned())
    );
    let form = [("token", "x"), ("client_id", "web"), ("client_secret", "y")];
    let answer = http.post("/oidc/token/revocation", &form);
    assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
}

#[test]
fn introspection_tells_what_a_token_is() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let scope = ("scope", "openid offline_access");
    let first = tokens(&fake, "web", &[scope]);
    let introspect = |app: &str, secret: &str, token: &str| {
        let mut form = vec![("token", token), ("client_id", app)];
        form.extend((!secret.is_empty()).then_some(("client_secret", secret)));
        http.post("/oidc/token/introspection", &form).ok()
    };
    let now = logto_core::Clock::unix_seconds(&fake.clock());
    let token = text(&first, "access_token");
    let expected = json!({
        "active": true,
        "sub": "alice",
        "client_id": "web",
        "iat": now,
        "exp": now + 3600,
        "iss": fake.issuer(),
        "scope": "openid offline_access",
        "token_type": "Bearer",
    });
    assert_eq!(introspect("web", "s3cret", token), expected);
    assert_eq!(introspect("machine", "m", token), expected);
    let inactive = json!({"active": false});
    assert_eq!(introspect("native", "", token), inactive);
    assert_eq!(introspect("web", "s3cret", "made-up"), inactive);
    let refresh_token = introspect("web", "s3cret", text(&first, "refresh_token"));
    assert_eq!(refresh_token["exp"], now + 14 * 86_400);
    let own = tokens(&fake, "native", &[]);
    let own = introspect("native", "", text(&own, "access_token"));
    assert_eq!(own["client_id"], "native");
    fake.clock().advance(Duration::from_secs(3600 + 15));
    assert_eq!(introspect("web", "s3cret", token), inactive);
}

#[test]
fn refused_introspections() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let introspect = |form: &[(&str, &str)]| http.post("/oidc/token/introspection", form);
    let machine = [("client_id", "machine"), ("client_secret", "m")];
    let jwt = fake.sign_jwt(json!({"alg": "ES384"}), json!({}));
    let answer = introspect(&[machine.as_slice(), &[("token", &jwt)]].concat());
    assert_eq!(answer.error(), (400, "unsupported_token_type".to_owned()));
    assert_eq!(
        introspect(&machine).json()["error_description"],
        "missing required parameter 'token'"
    );
    assert_eq!(
        introspect(&[("token", "x")]).json()["error_description"],
        "no client authentication mechanism provided"
    );
}

#[test]
fn sign_out_returns_to_the_application() {
    let app = FakeApp::web("strict", "s").post_logout_redirect_uri("http://localhost:3000/");
    let fake = builder().app(app).start();
    let first = tokens(&fake, "web", &[]);
    let end = format!("{}/oidc/session/end", fake.endpoint());
    let hint = text(&first, "id_token");
    let sign_out = |query: &str| fake.sign_out(&format!("{end}?{query}"));

    let back = "post_logout_redirect_uri=http://localhost:3000/";
    assert_eq!(
        sign_out(&format!("id_token_hint={hint}&{back}&state=s1")),
        "http://localhost:3000/?state=s1"
    );
    assert_eq!(
        sign_out(&format!("client_id=strict&{back}")),
        "http://localhost:3000/"
    );
    assert_eq!(sign_out(back), format!("{end}/success"));
    let request = fake.requests().pop().unwrap();
    assert_eq!(request.query_value("id_token_hint"), None);

    let http = Http::new(&fake);
    assert_eq!(http.get("/oidc/session/end/success").status, 200);
    for (query, description) in [
        (
            "client_id=strict&post_logout_redirect_uri=http://evil.test/".to_owned(),
            "post_logout_redirect_uri not registered",
        ),
        (
            "id_token_hint=garbage".to_owned(),
            "could not decode id_token_hint",
        ),
        (
            format!("id_token_hint={hint}&client_id=strict"),
            "client_id does not match the provided id_token_hint",
        ),
    ] {
        let answer = http.get(&format!("/oidc/session/end?{query}"));
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
        assert_eq!(answer.json()["error_description"], description);
    }
}

#[test]
fn sign_out_ends_what_was_not_for_offline_use() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let offline = tokens(&fake, "web", &[]);
    let online = tokens(&fake, "web", &[("scope", "openid")]);
    fake.sign_out(&format!("{}/oidc/session/end", fake.endpoint()));
    http.refresh("web", text(&offline, "refresh_token"), &[])
        .ok();
    http.user_info(text(&offline, "access_token")).ok();
    assert_eq!(http.user_info(text(&online, "access_token")).status, 401);
    let silent = common::sign_in_url(&fake, "web", &[("prompt", "none")]);
    let callback = fake.authorize(&silent);
    assert_eq!(
        common::in_query(&callback, "error").as_deref(),
        Some("login_required")
    );
}
