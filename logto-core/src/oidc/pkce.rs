//! Random values of a sign-in, and the code challenge
//! ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)).

use crate::crypto::{random_bytes, sha256};
use crate::utilities::urlsafe_encode;

/// 256 random bits as 43 characters of base64url: a state, a nonce, a code verifier.
pub(crate) fn random_token() -> String {
    urlsafe_encode(&random_bytes::<32>())
}

/// Three of them.
pub(crate) fn random_tokens() -> [String; 3] {
    [(); 3].map(|()| random_token())
}

/// The S256 challenge of a verifier ([section 4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
pub(crate) fn code_challenge(code_verifier: &str) -> String {
    urlsafe_encode(&sha256(code_verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_specification() {
        // RFC 7636, appendix B
        assert_eq!(
            code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn random_tokens_are_long_and_differ() {
        let (one, other) = (random_token(), random_token());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
        let [one, other, third] = random_tokens();
        assert_eq!([one.len(), other.len(), third.len()], [43; 3]);
        assert!(one != other && other != third && third != one);
    }
}
