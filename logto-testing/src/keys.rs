//! The keys that tokens are signed with.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Map, Value, json};

use crate::random::{base64url, digest};

/// What is wrong with a signature on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureFault {
    WrongSignature,
    UnknownKey,
}

/// The key that signs, and the ones that did before.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// The newest first, of which there is always one.
    keys: Vec<SigningKey>,
    /// In no key set.
    stray: SigningKey,
}

impl KeyRing {
    pub(crate) fn generate() -> Self {
        Self {
            keys: vec![SigningKey::generate()],
            stray: SigningKey::generate(),
        }
    }

    /// Keys as `export` gave them.
    pub(crate) fn import(exported: &[String]) -> io::Result<Self> {
        let keys: Vec<_> = exported
            .iter()
            .map(|key| SigningKey::import(key))
            .collect::<io::Result<_>>()?;
        if keys.is_empty() {
            return Err(invalid("there is no key"));
        }
        Ok(Self {
            keys,
            stray: SigningKey::generate(),
        })
    }

    pub(crate) fn export(&self) -> Vec<String> {
        self.keys
            .iter()
            .map(|key| STANDARD.encode(&key.pkcs8))
            .collect()
    }

    pub(crate) fn rotate(&mut self) {
        self.keys.insert(0, SigningKey::generate());
    }

    pub(crate) fn remove_previous(&mut self) {
        self.keys.truncate(1);
    }

    pub(crate) fn key_set(&self) -> Value {
        let keys: Vec<_> = self.keys.iter().map(SigningKey::jwk).collect();
        json!({ "keys": keys })
    }

    /// The key id for the header of a token.
    pub(crate) fn key_id(&self, fault: Option<SignatureFault>) -> &str {
        match fault {
            Some(SignatureFault::UnknownKey) => &self.stray.id,
            _ => &self.keys[0].id,
        }
    }

    /// A JSON Web Token. One whose header says `none` gets no signature.
    pub(crate) fn sign(
        &self,
        header: Map<String, Value>,
        claims: Map<String, Value>,
        fault: Option<SignatureFault>,
    ) -> String {
        let unsigned = header.get("alg").and_then(Value::as_str) == Some("none");
        let header = base64url(Value::Object(header).to_string());
        let claims = base64url(Value::Object(claims).to_string());
        let message = format!("{header}.{claims}");
        let signature = match fault {
            _ if unsigned => String::new(),
            Some(_) => self.stray.sign(message.as_bytes()),
            None => self.keys[0].sign(message.as_bytes()),
        };
        format!("{message}.{signature}")
    }
}

/// An ES384 key, as Logto has by default.
struct SigningKey {
    id: String,
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// # Panics
    ///
    /// If the operating system has no random bytes to give, which no program can work around.
    fn generate() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new())
                .expect("the operating system gives random bytes");
        Self::read(pkcs8.as_ref()).expect("a key that was just generated can be read")
    }

    fn import(exported: &str) -> io::Result<Self> {
        let pkcs8 = STANDARD
            .decode(exported)
            .map_err(|_| invalid("a key is not in base64"))?;
        Self::read(&pkcs8)
    }

    fn read(pkcs8: &[u8]) -> io::Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P384_SHA384_FIXED_SIGNING,
            pkcs8,
            &SystemRandom::new(),
        )
        .map_err(|_| invalid("a key is no P-384 key"))?;
        let (x, y) = coordinates(&pair);
        // https://www.rfc-editor.org/rfc/rfc7638#section-3
        let thumbprint = format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Self {
            id: digest(thumbprint.as_bytes()),
            pkcs8: pkcs8.to_vec(),
            pair,
        })
    }

    fn jwk(&self) -> Value {
        let (x, y) = coordinates(&self.pair);
        json!({
            "kty": "EC",
            "use": "sig",
            "kid": self.id,
            "alg": "ES384",
            "crv": "P-384",
            "x": x,
            "y": y,
        })
    }

    /// # Panics
    ///
    /// If the operating system has no random bytes to give, which no program can work around.
    fn sign(&self, message: &[u8]) -> String {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .expect("the operating system gives random bytes");
        base64url(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The two halves of the uncompressed point, after the byte that says so.
fn coordinates(pair: &EcdsaKeyPair) -> (String, String) {
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    (base64url(x), base64url(y))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
