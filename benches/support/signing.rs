//! Keys that sign tokens, known to everyone who runs a benchmark.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

const RSA_KEY: &str = include_str!("../../logto-testing/src/test_keys/rsa_test_key_1.pem");

/// Gives the signature of a message.
type Sign = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// A private key, and its public half as a JWK.
pub(crate) struct SigningKey {
    pub(crate) algorithm: &'static str,
    pub(crate) jwk: Value,
    sign: Box<Sign>,
}

impl SigningKey {
    /// # Panics
    ///
    /// If it is another algorithm than ES384, ES256, EdDSA or RS256.
    pub(crate) fn new(algorithm: &'static str) -> Self {
        match algorithm {
            "ES384" => Self::ecdsa(algorithm, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES256" => Self::ecdsa(algorithm, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            "EdDSA" => Self::ed25519(),
            "RS256" => Self::rsa(),
            _ => panic!("no key for {algorithm}"),
        }
    }

    fn ecdsa(name: &'static str, curve: &str, signing: &'static EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(signing, document.as_ref(), &random).unwrap();
        let point = &key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        Self {
            algorithm: name,
            jwk: json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) }),
            sign: Box::new(move |input| key.sign(&random, input).unwrap().as_ref().to_vec()),
        }
    }

    fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self {
            algorithm: "EdDSA",
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref()) }),
            sign: Box::new(move |input| key.sign(input).as_ref().to_vec()),
        }
    }

    fn rsa() -> Self {
        let lines = RSA_KEY.lines().filter(|line| !line.starts_with('-'));
        let document = STANDARD.decode(lines.collect::<String>()).unwrap();
        let key = RsaKeyPair::from_pkcs8(&document).unwrap();
        let public = PublicKeyComponents::<Vec<u8>>::from(key.public());
        let (n, e) = (encode(&public.n), encode(&public.e));
        Self {
            algorithm: "RS256",
            jwk: json!({ "kty": "RSA", "n": n, "e": e }),
            sign: Box::new(move |input| {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    input,
                    &mut signature,
                )
                .unwrap();
                signature
            }),
        }
    }

    pub(crate) fn token(&self, kind: &str, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm, "typ": kind });
        let input = [&header, claims].map(|part| encode(part.to_string().as_bytes()));
        let input = input.join(".");
        let signature = encode(&(self.sign)(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
