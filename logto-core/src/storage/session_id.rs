//! The name of one session among many: the id in the cookie, and the key in the storage.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{random_bytes, sha256};

/// The id of a session: 256 random bits, for a cookie.
///
/// Knowing it is being signed in. `Debug` does not show it, and a storage sees its
/// [key](Self::key) only.
///
/// ```
/// # use logto_core as logto;
/// use logto::SessionId;
///
/// let id = SessionId::random();
/// let cookie = format!("session={}; HttpOnly; SameSite=Lax; Path=/", id.expose());
/// assert_eq!(SessionId::parse(id.expose())?, id);
/// # Ok::<(), logto_core::InvalidSessionId>(())
/// ```
#[derive(Clone)]
pub struct SessionId {
    text: String,
    key: SessionKey,
}

impl SessionId {
    /// A new id.
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn random() -> Self {
        Self::from_text(URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
    }

    /// The id from a cookie: 43 characters of base64url.
    ///
    /// # Errors
    ///
    /// [`InvalidSessionId`] if it has another form; [`random`](Self::random) did not make it.
    pub fn parse(text: &str) -> Result<Self, InvalidSessionId> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) if text.len() == 43 => Ok(Self::from_text(text.to_owned())),
            _ => Err(InvalidSessionId),
        }
    }

    fn from_text(text: String) -> Self {
        let key = SessionKey(sha256(text.as_bytes()));
        Self { text, key }
    }

    /// The id itself, for the cookie.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The key of the session in a storage. Knowing it signs nobody in.
    pub fn key(&self) -> SessionKey {
        self.key
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for SessionId {}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(***)")
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The text is not a session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id: 43 characters of base64url are expected")]
pub struct InvalidSessionId;

/// The key of a session in a storage: the SHA-256 of the text of its [`SessionId`].
///
/// `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The one session of a program with one user, such as a desktop or command-line program. No
    /// cookie can name it.
    pub const ONLY: Self = Self([0; 32]);

    /// The key that a backend has read.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key, for a backend to write.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key in lower-case hexadecimal, 64 characters: for a file name or a text column.
    pub fn to_hex(&self) -> String {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        digits
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    /// The key of 64 hexadecimal characters in lower case; `None` of any other text.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_key_goes_through_hexadecimal() {
        let key = SessionId::random().key();
        assert_eq!(SessionKey::from_hex(&key.to_hex()), Some(key));
        let upper = key.to_hex().to_uppercase();
        for text in [
            "",
            "00",
            &key.to_hex()[1..],
            &format!("{}0", key.to_hex()),
            &"g".repeat(64),
            &"é".repeat(32),
        ] {
            assert_eq!(SessionKey::from_hex(text), None, "{text}");
        }
        assert!(upper == key.to_hex() || SessionKey::from_hex(&upper).is_none());
    }
}
