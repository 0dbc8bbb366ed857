//! The keys that tokens are signed with.

use std::io;

use serde_json::{Map, Value, json};

use crate::algorithm::SigningAlgorithm;
use crate::random::{base64url, from_base64url};
use crate::signing_key::{ExportedKey, SigningKey};

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
    pub(crate) fn generate(algorithm: SigningAlgorithm) -> Self {
        Self {
            keys: vec![SigningKey::generate(algorithm, &[])],
            stray: SigningKey::generate_stray(algorithm),
        }
    }

    /// Keys as `export` gave them.
    pub(crate) fn import(exported: &[ExportedKey]) -> io::Result<Self> {
        let keys: Vec<_> = exported
            .iter()
            .map(SigningKey::import)
            .collect::<io::Result<_>>()?;
        let Some(current) = keys.first() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "there is no key",
            ));
        };
        Ok(Self {
            stray: SigningKey::generate_stray(current.algorithm()),
            keys,
        })
    }

    pub(crate) fn export(&self) -> Vec<ExportedKey> {
        self.keys.iter().map(SigningKey::export).collect()
    }

    pub(crate) fn rotate(&mut self) {
        self.rotate_to(self.keys[0].algorithm());
    }

    pub(crate) fn rotate_to(&mut self, algorithm: SigningAlgorithm) {
        let taken: Vec<_> = self.keys.iter().map(SigningKey::id).collect();
        let key = SigningKey::generate(algorithm, &taken);
        self.keys.retain(|known| known.id() != key.id());
        self.keys.insert(0, key);
        self.stray = SigningKey::generate_stray(algorithm);
    }

    pub(crate) fn remove_previous(&mut self) {
        self.keys.truncate(1);
    }

    pub(crate) fn key_set(&self) -> Value {
        let keys: Vec<_> = self.keys.iter().map(SigningKey::jwk).collect();
        json!({ "keys": keys })
    }

    /// The algorithms that the keys could sign with, each once.
    pub(crate) fn algorithms(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for name in self.keys.iter().flat_map(SigningKey::supported) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The header of a token, which names the key.
    pub(crate) fn header(&self, fault: Option<SignatureFault>) -> Map<String, Value> {
        let key = match fault {
            Some(SignatureFault::UnknownKey) => &self.stray,
            _ => &self.keys[0],
        };
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(key.algorithm().name()));
        header.insert("kid".to_owned(), json!(key.id()));
        header
    }

    /// The header and the claims of a JSON Web Token that one of the keys has signed.
    pub(crate) fn verify(&self, token: &str) -> Option<(Value, Value)> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Value = serde_json::from_slice(&from_base64url(header)?).ok()?;
        let claims: Value = serde_json::from_slice(&from_base64url(claims)?).ok()?;
        let signature = from_base64url(signature)?;
        let mut keys = self.keys.iter().filter(|key| header["kid"] == key.id());
        let signed = keys.any(|key| key.verifies(message.as_bytes(), &signature));
        signed.then_some((header, claims))
    }

    /// A JSON Web Token. One whose header says `none` gets no signature.
    pub(crate) fn sign(
        &self,
        header: &Value,
        claims: &Value,
        fault: Option<SignatureFault>,
    ) -> String {
        let unsigned = header.get("alg").and_then(Value::as_str) == Some("none");
        let header = base64url(header.to_string());
        let claims = base64url(claims.to_string());
        let message = format!("{header}.{claims}");
        let signature = match fault {
            _ if unsigned => String::new(),
            Some(_) => self.stray.sign(message.as_bytes()),
            None => self.keys[0].sign(message.as_bytes()),
        };
        format!("{message}.{signature}")
    }
}
