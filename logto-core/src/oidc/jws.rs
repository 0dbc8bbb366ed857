//! Signatures ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515),
//! [RFC 7518](https://www.rfc-editor.org/rfc/rfc7518)). The files below name the libraries that check
//! them, one each.

#[cfg(feature = "aws-lc-rs")]
mod with_aws_lc_rs;
#[cfg(not(feature = "aws-lc-rs"))]
mod with_ring;

use std::ops::RangeInclusive;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, RSAKeyParameters,
};

use self::SigningAlgorithm::*;
#[cfg(feature = "aws-lc-rs")]
use self::with_aws_lc_rs::VerifyingKey;
#[cfg(not(feature = "aws-lc-rs"))]
use self::with_ring::VerifyingKey;
use crate::utilities::urlsafe_decode as decode;

/// The algorithms that a token may be signed with. `none` and HMAC are not among them, so that no
/// mistake can let them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SigningAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl SigningAlgorithm {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    /// The name, if this build cannot check such signatures: ring has no P-521.
    pub fn unsupported(self) -> Option<&'static str> {
        (self == Self::Es512 && !cfg!(feature = "aws-lc-rs")).then_some("ES512")
    }
}

/// A public key, decoded and checked once.
#[derive(Debug)]
pub(crate) struct PublicKey {
    algorithms: &'static [SigningAlgorithm],
    key: VerifyingKey,
}

/// What keys of a type can have signed.
const RSA: [SigningAlgorithm; 6] = [Rs256, Rs384, Rs512, Ps256, Ps384, Ps512];
const P256: [SigningAlgorithm; 1] = [Es256];
const P384: [SigningAlgorithm; 1] = [Es384];
const P521: [SigningAlgorithm; 1] = [Es512];
const ED25519: [SigningAlgorithm; 1] = [EdDsa];

/// The sizes of a modulus that are accepted, in bits.
const MODULUS: RangeInclusive<usize> = 2048..=8192;

/// The sizes of an RSA exponent that are accepted, in bits: the libraries know none larger, and the
/// smallest odd one is 3.
const EXPONENT: RangeInclusive<usize> = 2..=33;

impl PublicKey {
    /// The key of a JWK; `None` if this build has no use for it, or it is no key at all, such as a
    /// point that is not on its curve.
    pub fn from_jwk(jwk: &Jwk) -> Option<Self> {
        match &jwk.algorithm {
            AlgorithmParameters::RSA(key) => Self::rsa(key),
            AlgorithmParameters::EllipticCurve(key) => Self::elliptic_curve(key),
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                let key = decode(&key.x).filter(|key| key.len() == 32)?;
                Some(Self {
                    algorithms: &ED25519,
                    key: VerifyingKey::ed25519(key)?,
                })
            }
            _ => None,
        }
    }

    fn rsa(key: &RSAKeyParameters) -> Option<Self> {
        let n = unsigned(decode(&key.n)?);
        let e = unsigned(decode(&key.e)?);
        let is_fit = MODULUS.contains(&bits(&n)) && EXPONENT.contains(&bits(&e));
        match is_fit && is_odd(&n) && is_odd(&e) {
            true => Some(Self {
                algorithms: &RSA,
                key: VerifyingKey::rsa(n, e)?,
            }),
            false => None,
        }
    }

    fn elliptic_curve(key: &EllipticCurveKeyParameters) -> Option<Self> {
        let (algorithms, length): (&'static [_; 1], _) = match key.curve {
            EllipticCurve::P256 => (&P256, 32),
            EllipticCurve::P384 => (&P384, 48),
            EllipticCurve::P521 => (&P521, 66),
            _ => return None,
        };
        Some(Self {
            algorithms,
            key: VerifyingKey::elliptic_curve(algorithms[0], point(&key.x, &key.y, length)?)?,
        })
    }

    /// Whether signatures of this algorithm are made by keys of this type.
    pub fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether this is the key's signature over the message, by an algorithm that fits.
    pub fn verify(&self, algorithm: SigningAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        self.fits(algorithm) && self.key.verify(algorithm, message, signature)
    }
}

/// Some servers put a zero byte before a number; the library refuses it.
fn unsigned(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

fn bits(number: &[u8]) -> usize {
    let first = number
        .first()
        .map_or(8, |byte| byte.leading_zeros() as usize);
    (number.len() * 8).saturating_sub(first)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|byte| byte % 2 == 1)
}

/// An uncompressed point (SEC 1, section 2.3.3) from coordinates of exactly this many bytes
/// ([RFC 7518, section 6.2.1.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.2)).
fn point(x: &str, y: &str, length: usize) -> Option<Vec<u8>> {
    let (x, y) = (decode(x)?, decode(y)?);
    (x.len() == length && y.len() == length).then(|| [&[4], x.as_slice(), y.as_slice()].concat())
}
