//! Keys, and tokens that a test makes itself.

use serde_json::Value;

use super::FakeLogto;
use crate::algorithm::SigningAlgorithm;
use crate::keys::SignatureFault;

/// Keys.
impl FakeLogto {
    /// Signs with a new key from now on. The key set still has the previous ones.
    pub fn rotate_keys(&self) {
        self.provider.store().change(|kept| kept.keys.rotate());
    }

    /// Signs with a new key for this algorithm from now on. The key set still has the previous ones.
    pub fn rotate_keys_to(&self, algorithm: SigningAlgorithm) {
        self.provider
            .store()
            .change(|kept| kept.keys.rotate_to(algorithm));
    }

    /// Takes all keys but the current one out of the key set.
    pub fn remove_previous_keys(&self) {
        self.provider
            .store()
            .change(|kept| kept.keys.remove_previous());
    }

    /// The public keys as the server publishes them, the current one first.
    pub fn jwks(&self) -> Value {
        self.provider.store().read().keys.key_set()
    }

    /// A token of these claims, signed with the current key, as the header says or not. With the
    /// algorithm `none` the signature is left empty.
    ///
    /// ```
    /// # let fake = logto_testing::FakeLogto::start();
    /// use serde_json::json;
    ///
    /// let header = json!({"alg": "ES384", "kid": fake.jwks()["keys"][0]["kid"]});
    /// let token = fake.sign_jwt(header, json!({"sub": "alice"}));
    /// assert_eq!(token.split('.').count(), 3);
    /// ```
    pub fn sign_jwt(&self, header: Value, claims: Value) -> String {
        self.provider
            .store()
            .read()
            .keys
            .sign(&header, &claims, None)
    }

    /// The same, signed with a key for the same algorithm that is not in the key set.
    pub fn forge_jwt(&self, header: Value, claims: Value) -> String {
        let fault = Some(SignatureFault::WrongSignature);
        self.provider
            .store()
            .read()
            .keys
            .sign(&header, &claims, fault)
    }
}
