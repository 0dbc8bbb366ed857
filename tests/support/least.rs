//! A storage with what a storage must have, and nothing more.

use logto::storage::{MemoryStorage, Record, SessionKey, Storage, StorageError, Version};

/// The three required methods over memory; the others are their defaults. Its lock excludes nobody.
#[derive(Debug, Clone, Default)]
pub struct Least(pub MemoryStorage);

impl Storage for Least {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        self.0.load(session)
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.0.save(session, record, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.0.remove(session)
    }
}
