//! The store keeps the contract, among processes too.

mod common;

use std::time::Duration;

use logto_core::{Change, PersistKey, Storage, StorageError, StorageLock};
use logto_storage_file::FileStorage;
use tempfile::TempDir;

use common::{Files, key};

logto_testing::session_store_contract!(Files);

/// The storage of a program with one user.
#[derive(Debug)]
struct OneFile {
    storage: FileStorage,
    _directory: TempDir,
}

impl OneFile {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            storage: FileStorage::open(directory.path().join("session"), key()).unwrap(),
            _directory: directory,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for OneFile {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.storage.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.storage.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.storage.update(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.storage.lock(timeout)
    }
}

logto_testing::storage_contract!(OneFile::new);
