//! Random names, and digests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

/// 43 characters that nobody guesses, as Logto's tokens have.
///
/// # Panics
///
/// If the operating system has no random bytes to give, which no program can work around.
pub(crate) fn token() -> String {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    base64url(bytes)
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The SHA-256 of the data, in base64url.
pub(crate) fn digest(data: &[u8]) -> String {
    base64url(digest::digest(&digest::SHA256, data))
}
