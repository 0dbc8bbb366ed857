//! The shape of a signed JWT
//! ([RFC 7515, section 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)), before any check.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::claims::{UniqueMembers, unique_members};
use super::jws::SigningAlgorithm;
use super::response::describe_json_error;
use crate::utilities::urlsafe_decode;

/// The longest token that is read, in bytes.
pub(crate) const LONGEST_TOKEN: usize = 16 * 1024;

/// The longest `sub`, `sid` and `jti`, in bytes (OpenID Connect Core, section 2).
const LONGEST_ID: usize = 255;

/// Whether a claim can name somebody or something.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len())
}

/// What a token is for. The `typ` of its header tells
/// ([RFC 8725, section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)), so that no kind
/// passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `JWT`, or none.
    Id,
    /// `at+jwt` ([RFC 9068, section 2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
    Access,
    /// `logout+jwt` ([Back-Channel Logout, section 2.4](https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken)).
    Logout,
}

impl TokenKind {
    fn is_told_by(self, typ: Option<&str>) -> bool {
        match self {
            Self::Id => typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")),
            Self::Access => is_media_type(typ, "at+jwt"),
            Self::Logout => is_media_type(typ, "logout+jwt"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Id => "an ID token",
            Self::Access => "an access token",
            Self::Logout => "a logout token",
        }
    }
}

/// Whether a `typ` is this media type, with or without the `application/` that may be left out
/// ([RFC 7515, section 4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
fn is_media_type(typ: Option<&str>, subtype: &str) -> bool {
    typ.is_some_and(|typ| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == subtype
    })
}

/// A JWT taken apart. Nothing in it is to be believed yet.
pub(crate) struct Jwt<'a> {
    pub header: Header,
    /// What the signature is over.
    pub signing_input: &'a str,
    pub signature: Vec<u8>,
    payload: Vec<u8>,
}

/// The members of a header that matter here. `jku`, `jwk`, `x5u` and `x5c` are ignored: keys come
/// from the server's key set only.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub alg: String,
    pub kid: Option<String>,
    pub typ: Option<String>,
    #[serde(flatten, deserialize_with = "unique_members")]
    pub others: Map<String, Value>,
}

impl UniqueMembers for Header {}

impl<'a> Jwt<'a> {
    pub fn parse(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > LONGEST_TOKEN {
            return Err(JwtError::TooLarge {
                limit: LONGEST_TOKEN,
            });
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwtError::NotAJwt)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwtError::NotAJwt)?;
        match payload.split('.').count() {
            1 => {}
            3 => return Err(JwtError::Encrypted),
            _ => return Err(JwtError::NotAJwt),
        }
        Ok(Self {
            header: json("header", &decode("header", header)?)?,
            signing_input,
            signature: decode("signature", signature)?,
            payload: decode("payload", payload)?,
        })
    }

    /// The algorithm, if the header is that of a token of this kind which this build can check.
    pub fn algorithm(&self, kind: TokenKind) -> Result<SigningAlgorithm, JwtError> {
        let header = &self.header;
        for name in ["crit", "b64"] {
            // Whatever the value is, `null` included.
            if header.others.contains_key(name) {
                return Err(JwtError::CriticalHeader { name });
            }
        }
        if !kind.is_told_by(header.typ.as_deref()) {
            return Err(JwtError::WrongType {
                typ: header.typ.as_deref().map(cut),
                expected: kind.name(),
            });
        }
        let algorithm = SigningAlgorithm::from_name(&header.alg).ok_or_else(|| {
            JwtError::AlgorithmNotAllowed {
                algorithm: cut(&header.alg),
            }
        })?;
        match algorithm.unsupported() {
            Some(algorithm) => Err(JwtError::AlgorithmUnsupported { algorithm }),
            None => Ok(algorithm),
        }
    }

    pub fn claims<T: UniqueMembers>(&self) -> Result<T, JwtError> {
        json("payload", &self.payload)
    }
}

/// What a message can hold of a text from outside.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, JwtError> {
    urlsafe_decode(text).ok_or(JwtError::Base64 { part })
}

fn json<T: UniqueMembers>(part: &'static str, text: &[u8]) -> Result<T, JwtError> {
    serde_json::from_slice(text).map_err(|error| JwtError::Json {
        part,
        reason: describe_json_error(&error),
    })
}

/// A token is not a JWT of the server's, of the kind that is asked for. Holds nothing of the token but
/// names in its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// It has not the three parts of a signed JWT: it is an opaque token, or damaged.
    #[error("the token is opaque, not a JWT")]
    NotAJwt,
    /// It has the five parts of an encrypted JWT.
    #[error("the token is encrypted (JWE), which is not supported")]
    Encrypted,
    /// It is longer than 16 KiB.
    #[error("the token is longer than {limit} bytes")]
    TooLarge {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// A part of it is not base64url.
    #[error("the token's {part} is not base64url")]
    Base64 {
        /// Which part.
        part: &'static str,
    },
    /// A part of it is not the JSON that it should be.
    #[error("the token's {part}: {reason}")]
    Json {
        /// Which part.
        part: &'static str,
        /// What is wrong, without any value of the token.
        reason: String,
    },
    /// Its header asks for an extension that this client does not know.
    #[error("the token's header has the critical extension {name:?}")]
    CriticalHeader {
        /// The header's name.
        name: &'static str,
    },
    /// It is a token of another kind, such as an access token where an ID token is asked for.
    #[error("the token's type is {}, not that of {expected}", described(typ))]
    WrongType {
        /// The type in the token's header; `None` if there is none.
        typ: Option<String>,
        /// What is asked for.
        expected: &'static str,
    },
    /// Its algorithm is not one that this client accepts; `none` and HMAC never are.
    #[error("the token's algorithm {algorithm:?} is not allowed")]
    AlgorithmNotAllowed {
        /// The algorithm in the token's header.
        algorithm: String,
    },
    /// Its algorithm, ES512, needs the feature `aws-lc-rs`.
    #[error("the token's algorithm {algorithm} needs the feature `aws-lc-rs` of the crate logto")]
    AlgorithmUnsupported {
        /// The algorithm in the token's header.
        algorithm: &'static str,
    },
    /// The server's key set has no key that fits.
    #[error("the server's key set has no key that fits the token")]
    NoMatchingKey,
    /// It names no key, and several of the server's keys fit.
    #[error("the token names no key, and several of the server's keys fit")]
    AmbiguousKey,
    /// Its signature is wrong.
    #[error("the token's signature is wrong")]
    InvalidSignature,
}

fn described(typ: &Option<String>) -> String {
    match typ {
        Some(typ) => format!("{typ:?}"),
        None => "missing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn error(token: &str) -> JwtError {
        match Jwt::parse(token) {
            Err(error) => error,
            Ok(_) => panic!("{token} is read"),
        }
    }

    #[test]
    fn what_is_no_jwt_is_told() {
        for token in ["", "opaque", "a.b", "a.b.c.d"] {
            assert_eq!(error(token), JwtError::NotAJwt);
        }
        assert_eq!(error("a.b.c.d.e"), JwtError::Encrypted);
        let long = format!("a.{}.c", "x".repeat(LONGEST_TOKEN));
        assert!(matches!(error(&long), JwtError::TooLarge { .. }));
        assert_eq!(error("{}.e30.AA"), JwtError::Base64 { part: "header" });
        assert!(matches!(
            error("e30.e30.AA"),
            JwtError::Json { part: "header", .. }
        ));
    }

    #[test]
    fn base64url_is_canonical() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES384"}"#);
        assert!(Jwt::parse(&format!("{header}.e30.AA")).is_ok());
        for signature in ["AB", "AA==", "A+", "A A"] {
            let token = format!("{header}.e30.{signature}");
            assert_eq!(
                error(&token),
                JwtError::Base64 { part: "signature" },
                "{signature}"
            );
        }
    }

    #[test]
    fn an_extension_is_seen_whatever_its_value() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES384","crit":null,"b64":false}"#);
        let token = format!("{header}.e30.AA");
        let jwt = Jwt::parse(&token).unwrap();
        assert!(
            ["crit", "b64"]
                .iter()
                .all(|name| jwt.header.others.contains_key(*name))
        );
    }
}
