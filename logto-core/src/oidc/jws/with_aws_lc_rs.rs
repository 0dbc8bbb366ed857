//! Signatures checked by aws-lc-rs, with keys that are parsed once.

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};

use super::SigningAlgorithm::{self, *};

/// A public key, parsed for each algorithm of its type: the library ties the two together.
#[derive(Debug)]
pub(super) struct VerifyingKey(Vec<(SigningAlgorithm, ParsedPublicKey)>);

impl VerifyingKey {
    pub fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Self> {
        let components = RsaPublicKeyComponents { n, e };
        let parsed = RSA_PARAMETERS.into_iter().map(|(algorithm, parameters)| {
            let key = components.to_parsed_public_key(parameters).ok()?;
            Some((algorithm, key))
        });
        parsed.collect::<Option<_>>().map(Self)
    }

    /// `None` if the uncompressed point is not on the algorithm's curve.
    pub fn elliptic_curve(algorithm: SigningAlgorithm, point: Vec<u8>) -> Option<Self> {
        let verification = match algorithm {
            Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Es512 => &signature::ECDSA_P521_SHA512_FIXED,
            _ => return None,
        };
        let key = ParsedPublicKey::new(verification, point).ok()?;
        Some(Self(vec![(algorithm, key)]))
    }

    pub fn ed25519(key: Vec<u8>) -> Option<Self> {
        let key = ParsedPublicKey::new(&signature::ED25519, key).ok()?;
        Some(Self(vec![(EdDsa, key)]))
    }

    /// Whether this is the key's signature. The algorithm must be one of the key's type.
    pub fn verify(&self, algorithm: SigningAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let mut keys = self.0.iter();
        keys.find(|(of, _)| *of == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

const RSA_PARAMETERS: [(SigningAlgorithm, &RsaParameters); 6] = [
    (Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Ps256, &signature::RSA_PSS_2048_8192_SHA256),
    (Ps384, &signature::RSA_PSS_2048_8192_SHA384),
    (Ps512, &signature::RSA_PSS_2048_8192_SHA512),
];
