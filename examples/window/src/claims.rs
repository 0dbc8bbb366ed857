//! Claims, as a person reads them.

use logto::{Clock, IdTokenClaims, SystemClock};
use serde::Serialize;
use serde_json::Value;

/// Of use to programs only.
const HIDDEN: [&str; 2] = ["at_hash", "nonce"];

/// The claims' names and what they say.
pub fn rows(claims: &impl Serialize) -> Vec<(String, String)> {
    let Ok(Value::Object(claims)) = serde_json::to_value(claims) else {
        return Vec::new();
    };
    claims
        .into_iter()
        .filter(|(name, value)| !HIDDEN.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| {
            let text = text(&name, &value);
            (name, text)
        })
        .collect()
}

pub fn display_name(claims: &IdTokenClaims) -> &str {
    [&claims.name, &claims.username, &claims.email]
        .into_iter()
        .find_map(|name| name.as_deref().filter(|name| !name.trim().is_empty()))
        .unwrap_or(&claims.sub)
}

/// What is shown where there is no picture.
pub fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

fn text(name: &str, value: &Value) -> String {
    match (name, value) {
        (_, Value::String(text)) => text.clone(),
        ("exp" | "iat" | "nbf" | "auth_time", Value::Number(time)) => {
            when(time.as_i64().unwrap_or_default())
        }
        // Logto's own are in milliseconds.
        ("created_at" | "updated_at", Value::Number(time)) => {
            when(time.as_i64().unwrap_or_default() / 1000)
        }
        (_, other) => other.to_string(),
    }
}

/// How far away a time in Unix seconds is.
fn when(time: i64) -> String {
    let seconds = time.saturating_sub(SystemClock.unix_seconds());
    let distance = match seconds.unsigned_abs() {
        0..60 => return "now".to_owned(),
        seconds @ 60..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    };
    match seconds > 0 {
        true => format!("in {distance}"),
        false => format!("{distance} ago"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_only_programs_need_is_left_out() {
        let rows = rows(&json!({ "sub": "alice", "nonce": "n", "email": null, "exp": i64::MAX }));
        assert_eq!(rows.len(), 2);
        assert!(rows.contains(&("sub".to_owned(), "alice".to_owned())));
        assert!(rows.iter().any(|(_, text)| text.starts_with("in ")));
        assert!(super::rows(&"no object").is_empty());
    }

    #[test]
    fn initials_are_two_letters_of_any_script() {
        assert_eq!(initials("Alice B. Example"), "AB");
        assert_eq!(initials("élodie"), "É");
        assert_eq!(initials(" "), "");
    }
}
