//! Signing in and exchanging the code.

mod common;

use std::time::Duration;

use common::{ALL_SCOPES, CALLBACK, Http, VERIFIER, builder, code, decode, sign_in_url, text};
use serde_json::json;

#[test]
fn callback_has_code_state_and_issuer_in_that_order() {
    let fake = builder().start();
    let callback = fake.authorize(&sign_in_url(&fake, "web", &[]));
    let url = url::Url::parse(&callback).unwrap();
    let pairs: Vec<_> = url.query_pairs().collect();
    let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["code", "state", "iss"]);
    assert_eq!(pairs[0].1.len(), 43);
    assert_eq!(pairs[1].1, "st-1");
    assert_eq!(pairs[2].1, fake.issuer());
}

#[test]
fn code_gives_tokens() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let code = code(&fake, "web", &[("nonce", "n-1")]);
    let answer = http.exchange("web", &code, &[]);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens = answer.ok();
    assert_eq!(text(&tokens, "access_token").len(), 43);
    assert_eq!(text(&tokens, "refresh_token").len(), 43);
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["token_type"], "Bearer");
    let user_scopes = ALL_SCOPES.split_once(" read:items").unwrap().0;
    assert_eq!(tokens["scope"], user_scopes);

    let id_token = text(&tokens, "id_token");
    assert_eq!(common::verify(&http, id_token), Some(true));
    let (header, claims) = decode(id_token);
    assert_eq!(header["alg"], "ES384");
    assert_eq!(header.as_object().map(|members| members.len()), Some(2));
    let seconds = logto_core::Clock::unix_seconds(&fake.clock());
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
        "roles": ["item-user"],
        "organizations": ["org_1"],
        "organization_roles": ["org_1:editor"],
        "nonce": "n-1",
        "aud": "web",
        "iat": seconds,
        "exp": seconds + 3600,
        "iss": fake.issuer(),
    });
    assert_eq!(claims, expected);
    let milliseconds = claims["updated_at"].as_i64().unwrap();
    assert_eq!(milliseconds / 1000, seconds);
}

#[test]
fn scopes_decide_what_is_issued() {
    let fake = builder().start();
    let minimal = common::tokens(&fake, "web", &[("scope", "openid")]);
    assert!(minimal.get("refresh_token").is_none());
    assert_eq!(minimal["scope"], "openid");
    let (_, claims) = decode(text(&minimal, "id_token"));
    let names: Vec<_> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "sub"]);

    let without = common::tokens(&fake, "web", &[("scope", "profile")]);
    assert!(without.get("id_token").is_none());

    for app in ["web", "native"] {
        let scope = ("scope", "openid offline_access");
        let tokens = common::tokens(&fake, app, &[scope, ("prompt", "login")]);
        assert!(tokens.get("refresh_token").is_none());
        assert_eq!(tokens["scope"], "openid");
    }
}

#[test]
fn code_is_good_once() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let code = code(&fake, "web", &[]);
    let tokens = http.exchange("web", &code, &[]).ok();
    let again = http.exchange("web", &code, &[]);
    assert_eq!(again.error(), (400, "invalid_grant".to_owned()));
    let refreshed = http.refresh("web", text(&tokens, "refresh_token"), &[]);
    assert_eq!(refreshed.error(), (400, "invalid_grant".to_owned()));
    let user_info = http.user_info(text(&tokens, "access_token"));
    assert_eq!(user_info.error(), (401, "invalid_token".to_owned()));
}

#[test]
fn code_is_good_for_a_minute() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let (in_time, late) = (code(&fake, "web", &[]), code(&fake, "web", &[]));
    fake.clock().advance(Duration::from_secs(59));
    http.exchange("web", &in_time, &[]).ok();
    fake.clock().advance(Duration::from_secs(1));
    let answer = http.exchange("web", &late, &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

#[test]
fn wrong_verifier_leaves_the_code_as_it_is() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let code = code(&fake, "native", &[]);
    for (verifier, redirect_uri) in [
        (Some("another"), CALLBACK),
        (None, CALLBACK),
        (Some(VERIFIER), "http://127.0.0.1:1/callback"),
    ] {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", redirect_uri),
        ];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let answer = http.token("native", &form);
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
    }
    http.exchange("native", &code, &[]).ok();
}

#[test]
fn verifier_without_a_challenge_is_refused() {
    let fake = builder().start();
    let url = format!(
        "{}/oidc/auth?client_id=web&redirect_uri={CALLBACK}&response_type=code&scope=openid",
        fake.endpoint()
    );
    let callback = fake.authorize(&url);
    let code = common::in_query(&callback, "code").unwrap();
    let http = Http::new(&fake);
    let answer = http.exchange("web", &code, &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
    ];
    http.token("web", &form).ok();
}

#[test]
fn json_is_taken_too() {
    let fake = builder().start();
    let body = json!({
        "grant_type": "authorization_code",
        "client_id": "native",
        "code": code(&fake, "native", &[]),
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    });
    let http = Http::new(&fake);
    http.post_text("/oidc/token", "application/json", &body.to_string())
        .ok();
}

#[test]
fn another_user_signs_in() {
    let fake = builder().start();
    common::tokens(&fake, "web", &[]);
    fake.sign_in_as("bob");
    let tokens = common::tokens(&fake, "web", &[]);
    let (_, claims) = decode(text(&tokens, "id_token"));
    assert_eq!(claims["sub"], "bob");
    assert_eq!(claims["name"], json!(null));
    assert_eq!(claims["email_verified"], json!(false));
    assert_eq!(claims["organizations"], json!([]));
}
