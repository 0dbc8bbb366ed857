//! A storage that keeps nothing.

use std::time::Duration;

use logto::StorageError;
use logto::storage::{PersistKey, Storage, StorageLock};

#[derive(Debug)]
pub(crate) struct Nowhere;

impl Storage for Nowhere {
    fn get(&self, _: PersistKey) -> Result<Option<String>, StorageError> {
        Ok(None)
    }

    fn set(&self, _: PersistKey, _: Option<&str>) -> Result<(), StorageError> {
        Ok(())
    }

    fn lock(&self, _: Duration) -> Result<StorageLock<'_>, StorageError> {
        Ok(StorageLock::new(()))
    }
}
