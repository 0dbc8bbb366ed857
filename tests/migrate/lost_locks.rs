//! A lock that somebody else has taken over meanwhile, as of a process that was stopped for a while.

use std::sync::Arc;
use std::time::Duration;

use logto::storage::{MemoryStorage, Storage, StorageError, StorageLock, migrate};
use logto::{Change, MigrationCounts, PersistKey};

use crate::scene::{add, contents};
use crate::wrapped::Wrapped;

fn busy() -> MigrationCounts {
    let mut counts = MigrationCounts::default();
    (counts.visited, counts.busy) = (1, 1);
    counts
}

#[test]
fn nothing_is_written_once_the_lock_in_the_old_store_is_lost() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    add(&from, 1);
    let found = migrate(&lost(from), &to).run().unwrap();
    assert_eq!(found, busy());
    assert!(contents(&to).is_empty());
}

#[test]
fn nothing_is_written_once_the_lock_in_the_new_store_is_lost() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    add(&from, 1);
    let before = contents(&from);
    let target = lost(to.clone());
    let found = migrate(&from, &target).remove_moved(true).run().unwrap();
    assert_eq!(found, busy());
    assert!(contents(&to).is_empty());
    assert_eq!(contents(&from), before);
}

/// A store whose locks are lost as soon as they are given.
fn lost(inner: MemoryStorage) -> Wrapped {
    Wrapped {
        inner,
        wrap: |session| Arc::new(LostLock(session)),
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
