//! Signatures checked by ring, which cannot keep a parsed key: it parses one at every check.

use ring::agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey};
use ring::rand::SystemRandom;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};

use super::SigningAlgorithm::{self, *};

/// A public key in the form that is cheapest to check with.
#[derive(Debug)]
pub(super) enum VerifyingKey {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A key with one algorithm.
    Other(UnparsedPublicKey<Vec<u8>>),
}

impl VerifyingKey {
    pub fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Self> {
        Some(Self::Rsa(RsaPublicKeyComponents { n, e }))
    }

    /// `None` if the uncompressed point is not on the algorithm's curve.
    pub fn elliptic_curve(algorithm: SigningAlgorithm, point: Vec<u8>) -> Option<Self> {
        let (algorithm, agreement): (&'static signature::EcdsaVerificationAlgorithm, _) =
            match algorithm {
                Es256 => (&signature::ECDSA_P256_SHA256_FIXED, &ECDH_P256),
                Es384 => (&signature::ECDSA_P384_SHA384_FIXED, &ECDH_P384),
                _ => return None,
            };
        is_on_curve(agreement, &point)
            .then(|| Self::Other(UnparsedPublicKey::new(algorithm, point)))
    }

    pub fn ed25519(key: Vec<u8>) -> Option<Self> {
        Some(Self::Other(UnparsedPublicKey::new(
            &signature::ED25519,
            key,
        )))
    }

    /// Whether this is the key's signature. The algorithm must be one of the key's type.
    pub fn verify(&self, algorithm: SigningAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => rsa_parameters(algorithm)
                .is_some_and(|parameters| key.verify(parameters, message, signature).is_ok()),
            Self::Other(key) => key.verify(message, signature).is_ok(),
        }
    }
}

/// ring parses a signature's key and checks the signature in one call, with one error for both. Its key
/// agreement fails for no other reason than a point that is not on the curve.
fn is_on_curve(algorithm: &'static agreement::Algorithm, point: &[u8]) -> bool {
    EphemeralPrivateKey::generate(algorithm, &SystemRandom::new()).is_ok_and(|private_key| {
        let point = agreement::UnparsedPublicKey::new(algorithm, point);
        agreement::agree_ephemeral(private_key, &point, |_| ()).is_ok()
    })
}

fn rsa_parameters(algorithm: SigningAlgorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
