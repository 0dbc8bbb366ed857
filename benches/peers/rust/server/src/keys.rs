//! Keys that sign quickly, so that the server is no part of what is measured.
//!
//! The ECDSA keys use one random number for all signatures, made at start. Whoever sees two of them
//! can compute the key: this is for a benchmark only.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};

const RSA_TEST_KEY: &str =
    include_str!("../../../../../logto-testing/src/test_keys/rsa_test_key_1.pem");

pub(crate) struct Keys {
    p256: EcKey<p256::Scalar>,
    p384: EcKey<p384::Scalar>,
    rsa: RsaKeyPair,
    /// RSA signatures take a millisecond: the same message is signed once.
    rsa_signatures: Mutex<HashMap<String, String>>,
}

/// The signature of `z` is `r` and `(z + r * private) / random`.
struct EcKey<Scalar> {
    jwk: Value,
    private: Scalar,
    inverted_random: Scalar,
    r: Scalar,
}

impl Keys {
    pub fn new() -> Self {
        let body: String = RSA_TEST_KEY
            .lines()
            .filter(|line| !line.contains('-'))
            .collect();
        let rsa = RsaKeyPair::from_pkcs8(&STANDARD.decode(body).unwrap()).unwrap();
        Self {
            p256: p256_key(),
            p384: p384_key(),
            rsa,
            rsa_signatures: Mutex::default(),
        }
    }

    pub fn jwks(&self) -> Value {
        let RsaPublicKeyComponents::<Vec<u8>> { n, e } = self.rsa.public().into();
        let rsa = json!({
            "kty": "RSA", "use": "sig", "kid": "RS256", "alg": "RS256",
            "n": base64url(n), "e": base64url(e),
        });
        json!({ "keys": [self.p384.jwk, self.p256.jwk, rsa] })
    }

    /// A JWT of these claims.
    pub fn sign(&self, algorithm: &str, claims: &str) -> String {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{algorithm}"}}"#);
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let signature = match algorithm {
            "ES256" => self.p256.sign(&message),
            "ES384" => self.p384.sign(&message),
            _ => self.sign_by_rsa(&message),
        };
        format!("{message}.{signature}")
    }

    fn sign_by_rsa(&self, message: &str) -> String {
        let mut known = self.rsa_signatures.lock().unwrap();
        let signature = known.entry(message.to_owned()).or_insert_with(|| {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            let (random, message) = (SystemRandom::new(), message.as_bytes());
            self.rsa
                .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                .unwrap();
            base64url(signature)
        });
        signature.clone()
    }
}

macro_rules! curve {
    ($curve:ident, $key:ident, $algorithm:literal, $name:literal, $digest:ident) => {
        fn $key() -> EcKey<$curve::Scalar> {
            use $curve::elliptic_curve::point::AffineCoordinates as _;
            use $curve::elliptic_curve::sec1::ToSec1Point as _;
            use $curve::elliptic_curve::ops::Reduce as _;

            let scalar = |name: &str| {
                let hash = digest::digest(&digest::$digest, name.as_bytes());
                $curve::Scalar::reduce(&$curve::FieldBytes::try_from(hash.as_ref()).unwrap())
            };
            let (private, random) = (scalar("private"), scalar("random"));
            let public = ($curve::ProjectivePoint::GENERATOR * private).to_affine();
            let public = public.to_sec1_point(false);
            let point = ($curve::ProjectivePoint::GENERATOR * random).to_affine();
            EcKey {
                jwk: json!({
                    "kty": "EC", "use": "sig", "kid": $algorithm, "alg": $algorithm, "crv": $name,
                    "x": base64url(public.x().unwrap()), "y": base64url(public.y().unwrap()),
                }),
                private,
                inverted_random: random.invert().unwrap(),
                r: $curve::Scalar::reduce(&point.x()),
            }
        }

        impl EcKey<$curve::Scalar> {
            fn sign(&self, message: &str) -> String {
                use $curve::elliptic_curve::{PrimeField as _, ops::Reduce as _};

                let hash = digest::digest(&digest::$digest, message.as_bytes());
                let hash = $curve::FieldBytes::try_from(hash.as_ref()).unwrap();
                let z = $curve::Scalar::reduce(&hash);
                let s = self.inverted_random * (z + self.r * self.private);
                base64url([self.r.to_repr().as_slice(), s.to_repr().as_slice()].concat())
            }
        }
    };
}

curve!(p256, p256_key, "ES256", "P-256", SHA256);
curve!(p384, p384_key, "ES384", "P-384", SHA384);

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
