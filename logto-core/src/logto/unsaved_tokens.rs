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
        // The session may still have the one before.
        for newest in tokens.values_mut().filter(|newest| *newest == replaced) {
            newest.clone_from(rotated);
        }
        if tokens.len() < Self::MOST {
            tokens.insert(sha256(replaced.expose().as_bytes()), rotated.clone());
        }
    }

    /// To be called when a token was sent and its answer is saved, or when it is of no use any more.
    pub fn forget(&self, sent: &Secret) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(&sha256(sent.expose().as_bytes()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_saved_after_all_takes_no_room() {
        let tokens = UnsavedTokens::default();
        for n in 0..=UnsavedTokens::MOST {
            let sent = Secret::from(format!("sent {n}"));
            tokens.keep(&Secret::from(format!("rotated {n}")), &sent);
            tokens.forget(&sent);
        }
        let (sent, rotated) = (Secret::from("sent"), Secret::from("rotated"));
        tokens.keep(&rotated, &sent);
        assert_eq!(tokens.instead_of(&sent), Some(rotated));
    }
}
