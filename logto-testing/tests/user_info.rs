//! The user info endpoint.

mod common;

use std::time::Duration;

use common::{API, Http, builder, text, tokens};
use serde_json::json;

#[test]
fn claims_of_all_scopes() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let answer = http.user_info(text(&first, "access_token"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let claims = answer.ok();
    let expected = json!({
        "sub": "alice",
        "name": "Alice Example",
        "given_name": "Alice",
        "preferred_username": "alice",
        "picture": null,
        "updated_at": claims["updated_at"],
        "username": "alice",
        "created_at": claims["created_at"],
        "email": "alice@example.test",
        "email_verified": true,
        "custom_data": {"team": "blue"},
        "identities": {},
        "sso_identities": [],
        "roles": ["item-user"],
        "organizations": ["org_1"],
        "organization_data": [{"id": "org_1", "name": "Acme", "description": null}],
        "organization_roles": ["org_1:editor"],
    });
    assert_eq!(claims, expected);
}

#[test]
fn token_may_be_in_the_header_or_the_body() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let token = text(&first, "access_token");
    let header = format!("bearer {token}");
    http.get_with("/oidc/me", &[("Authorization", &header)])
        .ok();
    http.post("/oidc/me", &[("access_token", token)]).ok();
    let answer = http.get(&format!("/oidc/me?access_token={token}"));
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
}

#[test]
fn bad_tokens() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let realm = format!("Bearer realm=\"{}\"", fake.issuer());
    let invalid =
        format!("{realm}, error=\"invalid_token\", error_description=\"invalid token provided\"");

    let answer = http.get("/oidc/me");
    assert_eq!(answer.error(), (401, "invalid_token".to_owned()));
    assert_eq!(answer.header("www-authenticate"), Some(realm.as_str()));

    let first = tokens(&fake, "web", &[]);
    let of_resource = http
        .refresh("web", text(&first, "refresh_token"), &[("resource", API)])
        .ok();
    for token in ["garbage", text(&of_resource, "access_token")] {
        let answer = http.user_info(token);
        assert_eq!(answer.error(), (401, "invalid_token".to_owned()));
        assert_eq!(answer.header("www-authenticate"), Some(invalid.as_str()));
    }

    let answer = http.get_with("/oidc/me", &[("Authorization", "DPoP x")]);
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
}

#[test]
fn token_without_openid() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[("scope", "profile")]);
    let answer = http.user_info(text(&first, "access_token"));
    assert_eq!(answer.error(), (403, "insufficient_scope".to_owned()));
    let expected = format!(
        "Bearer realm=\"{}\", error=\"insufficient_scope\", \
         error_description=\"access token missing openid scope\", scope=\"openid\"",
        fake.issuer()
    );
    assert_eq!(answer.header("www-authenticate"), Some(expected.as_str()));
    assert_eq!(answer.json()["scope"], "openid");
}

#[test]
fn expired_tokens_are_taken_for_fifteen_seconds_more() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let token = text(&first, "access_token");
    fake.clock().advance(Duration::from_secs(3614));
    http.user_info(token).ok();
    fake.clock().advance(Duration::from_secs(1));
    assert_eq!(
        http.user_info(token).error(),
        (401, "invalid_token".to_owned())
    );
}
