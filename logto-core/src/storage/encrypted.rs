//! Any storage, with sealed records.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{OwnerDigest, Record, SessionKey, Storage, StorageLock, Version};
use crate::error::StorageError;
use crate::seal::{SealError, Sealer};

const PURPOSE: &[u8] = b"logto session record";

/// Encrypts the records of any [`Storage`]. A reader of the database learns how many sessions
/// there are, how long they are, when they change and which of them have one user. The tokens and the users stay
/// secret.
///
/// The data of each record is one [sealed box](Sealer#the-format) in base64url, bound to the key of its session: a
/// record that an intruder copies to another session of the database opens there for nobody. It takes 4/3 of the
/// length and some 120 to 250 characters more.
///
/// A record that cannot be opened is an error, [`WrongKey`](crate::StorageErrorKind::WrongKey),
/// [`NewerFormat`](crate::StorageErrorKind::NewerFormat) or
/// [`Corrupt`](crate::StorageErrorKind::Corrupt), and stays as it is until it is removed. The same holds
/// for a plain record. A record of an [older key](Sealer::with_older_key) is read, and sealed with the new key
/// at its next save.
///
/// # The owner of a session
///
/// The inner storage finds sessions by a [pseudonym](crate::SessionOwner::hidden) of the owner under the key; the
/// owner itself is in the box. With a passphrase the pseudonym hides nothing, and anyone who knows the `sub` of a user
/// can tell which sessions are theirs. Pseudonyms are not authentic: a writer of the database can hide a
/// session from a search.
///
/// [`find`](Storage::find) searches the pseudonyms of the older keys too.
///
/// # A storage that was not encrypted before
///
/// [`migrate`](crate::migrate) its sessions into an encrypted one.
///
/// `Clone` is cheap and shares the storage.
///
/// ```
/// # use logto_core as logto;
/// use logto::{EncryptedStorage, EncryptionKey, MemoryStorage, Record, Sealer, SessionKey, Storage};
///
/// # let (new_key, old_key) = (EncryptionKey::from_bytes([1; 32]), EncryptionKey::from_bytes([2; 32]));
/// let inner = MemoryStorage::new(); // or any other
/// let storage = EncryptedStorage::new(inner.clone(), Sealer::new(new_key).with_older_key(old_key));
///
/// let record = Record::new(None, "a token");
/// storage.save(&SessionKey::ONLY, &record, None)?;
/// assert_eq!(storage.load(&SessionKey::ONLY)?, Some(record));
/// assert!(!inner.load(&SessionKey::ONLY)?.unwrap().data().contains("token"));
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Clone)]
pub struct EncryptedStorage {
    inner: Arc<dyn Storage>,
    sealer: Sealer,
}

impl EncryptedStorage {
    /// Seals what goes into this storage and opens what comes out of it. `sealer` is a [`Sealer`] or
    /// an [`EncryptionKey`](crate::EncryptionKey).
    pub fn new(inner: impl Storage + 'static, sealer: impl Into<Sealer>) -> Self {
        Self {
            inner: Arc::new(inner),
            sealer: sealer.into(),
        }
    }

    fn seal(&self, session: &SessionKey, record: &Record) -> Result<Record, SealError> {
        let plaintext = record.to_bytes();
        let sealed = self.sealer.seal(&context(session), plaintext.as_ref())?;
        let owner = record.owner().map(|owner| owner.hidden(&self.sealer));
        let text = URL_SAFE_NO_PAD.encode(sealed);
        Ok(Record::stored(record.version(), owner, text))
    }

    fn open(&self, session: &SessionKey, sealed: &Record) -> Result<Record, SealError> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed.data());
        let bytes = bytes.map_err(|_| SealError::NotABox)?;
        let opened = self.sealer.open(&context(session), &bytes)?;
        let record = Record::from_bytes(opened.plaintext());
        let record = record.filter(|record| record.version() == sealed.version());
        record.ok_or(SealError::Corrupt)
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for EncryptedStorage {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        match self.inner.load(session)? {
            Some(sealed) => Ok(Some(self.open(session, &sealed)?)),
            None => Ok(None),
        }
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let sealed = self.seal(session, record)?;
        self.inner.save(session, &sealed, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.inner.remove(session)
    }

    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let sealed = self.seal(to, record)?;
        self.inner.replace(from, expected, to, &sealed)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        self.inner.lock(session, timeout)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.inner.purge_expired()
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let mut sessions = Vec::new();
        for hidden in owner.hidden_by_each_key(&self.sealer) {
            sessions.extend(self.inner.find(&hidden)?);
        }
        // Another key may have sealed one of them in between.
        sessions.sort_unstable();
        sessions.dedup();
        Ok(sessions)
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.inner.for_each(visit)
    }
}

impl fmt::Debug for EncryptedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedStorage")
            .field("inner", &self.inner)
            .field("sealer", &self.sealer)
            .finish()
    }
}

/// Where a box belongs.
fn context(session: &SessionKey) -> [&[u8]; 2] {
    [PURPOSE, session.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Argon2Cost, EncryptionKey};
    use crate::storage::{MemoryStorage, SessionId};

    #[test]
    fn passphrase_is_derived_once_for_all_sessions() {
        let cost = Argon2Cost::new(64, 1, 1).unwrap();
        let key = EncryptionKey::from_passphrase_with("secret", cost).unwrap();
        let storage = EncryptedStorage::new(MemoryStorage::new(), key.clone());
        for _ in 0..20 {
            let (session, other) = (SessionId::random().key(), SessionId::random().key());
            let [first, second] = [Record::new(None, "one"), Record::new(None, "two")];
            storage.save(&session, &first, None).unwrap();
            let version = Some(first.version());
            storage.replace(&session, version, &other, &second).unwrap();
            assert_eq!(storage.load(&other).unwrap(), Some(second));
        }
        assert_eq!(key.derivations(), 1);
    }
}
