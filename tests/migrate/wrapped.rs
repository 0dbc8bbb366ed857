//! A store in memory whose sessions behave in a way of their own when a migration comes to them.

use std::sync::Arc;

use logto::storage::{MemoryStorage, Storage, StorageError};
use logto::{FoundSession, SessionId};

#[derive(Debug)]
pub struct Wrapped {
    pub inner: MemoryStorage,
    pub wrap: fn(Arc<dyn Storage>) -> Arc<dyn Storage>,
}

impl Storage for Wrapped {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.inner.session(id)
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        self.inner.rename(from, to)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.inner.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.inner.purge_expired()
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.inner
            .for_each(&mut |found| visit(found.wrapped(self.wrap)))
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        Ok((self.wrap)(self.inner.session_by_digest(digest)?))
    }
}
