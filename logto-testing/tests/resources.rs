//! Access tokens for resources and organizations.

mod common;

use std::time::Duration;

use common::{API, Http, builder, decode, text, tokens};
use logto_testing::{FakeApp, FakeUser};
use serde_json::{Value, json};

/// Header and claims of the access token, of which those that no one can foretell are checked.
fn access_token(http: &Http, body: &Value) -> Value {
    let token = text(body, "access_token");
    assert_eq!(common::verify(http, token), Some(true));
    let (header, mut claims) = decode(token);
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(header["alg"], "ES384");
    let members = claims.as_object_mut().unwrap();
    assert_eq!(members.remove("jti").unwrap().as_str().unwrap().len(), 43);
    let issued_at = members.remove("iat").unwrap().as_i64().unwrap();
    let expires_at = members.remove("exp").unwrap().as_i64().unwrap();
    assert_eq!(body["expires_in"], expires_at - issued_at);
    claims
}

#[test]
fn resource_tokens() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let refresh_token = text(&first, "refresh_token");
    let body = http
        .refresh("web", refresh_token, &[("resource", API)])
        .ok();
    assert_eq!(body["scope"], "read:items write:items");
    assert!(body.get("id_token").is_some());
    let expected = json!({
        "sub": "alice",
        "scope": "read:items write:items",
        "client_id": "web",
        "iss": fake.issuer(),
        "aud": API,
    });
    assert_eq!(access_token(&http, &body), expected);

    let narrow = [("resource", API), ("scope", "read:items")];
    let body = http.refresh("web", refresh_token, &narrow).ok();
    assert_eq!(body["scope"], "read:items");
    assert!(body.get("id_token").is_none());
}

#[test]
fn code_exchange_takes_a_resource_and_ignores_an_organization() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let code = common::code(&fake, "web", &[]);
    let more = [("resource", API), ("organization_id", "org_1")];
    let body = http.exchange("web", &code, &more).ok();
    assert_eq!(body["scope"], "read:items write:items");
    let claims = access_token(&http, &body);
    assert!(claims.get("organization_id").is_none());

    let code = common::code(&fake, "web", &[]);
    let body = http
        .exchange("web", &code, &[("organization_id", "org_1")])
        .ok();
    assert_eq!(text(&body, "access_token").len(), 43);
}

#[test]
fn organization_tokens() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let refresh_token = text(&first, "refresh_token");
    let organization = ("organization_id", "org_1");

    let body = http.refresh("web", refresh_token, &[organization]).ok();
    assert_eq!(body["scope"], "org:read");
    let claims = access_token(&http, &body);
    assert_eq!(claims["aud"], "urn:logto:organization:org_1");
    assert!(claims.get("organization_id").is_none());

    let both = [organization, ("resource", API)];
    let body = http.refresh("web", refresh_token, &both).ok();
    assert_eq!(body["scope"], "read:items write:items");
    let claims = access_token(&http, &body);
    assert_eq!(claims["aud"], API);
    assert_eq!(claims["organization_id"], "org_1");
}

#[test]
fn organization_scopes_must_have_been_asked_for() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let scope = "openid offline_access urn:logto:scope:organizations org:read";
    let first = tokens(&fake, "web", &[("scope", scope)]);
    let organization = [("organization_id", "org_1")];
    let body = http
        .refresh("web", text(&first, "refresh_token"), &organization)
        .ok();
    assert_eq!(body["scope"], "");
    assert_eq!(access_token(&http, &body)["scope"], "");

    let first = tokens(&fake, "web", &[("scope", "openid offline_access")]);
    let answer = http.refresh("web", text(&first, "refresh_token"), &organization);
    assert_eq!(answer.error(), (403, "insufficient_scope".to_owned()));
    assert_eq!(answer.json()["scope"], "urn:logto:scope:organizations");
}

#[test]
fn only_members_get_organization_tokens() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    for more in [
        &[("organization_id", "org_2")][..],
        &[("organization_id", "org_2"), ("resource", API)],
    ] {
        let answer = http.refresh("web", text(&first, "refresh_token"), more);
        assert_eq!(answer.error(), (403, "access_denied".to_owned()));
        assert_eq!(
            answer.json()["error_description"],
            "user is not a member of the organization"
        );
    }
}

#[test]
fn resource_must_be_known_and_asked_for() {
    let fake = builder()
        .resource("https://other.example.test", ["all"])
        .start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    for resource in ["https://other.example.test", "https://unknown.test"] {
        let more = [("resource", resource)];
        let answer = http.refresh("web", text(&first, "refresh_token"), &more);
        assert_eq!(answer.error(), (400, "invalid_target".to_owned()));
    }
}

#[test]
fn several_resources_are_as_good_as_none() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let twice = [("resource", API), ("resource", API)];
    let body = http
        .refresh("web", text(&first, "refresh_token"), &twice)
        .ok();
    assert_eq!(text(&body, "access_token").len(), 43);
}

#[test]
fn permissions_hold_from_the_next_token_on() {
    let fake = builder().start();
    let http = Http::new(&fake);
    fake.sign_in_as("bob");
    let first = tokens(&fake, "web", &[]);
    let refresh = || {
        http.refresh("web", text(&first, "refresh_token"), &[("resource", API)])
            .ok()
    };
    assert_eq!(refresh()["scope"], "");
    fake.put_user(FakeUser::new("bob").permissions(["read:items"]));
    assert_eq!(refresh()["scope"], "read:items");
}

#[test]
fn lifetime_is_set() {
    let fake = builder()
        .access_token_lifetime(Duration::from_secs(5))
        .start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    assert_eq!(first["expires_in"], 5);
    let body = http
        .refresh("web", text(&first, "refresh_token"), &[("resource", API)])
        .ok();
    assert_eq!(body["expires_in"], 5);
    access_token(&http, &body);
}

#[test]
fn machines_get_tokens_without_a_user() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let get = |more: &[(&str, &str)]| {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend_from_slice(more);
        http.token("machine", &form)
    };
    let body = get(&[("resource", API), ("scope", "read:items unknown")]).ok();
    assert_eq!(body["scope"], "read:items");
    assert!(body.get("refresh_token").is_none());
    assert_eq!(access_token(&http, &body)["sub"], "machine");

    let body = get(&[("resource", API)]).ok();
    assert!(body.get("scope").is_none());
    assert!(access_token(&http, &body).get("scope").is_none());

    assert_eq!(get(&[]).error(), (400, "invalid_target".to_owned()));
    let form = [("grant_type", "client_credentials")];
    let answer = http.token("web", &form);
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
}

#[test]
fn machines_get_tokens_for_their_organizations() {
    let app = FakeApp::machine("worker", "w").organization("org_1", ["org:read"]);
    let fake = builder().app(app).start();
    let http = Http::new(&fake);
    let get = |more: &[(&str, &str)]| {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", "worker"),
            ("client_secret", "w"),
        ];
        form.extend_from_slice(more);
        http.post("/oidc/token", &form)
    };
    let organization = ("organization_id", "org_1");
    let body = get(&[organization, ("scope", "org:read org:write")]).ok();
    assert_eq!(body["scope"], "org:read");
    let claims = access_token(&http, &body);
    assert_eq!(claims["aud"], "urn:logto:organization:org_1");
    assert_eq!(claims["sub"], "worker");

    let body = get(&[organization, ("resource", API), ("scope", "read:items")]).ok();
    let claims = access_token(&http, &body);
    assert_eq!(claims["aud"], API);
    assert_eq!(claims["organization_id"], "org_1");
    assert_eq!(claims["scope"], "read:items");

    let answer = get(&[("organization_id", "org_2"), ("resource", API)]);
    assert_eq!(answer.error(), (403, "access_denied".to_owned()));
}

#[test]
fn management_api_is_always_there() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "https://default.logto.app/api"),
        ("scope", "all"),
    ];
    let body = http.token("machine", &form).ok();
    assert_eq!(body["scope"], "all");
    let claims = access_token(&http, &body);
    assert_eq!(claims["aud"], "https://default.logto.app/api");
}
