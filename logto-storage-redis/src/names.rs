//! What the keys are called.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_core::{OwnerDigest, SessionKey, StorageError};

use crate::error::refused_setting;

const LONGEST_PREFIX: usize = 64;

/// The names of all keys: they begin with one prefix.
pub(crate) struct Names {
    prefix: String,
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

    /// The hash of a session. Its tag keeps the lock in the same slot.
    pub(crate) fn session(&self, session: &SessionKey) -> String {
        let name = URL_SAFE_NO_PAD.encode(session.as_bytes());
        format!("{}:{{{name}}}", self.prefix)
    }

    pub(crate) fn lock(&self, session: &SessionKey) -> String {
        format!("{}:lock", self.session(session))
    }

    /// The session that has this key, if it is one of a session.
    pub(crate) fn session_of_key(&self, key: &[u8]) -> Option<SessionKey> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        let name = rest.strip_prefix(b":{")?.strip_suffix(b"}")?;
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(name, &mut bytes) {
            Ok(32) if name.len() == 43 => Some(SessionKey::from_bytes(bytes)),
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_key_goes_through_its_name() {
        let names = Names::new("a*b".into()).unwrap();
        let session = SessionKey::from_bytes([7; 32]);
        let key = names.session(&session);
        assert_eq!(key.len(), "a*b:{}".len() + 43);
        assert!(names.session_of_key(key.as_bytes()) == Some(session));
        let lock = names.lock(&session);
        assert!(names.session_of_key(lock.as_bytes()).is_none());
        assert_eq!(names.pattern_of_sessions(), "a\\*b:{*}");
    }

    #[test]
    fn prefix_that_breaks_the_hash_tag_is_refused() {
        for bad in ["", "a{b", "a}b", "a\nb", &"x".repeat(65)] {
            assert!(Names::new(bad.into()).is_err());
        }
        assert!(Names::new("x".repeat(64)).is_ok());
    }
}
