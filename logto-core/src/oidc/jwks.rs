//! The server's key set ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).

use http::Response;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use super::jws::{PublicKey, SigningAlgorithm};
use super::jwt::{Jwt, JwtError};
use super::response;
use crate::error::LogtoError;

/// The most keys for signatures of a set that are looked at closely, which costs a check against their
/// curve, and the most that are tried on one token, so that no key set makes a check slow.
const MOST_KEYS: usize = 100;
const MOST_TRIED: usize = 8;

/// The keys of a set that this build can use.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    /// The one algorithm that the key is for; `None` where the set does not say, as Logto's RSA
    /// keys do not.
    algorithm: Option<SigningAlgorithm>,
    public_key: PublicKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set. A key that cannot be used is left out, and harms no other.
    pub fn from_response(response: &Response<Vec<u8>>) -> Result<Self, LogtoError> {
        let document: Document = response::json("key set", response)?;
        Ok(Self {
            keys: document
                .keys
                .into_iter()
                .filter_map(candidate)
                .take(MOST_KEYS)
                .filter_map(Key::new)
                .collect(),
        })
    }

    /// Whether a key of this set fits the token's header.
    pub fn has_key_for(&self, jwt: &Jwt<'_>, algorithm: SigningAlgorithm) -> bool {
        let kid = jwt.header.kid.as_deref();
        self.keys.iter().any(|key| key.fits(algorithm, kid))
    }

    /// Holds the token's signature to be that of a key of this set which fits the token's header.
    pub fn verify(&self, jwt: &Jwt<'_>, algorithm: SigningAlgorithm) -> Result<(), JwtError> {
        let kid = jwt.header.kid.as_deref();
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.fits(algorithm, kid))
            .peekable();
        if fitting.peek().is_none() {
            return Err(JwtError::NoMatchingKey);
        }
        if kid.is_none() && fitting.clone().count() > 1 {
            return Err(JwtError::AmbiguousKey);
        }
        let message = jwt.signing_input.as_bytes();
        let mut tried = fitting.take(MOST_TRIED);
        match tried.any(|key| key.public_key.verify(algorithm, message, &jwt.signature)) {
            true => Ok(()),
            false => Err(JwtError::InvalidSignature),
        }
    }
}

/// A key and its one algorithm by what they say of themselves; `None` if it is no key, or not one for
/// signatures.
fn candidate(value: Value) -> Option<(Jwk, Option<SigningAlgorithm>)> {
    let algorithm = match value.get("alg") {
        None | Some(Value::Null) => None,
        Some(name) => Some(SigningAlgorithm::from_name(name.as_str()?)?),
    };
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    is_for_signatures(&jwk).then_some((jwk, algorithm))
}

impl Key {
    /// `None` if it is none that this build can use.
    fn new((jwk, algorithm): (Jwk, Option<SigningAlgorithm>)) -> Option<Self> {
        let public_key = PublicKey::from_jwk(&jwk)?;
        let fits = algorithm.is_none_or(|only| public_key.fits(only));
        fits.then_some(Self {
            kid: jwk.common.key_id,
            algorithm,
            public_key,
        })
    }

    fn fits(&self, algorithm: SigningAlgorithm, kid: Option<&str>) -> bool {
        self.public_key.fits(algorithm)
            && self.algorithm.is_none_or(|only| only == algorithm)
            && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }
}

fn is_for_signatures(jwk: &Jwk) -> bool {
    let by_use = jwk.common.public_key_use.as_ref();
    let by_operations = jwk.common.key_operations.as_ref();
    by_use.is_none_or(|by_use| *by_use == PublicKeyUse::Signature)
        && by_operations.is_none_or(|all| all.contains(&KeyOperations::Verify))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn set(keys: Value) -> KeySet {
        let response = Response::builder()
            .header("content-type", "application/jwk-set+json; charset=utf-8")
            .body(json!({ "keys": keys }).to_string().into_bytes())
            .unwrap();
        KeySet::from_response(&response).unwrap()
    }

    fn ec_key() -> Value {
        json!({
            "kty": "EC", "use": "sig", "kid": "ec", "alg": "ES384", "crv": "P-384",
            "x": "IeY2ov6gZxx2H3Z-8ApAu1WfsUrnMBsLp1WhaHqX1-IEmpfEbZQeoZ6V-aQ9Rw2a",
            "y": "Am99qT6MUiq10MBsBjaVv0Py5h2b8783ra401oR2p3zYjjPOTLQbhF1TY_ym877i",
        })
    }

    fn with(mut key: Value, member: &str, value: Value) -> Value {
        key[member] = value;
        key
    }

    fn rsa_key(bytes: usize) -> Value {
        let n = URL_SAFE_NO_PAD.encode(vec![255; bytes]);
        json!({ "kty": "RSA", "use": "sig", "kid": "rsa", "n": n, "e": "AQAB" })
    }

    fn rsa_key_of(n: &[u8], e: &[u8]) -> Value {
        let key = with(rsa_key(256), "n", json!(URL_SAFE_NO_PAD.encode(n)));
        with(key, "e", json!(URL_SAFE_NO_PAD.encode(e)))
    }

    fn p256_key() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        })
    }

    #[test]
    fn keys_that_can_be_used_are_kept() {
        let keys = json!([
            ec_key(),
            with(ec_key(), "key_ops", json!(["verify"])),
            with(ec_key(), "alg", json!(null)),
            with(ec_key(), "use", json!(null)),
            with(ec_key(), "created_at", json!({ "by": ["hand"] })),
            p256_key(),
            rsa_key(256),
            rsa_key(512),
            rsa_key(1024),
            rsa_key_of(&[&[0], [255; 256].as_slice()].concat(), &[0, 3]),
            { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
        ]);
        assert_eq!(set(keys).keys.len(), 11);
    }

    #[test]
    fn a_key_that_cannot_be_used_harms_no_other() {
        let keys = json!([
            null,
            "key",
            {},
            { "kty": "unknown" },
            { "kty": "oct", "k": "c2VjcmV0" },
            { "kty": "OKP", "crv": "Ed448", "x": "AA" },
            with(ec_key(), "use", json!("enc")),
            with(ec_key(), "key_ops", json!(["sign"])),
            with(ec_key(), "alg", json!("ES256")),
            with(ec_key(), "alg", json!("HS256")),
            with(ec_key(), "alg", json!(1)),
            with(ec_key(), "crv", json!("P-256")),
            with(ec_key(), "x", json!("AA")),
            with(ec_key(), "x", json!("!")),
            with(ec_key(), "x", ec_key()["y"].clone()),
            with(p256_key(), "y", p256_key()["x"].clone()),
            with(ec_key(), "kid", json!(1)),
            rsa_key(128),
            rsa_key(255),
            rsa_key(1025),
            rsa_key_of(&[&[127], [255; 255].as_slice()].concat(), &[1, 0, 1]),
            rsa_key_of(&[254; 256], &[1, 0, 1]),
            rsa_key_of(&[255; 256], &[1]),
            rsa_key_of(&[255; 256], &[1, 0, 0]),
            rsa_key_of(&[255; 256], &[3, 0, 0, 0, 1]),
            rsa_key_of(&[255; 256], &[]),
            ec_key(),
        ]);
        assert_eq!(set(keys).keys.len(), 1);
    }

    #[test]
    fn a_huge_set_is_cut() {
        let keys = vec![rsa_key(256); 1000];
        assert_eq!(set(json!(keys)).keys.len(), MOST_KEYS);
    }

    #[test]
    fn keys_that_are_not_for_signatures_do_not_fill_a_set() {
        let mut keys = vec![with(ec_key(), "use", json!("enc")); 1000];
        keys.push(ec_key());
        assert_eq!(set(json!(keys)).keys.len(), 1);
    }

    #[test]
    fn a_huge_set_of_keys_off_their_curve_is_cut_too() {
        let mut keys = vec![with(ec_key(), "x", ec_key()["y"].clone()); MOST_KEYS];
        keys.push(ec_key());
        assert_eq!(set(json!(keys)).keys.len(), 0);
    }

    #[test]
    fn a_key_fits_by_kid_type_and_algorithm() {
        use SigningAlgorithm::*;
        let set = set(json!([ec_key(), rsa_key(256)]));
        let [ec, rsa] = set.keys.as_slice() else {
            panic!("{set:?}");
        };
        assert!(ec.fits(Es384, Some("ec")) && ec.fits(Es384, None));
        assert!(!ec.fits(Es384, Some("rsa")) && !ec.fits(Es256, None) && !ec.fits(Rs256, None));
        assert!(rsa.fits(Rs256, Some("rsa")) && rsa.fits(Ps512, None));
        assert!(!rsa.fits(Es384, None));
    }
}
