//! A storage in memory with what the trait provides.

use logto::storage::{Record, SessionKey, Storage, StorageError, Version};

/// Implements the required methods only, and `for_each`.
#[derive(Debug, Clone)]
pub struct WithDefaults<S>(pub S);

impl<S: Storage> Storage for WithDefaults<S> {
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

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.0.for_each(visit)
    }
}
