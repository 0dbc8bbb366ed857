//! A lock that somebody else has taken over meanwhile, as of a process that was stopped for a while.

use std::sync::Arc;
use std::time::Duration;

use logto::storage::{MemoryStore, SessionStore, Storage, StorageError, StorageLock, migrate};
use logto::{Change, FoundSession, MigrationCounts, PersistKey, SessionId};

use crate::scene::{add, contents};

fn busy() -> MigrationCounts {
    let mut counts = MigrationCounts::default();
    (counts.visited, counts.busy) = (1, 1);
    counts
}

#[test]
fn nothing_is_written_once_the_lock_in_the_old_store_is_lost() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&from, 1);
    let found = migrate(&Lost(from), &to).run().unwrap();
    assert_eq!(found, busy());
    assert!(contents(&to).is_empty());
}

#[test]
fn nothing_is_written_once_the_lock_in_the_new_store_is_lost() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    add(&from, 1);
    let before = contents(&from);
    let target = Lost(to.clone());
    let found = migrate(&from, &target).remove_moved(true).run().unwrap();
    assert_eq!(found, busy());
    assert!(contents(&to).is_empty());
    assert_eq!(contents(&from), before);
}

/// A store whose locks are lost as soon as they are given.
#[derive(Debug)]
struct Lost(MemoryStore);

impl SessionStore for Lost {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.0.session(id)
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        self.0.rename(from, to)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.0.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.0.purge_expired()
    }

    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.0
            .for_each_session(&mut |found| visit(found.wrapped(LostLock)))
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(Arc::new(LostLock(self.0.session_by_digest(digest)?)))
    }
}

#[derive(Debug)]
struct LostLock(Arc<dyn Storage>);

impl Storage for LostLock {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.0.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.0.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.0.update(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        Ok(StorageLock::lease(self.0.lock(timeout)?, |_| false))
    }
}
