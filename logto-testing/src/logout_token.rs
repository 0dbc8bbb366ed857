//! Logout tokens that a test makes.

use serde_json::{Map, Value, json};

use crate::keys::SignatureFault;
use crate::provider::Provider;

/// A logout token, right as it is, for a test to change before it is signed.
///
/// It is given by [`FakeLogto::logout_token`](crate::FakeLogto::logout_token).
#[must_use]
pub struct LogoutToken<'a> {
    provider: &'a Provider,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    fault: Option<SignatureFault>,
}

impl<'a> LogoutToken<'a> {
    pub(crate) fn new(
        provider: &'a Provider,
        header: Map<String, Value>,
        claims: Map<String, Value>,
    ) -> Self {
        Self {
            provider,
            header,
            claims,
            fault: None,
        }
    }

    /// Sets the session that has ended, the claim `sid`. Default: that of the user's latest sign-in
    /// to the application, if the application asks for it.
    pub fn session(mut self, sid: impl Into<String>) -> Self {
        self.claims.insert("sid".to_owned(), json!(sid.into()));
        self
    }

    /// Changes the header and the claims.
    pub fn tamper(
        mut self,
        tamper: impl FnOnce(&mut Map<String, Value>, &mut Map<String, Value>),
    ) -> Self {
        tamper(&mut self.header, &mut self.claims);
        self
    }

    /// Signs with a key that is not the one which the header names.
    pub fn forged(mut self) -> Self {
        self.fault = Some(SignatureFault::WrongSignature);
        self
    }

    /// Has the algorithm `none`, and no signature.
    pub fn unsigned(mut self) -> Self {
        self.header.insert("alg".to_owned(), json!("none"));
        self
    }

    /// The token.
    pub fn sign(self) -> String {
        let kept = self.provider.store().read();
        kept.keys
            .sign(&self.header.into(), &self.claims.into(), self.fault)
    }
}
