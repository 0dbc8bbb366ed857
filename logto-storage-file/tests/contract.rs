//! The store keeps the contract, among processes too.

mod common;

use std::time::Duration;

use logto_core::{
    Change, EncryptedStore, EncryptionKey, PersistKey, SessionStore, Storage, StorageError,
    StorageLock,
};
use logto_storage_file::FileStorage;
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use tempfile::TempDir;

use common::{Files, key};

logto_testing::session_store_contract!(Files);

mod encrypted {
    use super::*;

    /// The same, with values that are sealed once more.
    struct Encrypted(Files);

    impl Fixture for Encrypted {
        const PERSISTENT: bool = true;

        fn new() -> Self {
            Self(Files::new())
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
            encrypted(self.0.open(idle_lifetime, clock))
        }

        fn place(&self) -> Option<String> {
            self.0.place()
        }

        fn open_place(place: &str) -> Box<dyn SessionStore> {
            encrypted(Files::open_place(place))
        }

        fn lock_recovery() -> Duration {
            Files::lock_recovery()
        }
    }

    fn encrypted(inner: Box<dyn SessionStore>) -> Box<dyn SessionStore> {
        let key = EncryptionKey::from_bytes([8; 32]);
        Box::new(EncryptedStore::new(inner, key))
    }

    logto_testing::session_store_contract!(Encrypted);
}

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

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.storage.update_unsynced(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.storage.lock(timeout)
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.storage.lock_to_write(timeout)
    }
}

logto_testing::storage_contract!(OneFile::new);
