//! Looking for secrets in a text, in whatever form.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use logto::SessionKey;
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

/// A part of a JWT that is shorter says nothing.
const SHORTEST_PART: usize = 20;

/// Secrets, each with its name.
#[derive(Default)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    pub fn of<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all = Self::default();
        for (name, secret) in secrets {
            all.add(name, secret);
        }
        all
    }

    /// Adds one; of a JWT, its parts too.
    pub fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 8, "{name} is too short to be looked for");
        self.insert(secret, name.to_owned());
        if secret.starts_with("eyJ") {
            // A header is the same for all tokens of a key.
            for part in secret.split('.').skip(1) {
                if part.len() > SHORTEST_PART {
                    self.insert(part, format!("a part of {name}"));
                }
            }
        }
    }

    /// The first name of a secret stays.
    fn insert(&mut self, secret: &str, name: String) {
        self.0.entry(secret.to_owned()).or_insert(name);
    }

    /// Adds the key of a session, as digits and as bytes.
    pub fn add_key(&mut self, key: &SessionKey) {
        self.add("the key of a session", &key.to_hex());
        self.add("the key of a session", &format!("{:?}", key.as_bytes()));
    }

    /// Adds what a session has stored under this name, which is JSON or a token.
    pub fn add_stored(&mut self, name: &str, stored: &str) {
        match serde_json::from_str(stored) {
            Ok(value) => self.add_members(name, &value),
            Err(_) => self.add(name, stored),
        }
    }

    fn add_members(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (member, value) in members {
                    match (member.as_str(), value) {
                        ("token" | "codeVerifier" | "state" | "nonce", Value::String(secret)) => {
                            self.add(&format!("{name}'s {member}"), secret)
                        }
                        _ => self.add_members(name, value),
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.add_members(name, item);
                }
            }
            _ => {}
        }
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.0.values().map(String::as_str).collect()
    }

    /// The names of those that are in the text.
    pub fn found_in(&self, text: &str) -> Vec<&str> {
        let is_in = |secret: &str| forms(secret).iter().any(|form| text.contains(form));
        let found = self.0.iter().filter(|(secret, _)| is_in(secret));
        found.map(|(_, name)| name.as_str()).collect()
    }

    /// Holds none of them to be in the text.
    pub fn are_not_in(&self, text: &str, what: &str) {
        assert!(!self.0.is_empty());
        let found = self.found_in(text);
        if found.is_empty() {
            return;
        }
        let mut lines = text.lines().filter(|line| !self.found_in(line).is_empty());
        panic!("{what}: {found:?}, first in {:?}", lines.next());
    }
}

/// All the ways in which a value may be printed.
pub fn debug(value: &dyn Debug) -> String {
    format!("{value:?}\n{value:#?}")
}

/// The same of an error and all that caused it.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut printed = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        printed.push(format!("{error}\n{error:#}\n{}", debug(&error)));
        next = error.source();
    }
    printed.join("\n")
}

/// A secret as it is, percent-encoded, as base64 wherever it begins in what was encoded, as hexadecimal
/// digits, and as a list of bytes.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{bytes:?}");
    let mut forms = vec![
        secret.to_owned(),
        byte_serialize(bytes).collect(),
        hex.to_uppercase(),
        hex,
        list[1..list.len() - 1].to_owned(),
    ];
    for before in 0..3 {
        let bytes = [&vec![0; before], bytes].concat();
        // Only characters that are made of the secret's bits alone.
        let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        forms.push(STANDARD.encode(&bytes)[start..end].to_owned());
        forms.push(URL_SAFE.encode(&bytes)[start..end].to_owned());
    }
    forms
}

#[test]
fn a_planted_secret_is_found_in_every_form() {
    let secrets = Secrets::of([("the secret", "s3cr3t/+s3cr3t")]);
    for planted in [
        "x s3cr3t/+s3cr3t x".to_owned(),
        "https://example.com/?a=s3cr3t%2F%2Bs3cr3t".to_owned(),
        STANDARD.encode("app:s3cr3t/+s3cr3t"),
        STANDARD.encode("ap:s3cr3t/+s3cr3t, and more"),
        URL_SAFE.encode("a:s3cr3t/+s3cr3t"),
        format!("{:?}", b"a s3cr3t/+s3cr3t!"),
        "7333637233742f2b733363723374".to_owned(),
    ] {
        assert_eq!(secrets.found_in(&planted), ["the secret"], "{planted}");
    }
    for innocent in ["", "s3cr3t", "s3cr3t/+s3cr3", &STANDARD.encode("s3cr3t")] {
        assert!(secrets.found_in(innocent).is_empty(), "{innocent}");
    }
}

#[test]
#[should_panic = "the secret"]
fn a_planted_secret_fails_the_test() {
    Secrets::of([("the secret", "s3cr3t s3cr3t")]).are_not_in("a s3cr3t s3cr3t", "a text");
}

#[test]
fn a_part_of_a_token_is_found() {
    let payload = "eyJzdWIiOiJhbGljZSIsImlhdCI6MX0";
    let token = format!("eyJhbGciOiJFUzM4NCJ9.{payload}.c2ln");
    let secrets = Secrets::of([("the token", &*token)]);
    assert_eq!(secrets.found_in(payload), ["a part of the token"]);
}

#[test]
fn a_planted_source_is_printed() {
    let inner = std::io::Error::other("s3cr3t s3cr3t");
    let kind = logto::StorageErrorKind::Backend;
    let error = logto::StorageError::new(kind, "failed").with_source(inner);
    assert!(chain(&error).contains("s3cr3t s3cr3t"));
}
