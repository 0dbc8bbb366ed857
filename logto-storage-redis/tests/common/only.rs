//! The only session of a storage, by its data.

use std::ops::Deref;

use logto_core::{Record, SessionKey, Storage as _, StorageError, StorageLock};
use logto_storage_redis::RedisStorage;

#[derive(Clone, Debug)]
pub struct Only(RedisStorage);

impl Only {
    pub fn of(storage: &RedisStorage) -> Self {
        Self(storage.clone())
    }

    pub fn get(&self) -> Result<Option<String>, StorageError> {
        let record = self.0.load(&SessionKey::ONLY)?;
        Ok(record.map(|record| record.data().to_owned()))
    }

    /// Saves, or removes for `None`. Others may save at once.
    pub fn set(&self, data: Option<&str>) -> Result<(), StorageError> {
        let Some(data) = data else {
            return self.0.remove(&SessionKey::ONLY);
        };
        let record = Record::new(None, data);
        loop {
            let found = self.0.load(&SessionKey::ONLY)?;
            let expected = found.map(|found| found.version());
            match self.0.save(&SessionKey::ONLY, &record, expected) {
                Err(error) if error.kind() == logto_core::StorageErrorKind::Conflict => {}
                outcome => return outcome,
            }
        }
    }

    #[allow(dead_code)]
    pub fn lock(&self, timeout: std::time::Duration) -> Result<StorageLock<'_>, StorageError> {
        self.0.lock(&SessionKey::ONLY, timeout)
    }
}

impl Deref for Only {
    type Target = RedisStorage;

    fn deref(&self) -> &RedisStorage {
        &self.0
    }
}
