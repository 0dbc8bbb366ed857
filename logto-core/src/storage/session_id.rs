//! The name of one session among many.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{random_bytes, sha256};

/// The name of a session: 256 random bits, for a cookie.
///
/// Whoever knows it is signed in, so `Debug` does not show it, and a store writes its
/// [digest](SessionId::digest) instead of the id.
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
    digest: [u8; 32],
}

impl SessionId {
    /// A new id that nobody has seen.
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn random() -> Self {
        Self::of_text(URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
    }

    /// The id from a cookie: 43 characters of base64url.
    ///
    /// # Errors
    ///
    /// [`InvalidSessionId`] if it has another form; it was not made by [`random`](Self::random).
    pub fn parse(text: &str) -> Result<Self, InvalidSessionId> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) if text.len() == 43 => Ok(Self::of_text(text.to_owned())),
            _ => Err(InvalidSessionId),
        }
    }

    /// The id of the one session of a program with one user. It has no form that
    /// [`parse`](Self::parse) takes, so no cookie can name it.
    pub(crate) fn of_the_only_session() -> Self {
        Self::of_text("default".to_owned())
    }

    fn of_text(text: String) -> Self {
        let digest = sha256(text.as_bytes());
        Self { text, digest }
    }

    /// The id itself, for the cookie.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the id: the name under which a store keeps the session. Knowing it signs
    /// nobody in.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The [digest](Self::digest) in lower-case hexadecimal: 64 characters.
    pub fn digest_hex(&self) -> String {
        self.digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
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
