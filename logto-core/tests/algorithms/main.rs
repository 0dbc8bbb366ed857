//! A fixed table: which tokens pass with which keys, and what is said of the others. Tokens and keys are
//! made by `algorithms/make.mjs`, which shares nothing with this crate.

mod table;
mod verdicts;

use std::collections::BTreeSet;

use logto_core::{IdTokenError, JwtError};
use serde_json::{Value, json};

use table::Table;
use verdicts::{HAS_ES512, not_allowed, rows, unsupported};

fn with(mut key: Value, member: &str, value: Value) -> Value {
    key[member] = value;
    key
}

fn without(mut key: Value, member: &str) -> Value {
    key.as_object_mut().unwrap().remove(member);
    key
}

/// Every token that is right, with its key.
const GOOD: [(&str, &str); 11] = [
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("ES512", "p521"),
    ("EdDSA", "ed25519"),
    ("Ed25519", "ed25519"),
];

#[test]
fn every_algorithm_passes_with_its_key() {
    let table = Table::read();
    for (algorithm, name) in GOOD {
        let key = table.key(name);
        let expected = match algorithm {
            "ES512" if !HAS_ES512 => (Err(unsupported().into()), 0),
            _ => (Ok(()), 1),
        };
        let bare = format!("{algorithm} without kid");
        for key in [
            key.clone(),
            with(key.clone(), "alg", json!(algorithm)),
            with(key.clone(), "alg", json!(null)),
            without(with(key.clone(), "key_ops", json!(["verify"])), "use"),
        ] {
            assert_eq!(
                table.check(algorithm, std::slice::from_ref(&key)),
                expected,
                "{key}"
            );
            assert_eq!(
                table.check(&bare, std::slice::from_ref(&key)),
                expected,
                "{key}"
            );
            let nameless = without(key, "kid");
            assert_eq!(table.check(&bare, &[nameless]), expected, "{algorithm}");
        }
        assert_eq!(table.check(algorithm, &table.server_keys()), expected);
    }
    let logtos = [table.key("rsa4096")];
    assert_eq!(table.check("RS256 by 4096 bits", &logtos), (Ok(()), 1));
}

#[test]
fn without_the_feature_an_es512_token_is_told_which_it_needs() {
    let message = IdTokenError::from(unsupported()).to_string();
    assert!(
        message.contains("ES512") && message.contains("`aws-lc-rs`"),
        "{message}"
    );
}

#[test]
fn a_key_for_another_algorithm_does_not_count() {
    let table = Table::read();
    for (algorithm, name) in GOOD {
        if algorithm == "ES512" && !HAS_ES512 {
            continue;
        }
        let key = table.key(name);
        for key in [
            with(key.clone(), "alg", json!("RSA-OAEP")),
            with(
                key.clone(),
                "alg",
                json!(if algorithm == "RS256" {
                    "RS512"
                } else {
                    "RS256"
                }),
            ),
            with(key.clone(), "alg", json!("HS256")),
            with(key.clone(), "use", json!("enc")),
            with(key.clone(), "key_ops", json!(["encrypt"])),
            with(key.clone(), "kid", json!("another")),
            with(key.clone(), "kid", json!(["rsa"])),
            with(key.clone(), "kty", json!("oct")),
            without(key, "kid"),
        ] {
            assert_eq!(
                table.check(algorithm, std::slice::from_ref(&key)),
                (Err(JwtError::NoMatchingKey.into()), 1),
                "{algorithm}: {key}"
            );
        }
    }
}

#[test]
fn what_is_no_key_is_not_among_them() {
    let table = Table::read();
    for (token, key) in [
        ("ES384", "off the curve"),
        ("RS256", "rsa of 1024 bits"),
        ("RS256", "even exponent"),
        ("RS256", "exponent of one"),
        ("RS256 of an exponent of one", "exponent of one"),
        ("RS256", "symmetric"),
        ("HS256 with the client secret", "symmetric"),
    ] {
        let (verdict, fetches) = table.check(token, &[table.key(key)]);
        match token.starts_with("HS256") {
            true => assert_eq!((verdict, fetches), (Err(not_allowed("HS256")), 0)),
            false => assert_eq!(
                (verdict, fetches),
                (Err(JwtError::NoMatchingKey.into()), 1),
                "{key}"
            ),
        }
    }
    let beside_a_good_one = [table.key("off the curve"), table.key("p384")];
    assert_eq!(table.check("ES384", &beside_a_good_one), (Ok(()), 1));
}

#[test]
fn of_keys_with_one_name_each_is_tried_but_not_without_end() {
    let table = Table::read();
    let (right, wrong) = (
        table.key("rsa4096"),
        with(table.key("rsa"), "kid", json!("rsa4096")),
    );
    let token = "RS256 by 4096 bits";
    assert_eq!(
        table.check(token, &[wrong.clone(), right.clone()]),
        (Ok(()), 1)
    );
    let mut many = vec![wrong; 1000];
    many.push(right);
    assert_eq!(
        table.check(token, &many),
        (Err(JwtError::InvalidSignature.into()), 1)
    );
}

#[test]
fn a_token_that_names_no_key_of_several_is_refused() {
    let table = Table::read();
    let ambiguous = (Err(JwtError::AmbiguousKey.into()), 1);
    assert_eq!(
        table.check("RS256 without kid", &table.server_keys()),
        ambiguous
    );
    assert_eq!(
        table.check("ES384 without kid", &table.server_keys()),
        (Ok(()), 1)
    );
}

#[test]
fn every_other_token_has_its_verdict() {
    let table = Table::read();
    let keys = table.server_keys();
    for (token, verdict, fetches) in rows() {
        assert_eq!(table.check(&token, &keys), (verdict, fetches), "{token}");
    }
}

#[test]
fn no_token_is_left_out() {
    let mut named: BTreeSet<_> = rows().into_iter().map(|(token, ..)| token).collect();
    for (algorithm, _) in GOOD {
        named.extend([algorithm.to_owned(), format!("{algorithm} without kid")]);
    }
    assert_eq!(named, Table::read().token_names());
}
