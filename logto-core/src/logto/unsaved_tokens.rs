//! Rotated refresh tokens that could not be saved.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::crypto::sha256;
use crate::secret::Secret;

/// Rotated refresh tokens that could not be saved, by the digest of the one that each replaces: as long as
/// the [`Logto`](super::Logto) lives, a full disk signs no user out.
#[derive(Default)]
pub(crate) struct UnsavedTokens(Mutex<HashMap<[u8; 32], Secret>>);

impl UnsavedTokens {
    /// A storage that fails for more sessions fails for good.
    const MOST: usize = 10_000;

    pub fn keep(&self, rotated: &Secret, replaced: &Secret) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() < Self::MOST {
            tokens.insert(sha256(replaced.expose().as_bytes()), rotated.clone());
        }
    }

    /// To be called when a token was sent and its answer is saved.
    pub fn forget(&self, sent: &Secret) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, rotated| rotated != sent);
    }

    pub fn instead_of(&self, replaced: &Secret) -> Option<Secret> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.is_empty() {
            return None;
        }
        tokens.get(&sha256(replaced.expose().as_bytes())).cloned()
    }
}
