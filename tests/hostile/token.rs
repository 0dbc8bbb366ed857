//! Tokens that are signed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto::urlsafe_encode;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

pub const KID: &str = "the-key";

/// What matters of a token's header.
#[derive(Deserialize)]
pub struct Header {
    pub alg: String,
    pub kid: Option<String>,
    pub typ: Option<String>,
    #[serde(default)]
    pub crit: Option<IgnoredAny>,
    #[serde(default)]
    pub b64: Option<IgnoredAny>,
}

static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());

/// The header of a token that is right.
pub fn header() -> Value {
    json!({ "alg": "EdDSA", "kid": KID, "typ": "JWT" })
}

/// A token that is right, but for its claims.
pub fn id_token(claims: &Value) -> String {
    signed(&header().to_string(), &claims.to_string())
}

/// A token of these texts with a signature that is right.
pub fn signed(header: &str, claims: &str) -> String {
    let mut token = unsigned(header, claims);
    let signature = KEY.sign(token.as_bytes());
    token.push('.');
    token.push_str(&urlsafe_encode(signature.as_ref()));
    token
}

/// The same without its last part.
pub fn unsigned(header: &str, claims: &str) -> String {
    let (header, claims) = (header.as_bytes(), claims.as_bytes());
    format!("{}.{}", urlsafe_encode(header), urlsafe_encode(claims))
}

/// The header and the claims of a token that the key has signed; `None` of any other.
pub fn believable(token: &str) -> Option<(Header, Value)> {
    let (input, signature) = token.rsplit_once('.')?;
    let (header, claims) = input.split_once('.')?;
    let key = UnparsedPublicKey::new(&ED25519, KEY.public_key());
    key.verify(input.as_bytes(), &decoded(signature)?).ok()?;
    let header = serde_json::from_slice(&decoded(header)?).ok()?;
    let claims = serde_json::from_slice(&decoded(claims)?).ok()?;
    Some((header, claims))
}

/// The public key, as it stands in a key set.
pub fn public_key() -> String {
    urlsafe_encode(KEY.public_key().as_ref())
}

/// The key set of the server: the key, and others of each type.
pub fn key_set() -> Value {
    let rsa = urlsafe_encode(&[255; 256]);
    json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": KID, "x": public_key() },
        { "kty": "RSA", "use": "sig", "kid": "rsa", "n": rsa, "e": "AQAB" },
        {
            "kty": "EC", "use": "sig", "kid": "ec", "alg": "ES384", "crv": "P-384",
            "x": "IeY2ov6gZxx2H3Z-8ApAu1WfsUrnMBsLp1WhaHqX1-IEmpfEbZQeoZ6V-aQ9Rw2a",
            "y": "Am99qT6MUiq10MBsBjaVv0Py5h2b8783ra401oR2p3zYjjPOTLQbhF1TY_ym877i",
            "key_ops": ["verify"],
        },
    ] })
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
