//! What nobody else has.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_core::{StorageError, StorageErrorKind};
use ring::rand::{SecureRandom as _, SystemRandom};

/// How many characters a token has.
pub(crate) const TOKEN: usize = 22;

/// 128 random bits in base64url, which name one holding of a lock or one rename.
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn random() -> Result<Self, StorageError> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).map_err(|_| {
            let message = "the operating system gives no random bytes";
            StorageError::new(StorageErrorKind::Backend, message)
        })?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// One that was stored.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let is_of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let text = str::from_utf8(text).ok()?;
        (text.len() == TOKEN && text.as_bytes().iter().all(is_of_base64))
            .then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
