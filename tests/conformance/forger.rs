//! A key of the test's own, to sign what no server would: any bytes as header and claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_testing::{Endpoint, FakeLogto};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// A P-384 key.
pub struct Forger {
    pair: EcdsaKeyPair,
}

impl Forger {
    pub const KID: &str = "the-forger";

    pub fn new() -> Self {
        let (algorithm, random) = (&ECDSA_P384_SHA384_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        Self { pair }
    }

    /// The same with its public key in the server's key set.
    pub fn at(fake: &FakeLogto) -> Self {
        let forger = Self::new();
        let jwk = forger.jwk();
        fake.tamper_response(Endpoint::Jwks, move |set| {
            set["keys"].as_array_mut().unwrap().push(jwk.clone());
        });
        forger
    }

    pub fn jwk(&self) -> Value {
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": Self::KID,
            "x": encode(x), "y": encode(y),
        })
    }

    /// The header that a good token of this key has.
    pub fn header() -> Value {
        json!({ "alg": "ES384", "kid": Self::KID })
    }

    /// A token whose signature is right, of these texts.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = message(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes());
        format!("{message}.{}", encode(signature.unwrap().as_ref()))
    }
}

/// A token with the HMAC of this secret for a signature.
pub fn hmac_signed(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = message(header, claims);
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret),
        message.as_bytes(),
    );
    format!("{message}.{}", encode(tag.as_ref()))
}

/// A token without a signature.
pub fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.", message(header, claims))
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", encode(header), encode(claims))
}
