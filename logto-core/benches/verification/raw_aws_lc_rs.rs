//! aws-lc-rs without us.

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use serde_json::Value;

use super::decode;

pub(crate) type Check = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// The check of a signature by this key, with as much done beforehand as the library allows; `None` if
/// it has no such algorithm.
pub(crate) fn check(algorithm: &str, key: &Value) -> Option<Check> {
    let part = |name: &str| decode(key[name].as_str().unwrap());
    let point = || [&[4], &part("x")[..], &part("y")].concat();
    let parse = |algorithm: &'static dyn VerificationAlgorithm, key| {
        ParsedPublicKey::new(algorithm, key).unwrap()
    };
    let key = match &algorithm[..5] {
        "RS256" | "PS256" => {
            let parameters = match &algorithm[..2] {
                "RS" => &signature::RSA_PKCS1_2048_8192_SHA256,
                _ => &signature::RSA_PSS_2048_8192_SHA256,
            };
            let (n, e) = (part("n"), part("e"));
            let key = RsaPublicKeyComponents { n, e };
            key.to_parsed_public_key(parameters).unwrap()
        }
        "ES256" => parse(&signature::ECDSA_P256_SHA256_FIXED, point()),
        "ES384" => parse(&signature::ECDSA_P384_SHA384_FIXED, point()),
        "ES512" => parse(&signature::ECDSA_P521_SHA512_FIXED, point()),
        "EdDSA" => parse(&signature::ED25519, part("x")),
        _ => return None,
    };
    Some(Box::new(move |message, signature| {
        key.verify_sig(message, signature).is_ok()
    }))
}
