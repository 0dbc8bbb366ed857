//! ID tokens whose signature is right and whose claims are not.

use logto::{IdTokenError, JwtError, LogtoError};
use logto_testing::Endpoint;
use serde_json::{Map, Value, json};

use crate::basic::is_missing;
use crate::forger::{Forger, encode};
use crate::scene::{Check, Scene, Stage, is};

/// What the claims are made of by a row: `now` is the server's and the client's.
type Change = fn(&mut Map<String, Value>, i64);

fn put(claims: &mut Map<String, Value>, claim: &str, value: impl Into<Value>) {
    claims.insert(claim.to_owned(), value.into());
}

fn feed(scene: &Scene, change: Change) {
    scene.fake.tamper_id_token(move |_, claims| {
        let now = claims["iat"].as_i64().unwrap();
        change(claims, now);
    });
}

/// A claim of another JSON type than it has to be.
const OF_ANOTHER_TYPE: Check = is!(LogtoError::IdToken(IdTokenError::Jwt(JwtError::Json {
    part: "payload",
    ..
})));

fn each_is_refused(rows: &[(&str, Change, Check)]) {
    let scene = Scene::signed_in();
    for (fed, change, expected) in rows {
        println!("{fed}");
        feed(&scene, *change);
        let error = scene.refused_sign_in(&scene.callback(), &[Endpoint::Token]);
        assert!(expected(&error), "{fed}: {error:?}");
        assert!(!error.is_retryable() && !error.requires_sign_in(), "{fed}");
    }
    scene.recovers();
}

fn each_is_accepted(rows: &[(&str, Change)]) {
    let scene = Scene::signed_in();
    for (fed, change) in rows {
        println!("{fed}");
        feed(&scene, *change);
        let result = scene.finish(&scene.callback());
        assert!(result.is_ok(), "{fed}: {result:?}");
    }
}

#[test]
fn issuers() {
    let expected = is!(LogtoError::IdToken(IdTokenError::IssuerMismatch));
    each_is_refused(&[
        (
            "a slash",
            |claims, _| {
                put(
                    claims,
                    "iss",
                    format!("{}/", claims["iss"].as_str().unwrap()),
                )
            },
            expected,
        ),
        ("empty", |claims, _| put(claims, "iss", ""), expected),
        (
            "without its path",
            |claims, _| {
                put(
                    claims,
                    "iss",
                    claims["iss"].as_str().unwrap().replace("/oidc", ""),
                )
            },
            expected,
        ),
        (
            "in upper case",
            |claims, _| {
                put(
                    claims,
                    "iss",
                    claims["iss"].as_str().unwrap().to_uppercase(),
                )
            },
            expected,
        ),
        (
            "null",
            |claims, _| put(claims, "iss", Value::Null),
            OF_ANOTHER_TYPE,
        ),
        (
            "a list",
            |claims, _| put(claims, "iss", json!([claims["iss"]])),
            OF_ANOTHER_TYPE,
        ),
    ]);
}

#[test]
fn audiences() {
    let other = is!(LogtoError::IdToken(IdTokenError::AudienceMismatch));
    let further = is!(LogtoError::IdToken(IdTokenError::UntrustedAudience));
    let party = is!(LogtoError::IdToken(IdTokenError::AuthorizedPartyMismatch));
    each_is_refused(&[
        ("another", |claims, _| put(claims, "aud", "evil"), other),
        ("none", |claims, _| put(claims, "aud", json!([])), other),
        ("empty", |claims, _| put(claims, "aud", ""), other),
        (
            "in upper case",
            |claims, _| put(claims, "aud", "APP"),
            other,
        ),
        (
            "with a space",
            |claims, _| put(claims, "aud", "app "),
            other,
        ),
        (
            "the start of a name",
            |claims, _| put(claims, "aud", "app2"),
            other,
        ),
        (
            "two in one",
            |claims, _| put(claims, "aud", "app evil"),
            other,
        ),
        (
            "a list of others",
            |claims, _| put(claims, "aud", json!(["evil", "bad"])),
            other,
        ),
        (
            "a further one",
            |claims, _| put(claims, "aud", json!(["app", "evil"])),
            further,
        ),
        (
            "a further one, with azp",
            |claims, _| {
                put(claims, "aud", json!(["app", "evil"]));
                put(claims, "azp", "app");
            },
            further,
        ),
        (
            "null",
            |claims, _| put(claims, "aud", Value::Null),
            OF_ANOTHER_TYPE,
        ),
        (
            "a number",
            |claims, _| put(claims, "aud", 1),
            OF_ANOTHER_TYPE,
        ),
        (
            "an object",
            |claims, _| put(claims, "aud", json!({ "app": true })),
            OF_ANOTHER_TYPE,
        ),
        (
            "a list in a list",
            |claims, _| put(claims, "aud", json!([["app"]])),
            OF_ANOTHER_TYPE,
        ),
        (
            "azp of another",
            |claims, _| put(claims, "azp", "evil"),
            party,
        ),
        ("azp empty", |claims, _| put(claims, "azp", ""), party),
        (
            "azp a number",
            |claims, _| put(claims, "azp", 1),
            OF_ANOTHER_TYPE,
        ),
    ]);
    each_is_accepted(&[
        ("a list", |claims, _| put(claims, "aud", json!(["app"]))),
        ("twice", |claims, _| {
            put(claims, "aud", json!(["app", "app"]))
        }),
        ("azp", |claims, _| put(claims, "azp", "app")),
    ]);
}

#[test]
fn expiries() {
    let expired = is!(LogtoError::IdToken(IdTokenError::Expired));
    each_is_refused(&[
        (
            "missing",
            |claims, _| drop(claims.remove("exp")),
            |error| is_missing(error, "exp"),
        ),
        (
            "60 s ago",
            |claims, now| put(claims, "exp", now - 60),
            expired,
        ),
        (
            "61 s ago",
            |claims, now| put(claims, "exp", now - 61),
            expired,
        ),
        (
            "at the beginning",
            |claims, _| put(claims, "exp", 0),
            expired,
        ),
        ("negative", |claims, _| put(claims, "exp", -1), expired),
        (
            "the smallest number",
            |claims, _| put(claims, "exp", i64::MIN),
            expired,
        ),
        (
            "in milliseconds of 1970",
            |claims, now| put(claims, "exp", now / 1000),
            expired,
        ),
        (
            "a string",
            |claims, now| put(claims, "exp", (now + 3600).to_string()),
            OF_ANOTHER_TYPE,
        ),
        (
            "null",
            |claims, _| put(claims, "exp", Value::Null),
            OF_ANOTHER_TYPE,
        ),
        (
            "too large for a time",
            |claims, _| put(claims, "exp", u64::MAX),
            OF_ANOTHER_TYPE,
        ),
        (
            "absurd",
            |claims, _| put(claims, "exp", 1e300),
            OF_ANOTHER_TYPE,
        ),
    ]);
    each_is_accepted(&[
        ("30 s ago", |claims, now| put(claims, "exp", now - 30)),
        ("59 s ago", |claims, now| put(claims, "exp", now - 59)),
        ("with a fraction", |claims, now| {
            put(claims, "exp", now as f64 + 3600.5)
        }),
        ("at the end of time", |claims, _| {
            put(claims, "exp", i64::MAX)
        }),
    ]);
}

#[test]
fn the_tolerance_of_clocks_is_one_knob() {
    for (tolerance, exp, iat) in [(0, 1, 0), (60, -59, 60), (300, -299, 300)] {
        let fed = |exp: i64, iat: i64| {
            let scene = scene_with_tolerance(tolerance);
            scene.fake.tamper_id_token(move |_, claims| {
                let now = claims["iat"].as_i64().unwrap();
                put(claims, "exp", now + exp);
                put(claims, "iat", now + iat);
            });
            scene.finish(&scene.callback()).map(|_| ())
        };
        fed(exp, iat).unwrap();
        let expired = is!(LogtoError::IdToken(IdTokenError::Expired));
        assert!(expired(&fed(exp - 1, iat).unwrap_err()), "{tolerance}");
        let early = is!(LogtoError::IdToken(IdTokenError::NotYetValid));
        assert!(early(&fed(exp, iat + 1).unwrap_err()), "{tolerance}");
    }
}

fn scene_with_tolerance(seconds: u64) -> Scene {
    let build: fn(logto::LogtoBuilder) -> logto::LogtoBuilder = match seconds {
        0 => |builder| builder.clock_tolerance(std::time::Duration::ZERO),
        300 => |builder| builder.clock_tolerance(std::time::Duration::from_secs(300)),
        _ => |builder| builder,
    };
    Stage {
        build,
        ..Stage::default()
    }
    .scene()
}

#[test]
fn beginnings() {
    let early = is!(LogtoError::IdToken(IdTokenError::NotYetValid));
    let old = is!(LogtoError::IdToken(IdTokenError::TooOld));
    each_is_refused(&[
        (
            "iat missing",
            |claims, _| drop(claims.remove("iat")),
            |error| is_missing(error, "iat"),
        ),
        (
            "iat in an hour",
            |claims, now| put(claims, "iat", now + 3600),
            early,
        ),
        (
            "iat in 61 s",
            |claims, now| put(claims, "iat", now + 61),
            early,
        ),
        (
            "iat at the end of time",
            |claims, _| put(claims, "iat", i64::MAX),
            early,
        ),
        (
            "iat 661 s ago",
            |claims, now| put(claims, "iat", now - 661),
            old,
        ),
        ("iat negative", |claims, _| put(claims, "iat", -1), old),
        (
            "iat the smallest number",
            |claims, _| put(claims, "iat", i64::MIN),
            old,
        ),
        (
            "iat a string",
            |claims, now| put(claims, "iat", now.to_string()),
            OF_ANOTHER_TYPE,
        ),
        (
            "nbf in 61 s",
            |claims, now| put(claims, "nbf", now + 61),
            early,
        ),
        (
            "nbf at the end of time",
            |claims, _| put(claims, "nbf", i64::MAX),
            early,
        ),
        (
            "nbf a string",
            |claims, now| put(claims, "nbf", now.to_string()),
            OF_ANOTHER_TYPE,
        ),
    ]);
    each_is_accepted(&[
        ("iat in 60 s", |claims, now| put(claims, "iat", now + 60)),
        ("iat 660 s ago", |claims, now| put(claims, "iat", now - 660)),
        ("nbf in 60 s", |claims, now| put(claims, "nbf", now + 60)),
        ("nbf long ago", |claims, _| put(claims, "nbf", 0)),
    ]);
}

#[test]
fn nonces() {
    let missing = is!(LogtoError::IdToken(IdTokenError::NonceMissing));
    let wrong = is!(LogtoError::IdToken(IdTokenError::NonceMismatch));
    each_is_refused(&[
        ("missing", |claims, _| drop(claims.remove("nonce")), missing),
        (
            "null",
            |claims, _| put(claims, "nonce", Value::Null),
            missing,
        ),
        (
            "another",
            |claims, _| put(claims, "nonce", "another"),
            wrong,
        ),
        ("empty", |claims, _| put(claims, "nonce", ""), wrong),
        (
            "its start",
            |claims, _| {
                put(
                    claims,
                    "nonce",
                    claims["nonce"].as_str().unwrap()[..42].to_owned(),
                )
            },
            wrong,
        ),
        (
            "with a space",
            |claims, _| {
                put(
                    claims,
                    "nonce",
                    format!("{} ", claims["nonce"].as_str().unwrap()),
                )
            },
            wrong,
        ),
        (
            "a list",
            |claims, _| put(claims, "nonce", json!([claims["nonce"]])),
            OF_ANOTHER_TYPE,
        ),
    ]);
}

#[test]
fn subjects() {
    let invalid = is!(LogtoError::IdToken(IdTokenError::InvalidSubject));
    each_is_refused(&[
        (
            "missing",
            |claims, _| drop(claims.remove("sub")),
            |error| is_missing(error, "sub"),
        ),
        ("empty", |claims, _| put(claims, "sub", ""), invalid),
        (
            "256 characters",
            |claims, _| put(claims, "sub", "x".repeat(256)),
            invalid,
        ),
        (
            "10 kB",
            |claims, _| put(claims, "sub", "x".repeat(10_000)),
            invalid,
        ),
        (
            "a number",
            |claims, _| put(claims, "sub", 42),
            OF_ANOTHER_TYPE,
        ),
        (
            "null",
            |claims, _| put(claims, "sub", Value::Null),
            OF_ANOTHER_TYPE,
        ),
        (
            "a list",
            |claims, _| put(claims, "sub", json!(["bob"])),
            OF_ANOTHER_TYPE,
        ),
    ]);
    each_is_accepted(&[("255 characters", |claims, _| {
        put(claims, "sub", "x".repeat(255))
    })]);
}

#[test]
fn hashes_of_the_access_token() {
    let wrong = is!(LogtoError::IdToken(IdTokenError::AccessTokenHashMismatch));
    each_is_refused(&[
        ("wrong", |claims, _| put(claims, "at_hash", "AAAA"), wrong),
        ("empty", |claims, _| put(claims, "at_hash", ""), wrong),
        (
            "a number",
            |claims, _| put(claims, "at_hash", 1),
            OF_ANOTHER_TYPE,
        ),
    ]);
    // The right one, which only the answer as a whole can have: the left half of SHA-384.
    let scene = Scene::new();
    let forger = Forger::at(&scene.fake);
    scene.fake.tamper_response(Endpoint::Token, move |answer| {
        let access_token = answer["access_token"].as_str().unwrap().as_bytes();
        let hash = ring::digest::digest(&ring::digest::SHA384, access_token);
        let mut parts = answer["id_token"].as_str().unwrap().split('.');
        let mut claims = crate::scene::decoded(parts.nth(1).unwrap());
        put(&mut claims, "at_hash", encode(&hash.as_ref()[..24]));
        let claims = Value::from(claims).to_string();
        answer["id_token"] = forger.sign(&Forger::header().to_string(), &claims).into();
    });
    scene.sign_in("alice");
    scene.refresh().unwrap().unwrap();
}
