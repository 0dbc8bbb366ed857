//! A string that does not print itself.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// A token, a secret, a verifier: a string that `Debug` does not show, that compares in constant
/// time, and that is overwritten in memory when it is dropped.
///
/// ```
/// # use logto_core as logto;
/// use logto::Secret;
///
/// let secret = Secret::from("correct horse");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "correct horse");
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps this string.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The string itself. Its name is meant to be seen in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// In the extensions of a request and of its answer: the secrets that were sent, which a server must not
/// bring into a message by repeating them.
#[derive(Clone)]
pub(crate) struct Sent(Arc<[Secret]>);

impl Sent {
    /// Shorter ones would be found in any text.
    const SHORTEST: usize = 8;

    /// Remembers these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let long = |secret: &&str| secret.len() >= Self::SHORTEST;
        Self(secrets.into_iter().filter(long).map(Secret::new).collect())
    }

    /// A text of the server without them.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "***")
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        overwrite_at_once(&mut self.0);
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same_secret(self.expose(), other.expose())
    }
}

impl Eq for Secret {}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

/// Overwrites the string in one piece and leaves it empty, before it is dropped: that would overwrite byte by
/// byte, which takes many times as long.
fn overwrite_at_once(text: &mut String) {
    text.as_mut_str().zeroize();
    text.clear();
}

/// Compares two strings in a time that does not depend on where they differ.
pub(crate) fn same_secret(a: &str, b: &str) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // By words: a step takes as long for eight bytes as for one.
    let (a_words, a_rest) = a.as_bytes().as_chunks();
    let (b_words, b_rest) = b.as_bytes().as_chunks();
    let pairs = a_words.iter().zip(b_words);
    let same = pairs.fold(a_rest.ct_eq(b_rest), |same, (a, b)| {
        same & u64::from_ne_bytes(*a).ct_eq(&u64::from_ne_bytes(*b))
    });
    same.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_the_same_if_every_byte_is() {
        let text = "0123456789".repeat(3);
        for length in 0..=text.len() {
            let text = &text[..length];
            assert!(same_secret(text, text), "{text}");
            assert!(!same_secret(text, &format!("{text}0")), "{text}");
            for place in 0..length {
                let mut other = text.to_owned();
                other.replace_range(place..=place, "x");
                assert!(!same_secret(text, &other), "{text} and {other}");
            }
        }
    }
}
