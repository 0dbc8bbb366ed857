//! Whom a token is for.

use serde::{Deserialize, Serialize};

/// The `aud` claim: whom a token is for. One name or several
/// ([RFC 7519, section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
///
/// ```
/// # use logto_core as logto;
/// use logto::Audience;
///
/// let one: Audience = serde_json::from_str(r#""my-app""#)?;
/// let many: Audience = serde_json::from_str(r#"["my-app", "other"]"#)?;
/// assert!(one.contains("my-app") && many.contains("my-app"));
/// assert_eq!(one.as_slice(), ["my-app"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Audience(Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether the token is for this one, among others or alone.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|audience| audience == name)
    }

    /// All the names, in the token's order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl PartialEq<str> for Audience {
    /// Whether the token is for this one alone.
    fn eq(&self, name: &str) -> bool {
        matches!(self.0.as_slice(), [only] if only == name)
    }
}

impl PartialEq<&str> for Audience {
    fn eq(&self, name: &&str) -> bool {
        self == *name
    }
}

impl From<OneOrMany> for Audience {
    fn from(value: OneOrMany) -> Self {
        match value {
            OneOrMany::One(name) => Self(vec![name]),
            OneOrMany::Many(names) => Self(names),
        }
    }
}

impl From<Audience> for OneOrMany {
    fn from(Audience(mut names): Audience) -> Self {
        match names.len() {
            1 => Self::One(names.remove(0)),
            _ => Self::Many(names),
        }
    }
}
