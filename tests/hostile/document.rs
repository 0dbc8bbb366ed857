//! JSON that was right once.

use serde_json::Value;

use super::choices::Choices;
use super::place::{APP_ID, ISSUER, NOW};

/// JSON that can hold what a [`Value`] cannot: a member twice, a number of any size, garbage.
enum Document {
    Leaf(String),
    List(Vec<Document>),
    Object(Vec<(String, Document)>),
}

/// The text of a document after some changes, or of the document itself.
pub fn changed(document: &Value, choices: &mut Choices<'_>) -> String {
    let mut changed = Document::new(document);
    for _ in 0..choices.below(5) {
        changed.change(choices);
    }
    let mut text = String::new();
    changed.write(&mut text);
    match choices.one_in(8) {
        true => damaged(text, choices),
        false => text,
    }
}

fn damaged(text: String, choices: &mut Choices<'_>) -> String {
    match choices.below(6) {
        0 => text.chars().take(choices.below(300)).collect(),
        1 => format!("\u{feff}{text}"),
        2 => format!("{text}{}", choices.text()),
        3 => format!("[{text}]"),
        4 => format!("{}{text}", "[".repeat(choices.pick(&[1, 100, 10_000]))),
        _ => choices.text(),
    }
}

impl Document {
    fn new(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::new).collect()),
            Value::Object(members) => {
                let members = members.iter();
                Self::Object(
                    members
                        .map(|(name, value)| (name.clone(), Self::new(value)))
                        .collect(),
                )
            }
            leaf => Self::Leaf(leaf.to_string()),
        }
    }

    fn change(&mut self, choices: &mut Choices<'_>) {
        match self {
            Self::Object(members) if !members.is_empty() => change_member(members, choices),
            Self::List(items) if !items.is_empty() => {
                let at = choices.below(items.len());
                match choices.below(4) {
                    0 => items[at].change(choices),
                    1 => items[at] = leaf(choices),
                    2 => drop(items.remove(at)),
                    _ => items.push(leaf(choices)),
                }
            }
            other => *other = leaf(choices),
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Leaf(leaf) => text.push_str(leaf),
            Self::List(items) => {
                text.push('[');
                for (n, item) in items.iter().enumerate() {
                    text.push_str(if n == 0 { "" } else { "," });
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    text.push_str(if n == 0 { "" } else { "," });
                    text.push_str(&quoted(name));
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

fn change_member(members: &mut Vec<(String, Document)>, choices: &mut Choices<'_>) {
    let at = choices.below(members.len());
    match choices.below(9) {
        0..=2 => members[at].1 = leaf(choices),
        3 => drop(members.remove(at)),
        4 => members[at].1.change(choices),
        5 => {
            // The same member a second time, before or after the first.
            let name = members[at].0.clone();
            let place = at + choices.below(2);
            members.insert(place, (name, leaf(choices)));
        }
        6 => members[at].0 = members[at].0.to_uppercase(),
        7 => {
            let value = std::mem::replace(&mut members[at].1, Document::Leaf(String::new()));
            members[at].1 = Document::List(vec![value]);
        }
        _ => {
            let name = match choices.one_in(4) {
                true => choices.text(),
                false => choices.pick(&NAMES).to_owned(),
            };
            let at = choices.below(members.len() + 1);
            members.insert(at, (name, leaf(choices)));
        }
    }
}

/// Names of members that mean something somewhere.
const NAMES: [&str; 22] = [
    "",
    "kid",
    "alg",
    "typ",
    "crit",
    "b64",
    "jku",
    "use",
    "key_ops",
    "nbf",
    "azp",
    "at_hash",
    "auth_time",
    "nonce",
    "organizations",
    "extra",
    "scope",
    "expires_in",
    "identities",
    "custom_data",
    "iss",
    "sub",
];

const LEAVES: [&str; 32] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "1.5",
    "1e400",
    "-1e400",
    "1e308",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "[]",
    "{}",
    "[null]",
    r#""""#,
    r#""a""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""a\r\nb: c""#,
    r#""none""#,
    r#""ES256""#,
    r#""ES384""#,
    r#""RS256""#,
    r#""EdDSA""#,
    r#""JWT""#,
    r#""at+jwt""#,
    "NaN",
];

const TEXTS: [&str; 12] = [
    ISSUER,
    APP_ID,
    "Bearer",
    "invalid_grant",
    "invalid_token",
    "http://evil.example/",
    "https://evil.example/",
    "http://localhost:1/",
    "http://127.0.0.1@evil.example/",
    "https://evil.example\\@127.0.0.1/",
    "javascript:alert(1)",
    "verify",
];

/// Seconds that lie at some limit from now.
pub const OFFSETS: [i64; 14] = [
    0, 1, -1, 59, 60, 61, -59, -60, -61, -659, -660, -661, 3600, -86_400,
];

fn leaf(choices: &mut Choices<'_>) -> Document {
    Document::Leaf(match choices.below(8) {
        0..=2 => choices.pick(&LEAVES).to_owned(),
        3 => quoted(choices.pick(&TEXTS)),
        4 => (NOW + choices.pick(&OFFSETS)).to_string(),
        5 => quoted(&"x".repeat(choices.pick(&[254, 255, 256, 501, 6_000, 17_000]))),
        6 => {
            let depth = choices.pick(&[2, 126, 127, 128, 500]);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        _ => quoted(&choices.text()),
    })
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
