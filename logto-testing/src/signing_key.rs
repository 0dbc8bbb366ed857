//! A key that signs tokens.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::algorithm::SigningAlgorithm;
use crate::random::{base64url, digest};

/// RSA keys for tests, known to everyone: making one takes a second, and a library for it.
const RSA_TEST_KEYS: [&str; 2] = [
    include_str!("test_keys/rsa_test_key_1.pem"),
    include_str!("test_keys/rsa_test_key_2.pem"),
];
const STRAY_RSA_TEST_KEY: &str = include_str!("test_keys/rsa_test_key_3.pem");

/// A private key, and how it signs.
pub(crate) struct SigningKey {
    id: String,
    algorithm: SigningAlgorithm,
    pkcs8: Vec<u8>,
    pair: Pair,
}

/// A key as it is kept in a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct ExportedKey {
    algorithm: SigningAlgorithm,
    /// In base64.
    pkcs8: String,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A new key. Of the RSA keys there are two to be had: the first that is not among the `taken`
    /// ids, or the first.
    ///
    /// # Panics
    ///
    /// If the operating system has no random bytes to give, which no program can work around.
    pub(crate) fn generate(algorithm: SigningAlgorithm, taken: &[&str]) -> Self {
        if let Some(key) = Self::generate_pkcs8(algorithm) {
            return Self::read(algorithm, &key).expect("a key that was just generated can be read");
        }
        let [first, second] = RSA_TEST_KEYS.map(|pem| Self::read_pem(algorithm, pem));
        match taken.contains(&first.id()) && !taken.contains(&second.id()) {
            true => second,
            false => first,
        }
    }

    /// A key that no `generate` gives.
    pub(crate) fn generate_stray(algorithm: SigningAlgorithm) -> Self {
        match Self::generate_pkcs8(algorithm) {
            Some(_) => Self::generate(algorithm, &[]),
            None => Self::read_pem(algorithm, STRAY_RSA_TEST_KEY),
        }
    }

    pub(crate) fn import(exported: &ExportedKey) -> io::Result<Self> {
        let pkcs8 = STANDARD
            .decode(&exported.pkcs8)
            .map_err(|_| invalid("a key is not in base64"))?;
        Self::read(exported.algorithm, &pkcs8)
    }

    pub(crate) fn export(&self) -> ExportedKey {
        ExportedKey {
            algorithm: self.algorithm,
            pkcs8: STANDARD.encode(&self.pkcs8),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// What the metadata says of this key: an RSA key could serve for more than one algorithm.
    pub(crate) fn supported(&self) -> Vec<&'static str> {
        match self.pair {
            Pair::Rsa(..) => vec!["PS256", "RS256", self.algorithm.name()],
            _ => vec![self.algorithm.name()],
        }
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.pair.public();
        jwk["use"] = json!("sig");
        jwk["kid"] = json!(self.id);
        // Logto's RSA keys do not say what they are for.
        if !matches!(self.pair, Pair::Rsa(..)) {
            jwk["alg"] = json!(self.algorithm.name());
        }
        jwk
    }

    /// # Panics
    ///
    /// If the operating system has no random bytes to give, which no program can work around.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)
                    .expect("the operating system gives random bytes");
                base64url(signature)
            }
            Pair::Ecdsa(pair) => base64url(
                pair.sign(&random, message)
                    .expect("the operating system gives random bytes"),
            ),
            Pair::Ed25519(pair) => base64url(pair.sign(message)),
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, public): (&dyn VerificationAlgorithm, &[u8]) = match &self.pair {
            Pair::Rsa(pair, _) => (rsa_verification(self.algorithm), pair.public().as_ref()),
            Pair::Ecdsa(pair) => (
                ecdsa_verification(self.algorithm),
                pair.public_key().as_ref(),
            ),
            Pair::Ed25519(pair) => (&ED25519, pair.public_key().as_ref()),
        };
        let key = UnparsedPublicKey::new(algorithm, public);
        key.verify(message, signature).is_ok()
    }

    /// None for RSA.
    fn generate_pkcs8(algorithm: SigningAlgorithm) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let document = match (ecdsa(algorithm), algorithm) {
            (Some(curve), _) => EcdsaKeyPair::generate_pkcs8(curve, &random),
            (None, SigningAlgorithm::EdDsa) => Ed25519KeyPair::generate_pkcs8(&random),
            (None, _) => return None,
        };
        let document = document.expect("the operating system gives random bytes");
        Some(document.as_ref().to_vec())
    }

    fn read_pem(algorithm: SigningAlgorithm, pem: &str) -> Self {
        let body: String = pem.lines().filter(|line| !line.contains('-')).collect();
        let pkcs8 = STANDARD.decode(body).expect("a test key is in base64");
        Self::read(algorithm, &pkcs8).expect("a test key can be read")
    }

    fn read(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> io::Result<Self> {
        let pair = Pair::read(algorithm, pkcs8)?;
        Ok(Self {
            id: digest(pair.public().to_string().as_bytes()),
            algorithm,
            pkcs8: pkcs8.to_vec(),
            pair,
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn read(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> io::Result<Self> {
        if let Some(curve) = ecdsa(algorithm) {
            return EcdsaKeyPair::from_pkcs8(curve, pkcs8, &SystemRandom::new())
                .map(Self::Ecdsa)
                .map_err(|_| invalid("a key is not one of the curve it is said to be of"));
        }
        if let Some(encoding) = rsa(algorithm) {
            return RsaKeyPair::from_pkcs8(pkcs8)
                .map(|pair| Self::Rsa(Box::new(pair), encoding))
                .map_err(|_| invalid("a key is no RSA key"));
        }
        Ed25519KeyPair::from_pkcs8(pkcs8)
            .map(Self::Ed25519)
            .map_err(|_| invalid("a key is no Ed25519 key"))
    }

    /// The members of the key that a thumbprint is made of, in the order of the alphabet
    /// ([RFC 7638, 3.2](https://www.rfc-editor.org/rfc/rfc7638#section-3.2)).
    fn public(&self) -> Value {
        match self {
            Self::Rsa(pair, _) => {
                let public: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"e": base64url(public.e), "kty": "RSA", "n": base64url(public.n)})
            }
            Self::Ecdsa(pair) => {
                let (curve, x, y) = coordinates(pair);
                json!({"crv": curve, "kty": "EC", "x": x, "y": y})
            }
            Self::Ed25519(pair) => {
                json!({"crv": "Ed25519", "kty": "OKP", "x": base64url(pair.public_key())})
            }
        }
    }
}

/// The curve, and the two halves of the uncompressed point, after the byte that says so.
fn coordinates(pair: &EcdsaKeyPair) -> (&'static str, String, String) {
    let point = &pair.public_key().as_ref()[1..];
    let curve = match point.len() {
        64 => "P-256",
        _ => "P-384",
    };
    let (x, y) = point.split_at(point.len() / 2);
    (curve, base64url(x), base64url(y))
}

fn ecdsa(algorithm: SigningAlgorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        SigningAlgorithm::Es256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        SigningAlgorithm::Es384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        _ => None,
    }
}

fn rsa(algorithm: SigningAlgorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        SigningAlgorithm::Rs256 => Some(&RSA_PKCS1_SHA256),
        SigningAlgorithm::Rs384 => Some(&RSA_PKCS1_SHA384),
        SigningAlgorithm::Rs512 => Some(&RSA_PKCS1_SHA512),
        SigningAlgorithm::Ps256 => Some(&RSA_PSS_SHA256),
        SigningAlgorithm::Ps384 => Some(&RSA_PSS_SHA384),
        SigningAlgorithm::Ps512 => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}

fn ecdsa_verification(algorithm: SigningAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SigningAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        _ => &ECDSA_P384_SHA384_FIXED,
    }
}

fn rsa_verification(algorithm: SigningAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SigningAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        SigningAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        SigningAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        SigningAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        SigningAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::from_base64url;

    #[test]
    fn exported_keys_are_the_same_when_they_come_back() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::generate(algorithm, &[]);
            let again = SigningKey::import(&key.export()).unwrap();
            assert_eq!(again.jwk(), key.jwk());
            assert_eq!(again.algorithm(), algorithm);
        }
    }

    #[test]
    fn signatures_are_known_again() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::generate(algorithm, &[]);
            let signature = from_base64url(&key.sign(b"message")).unwrap();
            assert!(key.verifies(b"message", &signature), "{algorithm:?}");
            assert!(!key.verifies(b"massage", &signature), "{algorithm:?}");
        }
    }

    #[test]
    fn there_are_two_rsa_keys_and_a_stray_one() {
        let generate = |taken: &[&str]| SigningKey::generate(SigningAlgorithm::Rs256, taken);
        let first = generate(&[]);
        let second = generate(&[first.id()]);
        let stray = SigningKey::generate_stray(SigningAlgorithm::Rs256);
        assert_ne!(first.id(), second.id());
        assert!(![first.id(), second.id()].contains(&stray.id()));
        assert_eq!(generate(&[first.id(), second.id()]).id(), first.id());
    }
}
