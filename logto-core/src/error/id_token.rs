//! What can be wrong with a token.

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

/// The ID token is refused. The checks are those of [OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)
/// and, when it came with a refresh, of [section 12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// It is no token of the server's: its form, its header or its signature is wrong.
    #[error("the ID token is refused: {0}")]
    Jwt(#[from] JwtError),
    /// It is of another issuer.
    #[error("the ID token is of another issuer")]
    IssuerMismatch,
    /// It is for another application.
    #[error("the ID token is for another application")]
    AudienceMismatch,
    /// It is for further applications, which this one does not trust.
    #[error("the ID token is for other applications too")]
    UntrustedAudience,
    /// It was issued to another application.
    #[error("the ID token was issued to another application")]
    AuthorizedPartyMismatch,
    /// It has expired.
    #[error("the ID token has expired; is the clock of this machine right?")]
    Expired,
    /// It is not valid yet, or was issued in the future.
    #[error("the ID token is not valid yet; is the clock of this machine right?")]
    NotYetValid,
    /// It was issued too long ago for a sign-in that has just ended.
    #[error("the ID token was issued too long ago; is the clock of this machine right?")]
    TooOld,
    /// Its subject is empty or longer than 255 characters.
    #[error("the ID token's subject is empty or too long")]
    InvalidSubject,
    /// It has no nonce, although one was sent.
    #[error("the ID token has no nonce")]
    NonceMissing,
    /// Its nonce is of another sign-in.
    #[error("the ID token's nonce is of another sign-in")]
    NonceMismatch,
    /// Its `at_hash` is of another access token.
    #[error("the ID token is of another access token")]
    AccessTokenHashMismatch,
    /// It does not say how the user proved who they are (`acr`), although the sign-in asked for it.
    #[error("the ID token does not say how the user was authenticated")]
    AcrMissing,
    /// The user proved who they are in another way than the sign-in asked for.
    #[error("the user was authenticated in another way than this sign-in asks for")]
    AcrMismatch,
    /// It does not say when the user proved who they are (`auth_time`), although the sign-in asked for it.
    #[error("the ID token does not say when the user was authenticated")]
    AuthTimeMissing,
    /// The user proved who they are longer ago than the sign-in allows.
    #[error("the user was authenticated longer ago than this sign-in allows")]
    AuthenticationTooOld,
    /// It came with a refresh and differs from the session's ID token in a claim that must stay.
    #[error("the refreshed ID token's {claim} is not that of the session")]
    SessionMismatch {
        /// The claim that differs.
        claim: &'static str,
    },
}
