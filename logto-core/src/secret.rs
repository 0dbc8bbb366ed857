//! A string that does not print itself.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

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
pub struct Secret(Zeroizing<Box<str>>);

impl Secret {
    /// Keeps this string.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into().into_boxed_str()))
    }

    /// The string itself. Its name is meant to be seen in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// In the extensions of a request and of its answer: the secrets that were sent, which a server must not
/// bring into a message by repeating them.
#[derive(Clone)]
pub(crate) struct Redactions(Arc<[Secret]>);

impl Redactions {
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

/// Compares two strings in a time that does not depend on where they differ.
pub(crate) fn same_secret(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
