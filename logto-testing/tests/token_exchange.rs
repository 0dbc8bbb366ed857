//! Applications that act for a user.

mod common;

use std::time::Duration;

use common::{API, Answer, Http, builder, decode, text, tokens, verify};
use logto_testing::{FakeApp, FakeLogto};
use serde_json::json;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn start() -> FakeLogto {
    let app = FakeApp::web("support", "s").token_exchange();
    builder().app(app).start()
}

fn exchange(fake: &FakeLogto, subject_token: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("client_id", "support"),
        ("client_secret", "s"),
        ("grant_type", GRANT_TYPE),
        ("subject_token", subject_token),
    ];
    if !more.iter().any(|(name, _)| *name == "subject_token_type") {
        form.push(("subject_token_type", ACCESS_TOKEN));
    }
    form.extend_from_slice(more);
    Http::new(fake).post("/oidc/token", &form)
}

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[test]
fn subject_token_gives_a_token_for_a_resource_once() {
    let fake = start();
    let subject = fake.subject_token("alice");
    assert!(subject.starts_with("sub_"));
    assert_eq!(subject.len(), 25);
    let wanted = [("resource", API), ("scope", "read:items unknown")];
    let body = exchange(&fake, &subject, &wanted).ok();
    let token = text(&body, "access_token");
    let expected = json!({
        "access_token": token,
        "expires_in": 3600,
        "scope": "read:items",
        "token_type": "Bearer",
    });
    assert_eq!(body, expected);
    assert_eq!(verify(&Http::new(&fake), token), Some(true));
    let (header, claims) = decode(token);
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["client_id"], "support");
    assert_eq!(claims["aud"], API);
    assert_eq!(claims.get("act"), None);
    assert_eq!(
        exchange(&fake, &subject, &wanted).error(),
        invalid_grant(),
        "used"
    );
}

#[test]
fn subject_token_lives_ten_minutes() {
    let fake = start();
    let (in_time, late) = (fake.subject_token("alice"), fake.subject_token("alice"));
    fake.clock().advance(Duration::from_secs(599));
    exchange(&fake, &in_time, &[]).ok();
    fake.clock().advance(Duration::from_secs(1));
    assert_eq!(exchange(&fake, &late, &[]).error(), invalid_grant());
}

#[test]
fn failed_exchange_does_not_use_the_subject_token_up() {
    let fake = start();
    let subject = fake.subject_token("alice");
    let answer = exchange(&fake, &subject, &[("resource", "https://other.test")]);
    assert_eq!(answer.error(), (400, "invalid_target".to_owned()));
    let answer = exchange(&fake, &subject, &[("organization_id", "org_9")]);
    assert_eq!(answer.error(), (403, "access_denied".to_owned()));
    exchange(&fake, &subject, &[]).ok();
}

#[test]
fn tokens_for_the_user_info_and_for_organizations() {
    let fake = start();
    let subject = fake.subject_token("alice");
    let body = exchange(&fake, &subject, &[("scope", "openid profile read:items")]).ok();
    assert_eq!(body["scope"], "openid profile");
    let user = Http::new(&fake).user_info(text(&body, "access_token")).ok();
    assert_eq!(user["name"], "Alice Example");

    let organization = ("organization_id", "org_1");
    let subject = fake.subject_token("alice");
    let body = exchange(&fake, &subject, &[organization, ("scope", "org:read x")]).ok();
    let (_, claims) = decode(text(&body, "access_token"));
    assert_eq!(claims["aud"], "urn:logto:organization:org_1");
    assert_eq!(claims["scope"], "org:read");

    let subject = fake.subject_token("alice");
    let body = exchange(&fake, &subject, &[organization, ("resource", API)]).ok();
    assert_eq!(body["scope"], "");
    let (_, claims) = decode(text(&body, "access_token"));
    assert_eq!(claims["aud"], API);
    assert_eq!(claims["organization_id"], "org_1");
}

#[test]
fn tokens_of_other_kinds_are_subjects_too() {
    let fake = start();
    let http = Http::new(&fake);
    let body = tokens(&fake, "web", &[]);
    let of_resource = http
        .refresh("web", text(&body, "refresh_token"), &[("resource", API)])
        .ok();
    let wanted = [("resource", API), ("scope", "write:items")];
    for subject in [&body["access_token"], &of_resource["access_token"]] {
        let exchanged = exchange(&fake, subject.as_str().unwrap(), &wanted).ok();
        let (_, claims) = decode(text(&exchanged, "access_token"));
        assert_eq!(claims["sub"], "alice");
        assert_eq!(claims["client_id"], "support");
    }
    let impersonation = (
        "subject_token_type",
        "urn:logto:token-type:impersonation_token",
    );
    exchange(&fake, &fake.subject_token("bob"), &[impersonation]).ok();

    fake.clock().advance(Duration::from_secs(3600 + 15));
    for member in ["access_token", "id_token"] {
        for body in [&body, &of_resource] {
            let answer = exchange(&fake, text(body, member), &wanted);
            assert_eq!(answer.error(), invalid_grant(), "{member}");
        }
    }
}

#[test]
fn actor_is_named_in_the_token() {
    let fake = start();
    fake.sign_in_as("bob");
    let bob = tokens(&fake, "web", &[("scope", "openid")]);
    let actor = [
        ("resource", API),
        ("actor_token", text(&bob, "access_token")),
        ("actor_token_type", ACCESS_TOKEN),
    ];
    let body = exchange(&fake, &fake.subject_token("alice"), &actor).ok();
    let (_, claims) = decode(text(&body, "access_token"));
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["act"], json!({"sub": "bob"}));
    let made_up = [("actor_token", "x"), ("actor_token_type", ACCESS_TOKEN)];
    let answer = exchange(&fake, &fake.subject_token("alice"), &made_up);
    assert_eq!(answer.error(), invalid_grant());
}

#[test]
fn refusals() {
    let fake = start();
    let body = tokens(&fake, "web", &[]);
    let id_token = text(&body, "id_token");
    assert_eq!(exchange(&fake, id_token, &[]).error(), invalid_grant());
    assert_eq!(exchange(&fake, "garbage", &[]).error(), invalid_grant());
    let of_id_token = "urn:ietf:params:oauth:token-type:id_token";
    let answer = exchange(&fake, id_token, &[("subject_token_type", of_id_token)]);
    assert_eq!(answer.error(), invalid_grant());
    let subject = fake.subject_token("bob");
    fake.remove_user("bob");
    assert_eq!(exchange(&fake, &subject, &[]).error(), invalid_grant());
    let answer = exchange(&fake, "", &[]);
    assert_eq!(
        answer.json()["error_description"],
        "missing required parameter 'subject_token'"
    );
    let answer = Http::new(&fake).token("web", &[("grant_type", GRANT_TYPE)]);
    assert_eq!(
        answer.json()["error_description"],
        "requested grant type is not allowed for this client"
    );
}
