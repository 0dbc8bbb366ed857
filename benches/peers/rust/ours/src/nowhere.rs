//! A storage that keeps nothing.

use logto::StorageError;
use logto::storage::{Record, SessionKey, Storage, Version};

#[derive(Debug)]
pub(crate) struct Nowhere;

impl Storage for Nowhere {
    fn load(&self, _: &SessionKey) -> Result<Option<Record>, StorageError> {
        Ok(None)
    }

    fn save(&self, _: &SessionKey, _: &Record, _: Option<Version>) -> Result<(), StorageError> {
        Ok(())
    }

    fn remove(&self, _: &SessionKey) -> Result<(), StorageError> {
        Ok(())
    }
}
