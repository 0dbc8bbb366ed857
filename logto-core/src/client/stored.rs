//! What the session has stored, as values.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LogtoClient;
use crate::error::{StorageError, StorageErrorKind};
use crate::secret::Secret;
use crate::session::{AccessToken, AccessTokenMap, PendingSignIns};
use crate::storage::{PersistKey, StorageLock};

impl LogtoClient {
    pub(super) fn stored_access_tokens(&self) -> Result<AccessTokenMap, StorageError> {
        self.stored_json(PersistKey::AccessTokenMap)
    }

    pub(super) fn stored_sign_ins(&self) -> Result<PendingSignIns, StorageError> {
        self.stored_json(PersistKey::SignInSession)
    }

    /// A token as it is stored; an empty one counts as none.
    pub(super) fn stored_token(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        Ok(self.storage.get(key)?.filter(|token| !token.is_empty()))
    }

    /// Sole use of the session.
    pub(super) fn lock(&self) -> Result<StorageLock<'_>, StorageError> {
        self.storage.lock(self.logto.lock_timeout())
    }

    /// Until when the cache hands out a token that came now. One whose lifetime is not known is
    /// used once.
    pub(super) fn cached(&self, token: &Secret, expires_in: Option<u64>) -> AccessToken {
        let lifetime = i64::try_from(expires_in.unwrap_or(0)).unwrap_or(i64::MAX);
        AccessToken {
            token: token.clone(),
            expires_at: self
                .logto
                .now()
                .saturating_add(lifetime)
                .saturating_sub(self.logto.access_token_margin()),
        }
    }

    /// A value that cannot be read is as good as none: the user signs in again. It is not told what
    /// it was, because it may hold a token.
    fn stored_json<T: DeserializeOwned + Default>(
        &self,
        key: PersistKey,
    ) -> Result<T, StorageError> {
        let Some(text) = self.storage.get(key)? else {
            return Ok(T::default());
        };
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
            let (line, column) = (error.line(), error.column());
            log::warn!("the stored {key} cannot be read (line {line} column {column}); ignored");
            T::default()
        }))
    }
}

/// The text to store of a value.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| {
        StorageError::new(
            StorageErrorKind::Backend,
            "the session could not be written as JSON",
        )
        .with_source(error)
    })
}
