//! Tokens with which an application acts for a user, as an administrator gives them out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::random::token;

const LIFETIME: i64 = 600 * 1000;
const PREFIX: &str = "sub_";
/// What comes after the prefix.
const LENGTH: usize = 21;

/// The tokens that are not used yet. Times are in milliseconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SubjectTokens(BTreeMap<String, SubjectToken>);

#[derive(Debug, Serialize, Deserialize)]
struct SubjectToken {
    user: String,
    expires_at: i64,
}

impl SubjectTokens {
    pub(crate) fn issue(&mut self, user: &str, now: i64) -> String {
        let name: String = token()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .take(LENGTH)
            .collect();
        let value = format!("{PREFIX}{name}");
        let known = SubjectToken {
            user: user.to_owned(),
            expires_at: now + LIFETIME,
        };
        self.0.insert(value.clone(), known);
        value
    }

    pub(crate) fn user(&self, value: &str, now: i64) -> Option<&str> {
        let known = self.0.get(value)?;
        (now < known.expires_at).then_some(known.user.as_str())
    }

    /// Takes a token in; false if it was not good any more.
    pub(crate) fn consume(&mut self, value: &str) -> bool {
        self.0.remove(value).is_some()
    }

    /// Forgets what has expired.
    pub(crate) fn purge(&mut self, now: i64) {
        self.0.retain(|_, known| now < known.expires_at);
    }
}

/// Whether a token looks like one of these.
pub(crate) fn is_subject_token(value: &str) -> bool {
    value.starts_with(PREFIX)
}
