//! ring without us.

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;

use super::decode;

pub(crate) type Check = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// The check of a signature by this key, with as much done beforehand as the library allows; `None` if
/// it has no such algorithm.
pub(crate) fn check(algorithm: &str, key: &Value) -> Option<Check> {
    let part = |name: &str| decode(key[name].as_str().unwrap());
    Some(match &algorithm[..5] {
        "RS256" | "PS256" => {
            let parameters = match &algorithm[..2] {
                "RS" => &signature::RSA_PKCS1_2048_8192_SHA256,
                _ => &signature::RSA_PSS_2048_8192_SHA256,
            };
            let (n, e) = (part("n"), part("e"));
            let key = RsaPublicKeyComponents { n, e };
            Box::new(move |message, signature| key.verify(parameters, message, signature).is_ok())
        }
        "ES256" => {
            let point = [&[4], &part("x")[..], &part("y")].concat();
            with(&signature::ECDSA_P256_SHA256_FIXED, point)
        }
        "ES384" => {
            let point = [&[4], &part("x")[..], &part("y")].concat();
            with(&signature::ECDSA_P384_SHA384_FIXED, point)
        }
        "EdDSA" => with(&signature::ED25519, part("x")),
        _ => return None,
    })
}

fn with(algorithm: &'static dyn VerificationAlgorithm, key: Vec<u8>) -> Check {
    let key = UnparsedPublicKey::new(algorithm, key);
    Box::new(move |message, signature| key.verify(message, signature).is_ok())
}
