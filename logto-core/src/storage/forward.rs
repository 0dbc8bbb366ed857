//! What points to a storage or a store is one.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Change, FoundSession, OwnerDigest, PersistKey, SessionId, SessionStore, Storage, StorageLock,
};
use crate::error::StorageError;

macro_rules! forward_to_inner {
    ($($generics:tt)*) => {
        #[deny(clippy::missing_trait_methods)]
        impl<S: Storage + ?Sized> Storage for $($generics)* {
            fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
                (**self).get(key)
            }

            fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
                (**self).set(key, value)
            }

            fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
                (**self).update(changes)
            }

            fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
                (**self).update_unsynced(changes)
            }

            fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
                (**self).lock(timeout)
            }

            fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
                (**self).lock_to_write(timeout)
            }
        }

        #[deny(clippy::missing_trait_methods)]
        impl<S: SessionStore + ?Sized> SessionStore for $($generics)* {
            fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
                (**self).session(id)
            }

            fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
                (**self).rename(from, to)
            }

            fn replace(
                &self,
                from: &SessionId,
                to: &SessionId,
                changes: &[Change<'_>],
            ) -> Result<(), StorageError> {
                (**self).replace(from, to, changes)
            }

            fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
                (**self).remove(id)
            }

            fn purge_expired(&self) -> Result<u64, StorageError> {
                (**self).purge_expired()
            }

            fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
                (**self).sessions_of(owner)
            }

            fn for_each_session(
                &self,
                visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
            ) -> Result<(), StorageError> {
                (**self).for_each_session(visit)
            }

            fn session_by_digest(
                &self,
                digest: &[u8; 32],
            ) -> Result<Arc<dyn Storage>, StorageError> {
                (**self).session_by_digest(digest)
            }

            fn default_session(&self) -> Arc<dyn Storage> {
                (**self).default_session()
            }
        }
    };
}

forward_to_inner!(&S);
forward_to_inner!(Box<S>);
forward_to_inner!(Arc<S>);
