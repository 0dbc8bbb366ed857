//! What the keys are called.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_core::{OwnerDigest, StorageError};

use crate::error::refused_setting;

const LONGEST_PREFIX: usize = 64;

/// The names of all keys: they begin with one prefix.
pub(crate) struct Names {
    prefix: String,
}

/// The key of one session. A hash tag keeps its lock in the same slot.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionKey {
    digest: [u8; 32],
    text: String,
}

impl Names {
    pub(crate) fn new(prefix: String) -> Result<Self, StorageError> {
        let is_bad = |c: char| c.is_control() || c == '{' || c == '}';
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || prefix.contains(is_bad) {
            return Err(refused_setting(format!(
                "the prefix of keys has 1 to {LONGEST_PREFIX} bytes, and no braces or control characters"
            )));
        }
        Ok(Self { prefix })
    }

    pub(crate) fn session(&self, digest: [u8; 32]) -> SessionKey {
        let name = URL_SAFE_NO_PAD.encode(digest);
        SessionKey {
            digest,
            text: format!("{}:{{{name}}}", self.prefix),
        }
    }

    /// The session of this name: the digest in base64url.
    pub(crate) fn session_named(&self, name: &[u8]) -> Option<SessionKey> {
        let mut digest = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(name, &mut digest) {
            Ok(32) if name.len() == SessionKey::NAME => Some(self.session(digest)),
            _ => None,
        }
    }

    /// The session that has this key, if it is one of a session.
    pub(crate) fn session_of_key(&self, key: &[u8]) -> Option<SessionKey> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        let name = rest.strip_prefix(b":{")?.strip_suffix(b"}")?;
        self.session_named(name)
    }

    /// What the keys of all sessions are like, to `SCAN`.
    pub(crate) fn pattern_of_sessions(&self) -> String {
        let mut pattern = String::new();
        for c in self.prefix.chars() {
            if "*?[]^\\".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern + ":{*}"
    }

    /// The index of an owner's sessions.
    pub(crate) fn index(&self, owner: &OwnerDigest) -> String {
        format!("{}:owner:{owner}", self.prefix)
    }
}

impl SessionKey {
    /// How many characters the digest has in base64url.
    pub(crate) const NAME: usize = 43;

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The digest in base64url.
    pub(crate) fn name(&self) -> &str {
        &self.text[self.text.len() - 1 - Self::NAME..self.text.len() - 1]
    }

    pub(crate) fn lock(&self) -> String {
        format!("{}:lock", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_key() {
        let names = Names::new("a*b".into()).unwrap();
        let key = names.session([7; 32]);
        assert_eq!(key.as_str().len(), "a*b:{}".len() + SessionKey::NAME);
        assert!(names.session_of_key(key.as_str().as_bytes()) == Some(key.clone()));
        assert!(names.session_named(key.name().as_bytes()) == Some(key.clone()));
        assert!(names.session_of_key(key.lock().as_bytes()).is_none());
        assert_eq!(names.pattern_of_sessions(), "a\\*b:{*}");
    }

    #[test]
    fn a_prefix_that_breaks_the_hash_tag_is_refused() {
        for bad in ["", "a{b", "a}b", "a\nb", &"x".repeat(65)] {
            assert!(Names::new(bad.into()).is_err());
        }
        assert!(Names::new("x".repeat(64)).is_ok());
    }
}
