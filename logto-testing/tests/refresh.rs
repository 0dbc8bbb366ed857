//! Refreshing, and what becomes of used refresh tokens.

mod common;

use std::time::Duration;

use common::{API, Http, builder, decode, text, tokens};
use logto_testing::{FakeApp, FakeLogto};

fn advance(fake: &FakeLogto, milliseconds: u64) {
    fake.clock().advance(Duration::from_millis(milliseconds));
}

#[test]
fn confidential_applications_keep_their_refresh_token() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[("nonce", "n-1")]);
    let refresh_token = text(&first, "refresh_token");
    advance(&fake, 3_600_000);
    let second = http.refresh("web", refresh_token, &[]).ok();
    assert_eq!(second["refresh_token"], refresh_token);
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(second["scope"], first["scope"]);
    let (_, claims) = decode(text(&second, "id_token"));
    assert_eq!(claims["nonce"], "n-1");
}

#[test]
fn confidential_applications_get_a_new_one_past_seven_tenths_of_its_life() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let old = text(&first, "refresh_token");
    advance(&fake, 12 * 86_400_000);
    let second = http.refresh("web", old, &[]).ok();
    assert_ne!(second["refresh_token"], old);
    advance(&fake, 3 * 86_400_000);
    http.refresh("web", text(&second, "refresh_token"), &[])
        .ok();
}

#[test]
fn public_applications_get_a_new_one_at_every_use() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let mut body = tokens(&fake, "native", &[]);
    for _ in 0..3 {
        let used = text(&body, "refresh_token").to_owned();
        advance(&fake, 60_000);
        body = http.refresh("native", &used, &[]).ok();
        assert_ne!(body["refresh_token"], used);
    }
}

#[test]
fn used_ones_are_forgiven_for_three_seconds_which_slide() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "native", &[]);
    let used = text(&first, "refresh_token");
    let newest = http.refresh("native", used, &[]).ok();
    for _ in 0..2 {
        advance(&fake, 2500);
        let again = http.refresh("native", used, &[]).ok();
        assert_ne!(again["refresh_token"], newest["refresh_token"]);
    }
    advance(&fake, 3600);
    let late = http.refresh("native", used, &[]);
    assert_eq!(late.error(), (400, "invalid_grant".to_owned()));
}

#[test]
fn late_reuse_revokes_the_whole_grant() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "native", &[]);
    let used = text(&first, "refresh_token");
    let newest = http.refresh("native", used, &[]).ok();
    advance(&fake, 3500);
    let late = http.refresh("native", used, &[]);
    assert_eq!(late.error(), (400, "invalid_grant".to_owned()));
    let answer = http.refresh("native", text(&newest, "refresh_token"), &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
    let answer = http.user_info(text(&newest, "access_token"));
    assert_eq!(answer.error(), (401, "invalid_token".to_owned()));
}

#[test]
fn concurrent_refreshes_all_succeed_with_tokens_of_their_own() {
    let fake = builder().start();
    let first = tokens(&fake, "native", &[]);
    let used = text(&first, "refresh_token");
    let mut new: Vec<_> = std::thread::scope(|scope| {
        let refresh = || {
            let body = Http::new(&fake).refresh("native", used, &[]).ok();
            text(&body, "refresh_token").to_owned()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(refresh)).collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for token in &new {
        Http::new(&fake).refresh("native", token, &[]).ok();
    }
    new.sort();
    new.dedup();
    assert_eq!(new.len(), 8);
}

#[test]
fn refresh_tokens_live_for_fourteen_days() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    advance(&fake, 14 * 86_400_000);
    let answer = http.refresh("web", text(&first, "refresh_token"), &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

#[test]
fn scope_can_be_narrowed() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let refresh_token = text(&first, "refresh_token");

    let with = http
        .refresh("web", refresh_token, &[("scope", "openid")])
        .ok();
    assert_eq!(with["scope"], "openid");
    let (_, claims) = decode(text(&with, "id_token"));
    assert!(claims.get("name").is_none());

    let without = http
        .refresh("web", refresh_token, &[("scope", "email profile")])
        .ok();
    assert_eq!(without["scope"], "profile email");
    assert!(without.get("id_token").is_none());

    let answer = http.refresh("web", refresh_token, &[("scope", "phone:foo")]);
    assert_eq!(answer.error(), (400, "invalid_scope".to_owned()));
    let body = answer.json();
    assert_eq!(
        body["error_description"],
        "refresh token missing requested scope"
    );
    assert_eq!(body["scope"], "phone:foo");
}

#[test]
fn refresh_tokens_are_for_one_application() {
    let fake = builder().app(FakeApp::web("other", "o")).start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    let answer = http.refresh("native", text(&first, "refresh_token"), &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
    http.refresh("web", text(&first, "refresh_token"), &[]).ok();
}

#[test]
fn wrong_resource_uses_up_the_refresh_token_of_a_public_application() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "native", &[("scope", "openid offline_access")]);
    let refresh_token = text(&first, "refresh_token");
    let answer = http.refresh("native", refresh_token, &[("resource", API)]);
    assert_eq!(answer.error(), (400, "invalid_target".to_owned()));
    advance(&fake, 3001);
    let answer = http.refresh("native", refresh_token, &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

#[test]
fn grants_and_users_can_be_taken_away() {
    let fake = builder().start();
    let http = Http::new(&fake);
    let first = tokens(&fake, "web", &[]);
    fake.revoke_grants();
    let answer = http.refresh("web", text(&first, "refresh_token"), &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));

    let second = tokens(&fake, "web", &[]);
    fake.remove_user("alice");
    let answer = http.refresh("web", text(&second, "refresh_token"), &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
    let answer = http.user_info(text(&second, "access_token"));
    assert_eq!(answer.error(), (401, "invalid_token".to_owned()));
}
