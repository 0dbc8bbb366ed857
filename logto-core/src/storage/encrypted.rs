//! Any storage, with sealed values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::session_owner::behind_owner;
use super::{
    Change, FoundSession, OwnerDigest, PersistKey, SessionId, SessionOwner, SessionStore, Storage,
    StorageLock,
};
use crate::error::StorageError;
use crate::seal::{SealError, Sealer};

const PURPOSE: &[u8] = b"logto session value";

/// No base64url has it.
const SEPARATOR: char = '.';

/// Encrypts the values of any [`SessionStore`]. Whoever reads the database learns how many sessions
/// there are, which values they have, how long these are and when they change; the tokens they do not.
///
/// Each value is a [sealed box](Sealer#the-format) of its own in base64url: 4/3 of its length, and 115
/// characters more (152 with a passphrase); the owner has up to 88 more. It is bound to the digest of its session and to its key,
/// so a value that somebody copies into another session of the database opens there for nobody.
///
/// What cannot be opened is an error, [`WrongKey`](crate::StorageErrorKind::WrongKey),
/// [`NewerFormat`](crate::StorageErrorKind::NewerFormat) or
/// [`Corrupt`](crate::StorageErrorKind::Corrupt), never absent, and stays as it is until it is set or
/// removed. That holds for a plain value too. A value of an
/// [older key](Sealer::with_older_key) is read, and sealed with the new one when it is next set.
///
/// # The owner of a session
///
/// A store finds the sessions of a user by their [`PersistKey::Owner`], so the inner store must be able to
/// read that. It is given what [stands for](SessionOwner::hidden) the owner under the key, and then the
/// sealed box, so that a database shows which sessions have one user, but neither who it is nor whether
/// it is somebody that one thinks of. With a passphrase the last is not so:
/// whoever knows the `sub` of a user can tell which sessions are theirs. What stands for the owner is not
/// authentic: who can write into the database can hide a session from a search.
///
/// [`sessions_of`](SessionStore::sessions_of) looks for what the older keys have written too.
///
/// `Clone` is cheap and shares the store.
///
/// ```
/// # use logto_core as logto;
/// use logto::{
///     EncryptedStore, EncryptionKey, MemoryStore, PersistKey, Sealer, SessionId, SessionStore, Storage,
/// };
///
/// # let (new_key, old_key) = (EncryptionKey::from_bytes([1; 32]), EncryptionKey::from_bytes([2; 32]));
/// let inner = MemoryStore::new(); // or any other
/// let store = EncryptedStore::new(inner.clone(), Sealer::new(new_key).with_older_key(old_key));
///
/// let id = SessionId::random();
/// store.session(&id).set(PersistKey::RefreshToken, Some("a token"))?;
/// assert_eq!(store.session(&id).get(PersistKey::RefreshToken)?.as_deref(), Some("a token"));
/// assert_ne!(inner.session(&id).get(PersistKey::RefreshToken)?.as_deref(), Some("a token"));
/// # Ok::<(), logto_core::StorageError>(())
/// ```
///
/// # A store that was not encrypted before
///
/// Start with an empty one, and users sign in again. Or, where sessions are known, such as the one of a
/// desktop program, seal what is there, once and not at every start, which would seal what an intruder
/// put there too:
///
/// ```
/// # use logto_core as logto;
/// use logto::{Change, EncryptedStorage, EncryptionKey, MemoryStorage, PersistKey, Storage, StorageError};
///
/// fn seal_once(plain: impl Storage + Clone + 'static, key: EncryptionKey) -> Result<(), StorageError> {
///     let sealed = EncryptedStorage::new(plain.clone(), key);
///     for key in PersistKey::ALL {
///         if let Some(value) = plain.get(key)? {
///             sealed.set(key, Some(&value))?;
///         }
///     }
///     Ok(())
/// }
/// # let plain = MemoryStorage::new();
/// # plain.set(PersistKey::IdToken, Some("x"))?;
/// # seal_once(plain.clone(), EncryptionKey::from_bytes([1; 32]))?;
/// # let sealed = EncryptedStorage::new(plain, EncryptionKey::from_bytes([1; 32]));
/// # assert_eq!(sealed.get(PersistKey::IdToken)?.as_deref(), Some("x"));
/// # Ok::<(), StorageError>(())
/// ```
///
/// # Why a rename seals anew
///
/// Values bound to something that moves with them, such as a random number in the session, could be
/// renamed as they are. But then whoever can write into the database could copy all of Alice's
/// session into their own, and be Alice. Bound to the digest of the id, which only Alice's browser
/// knows, they cannot.
///
/// So [`rename`](SessionStore::rename) first seals each value for the new id too and stores both boxes,
/// then has the inner store rename the session in its one step, and then drops the boxes of the old id.
/// Wherever it stops, the session is whole under one of the two ids and readable there. In between each
/// value takes twice its space. As in any store, the caller holds the lock of the session: a value
/// that somebody sets while the second box is added may be put back to what it was.
#[derive(Clone)]
pub struct EncryptedStore {
    inner: Arc<dyn SessionStore>,
    sealer: Sealer,
}

impl EncryptedStore {
    /// Seals what goes into this store and opens what comes out of it. `sealer` is a [`Sealer`] or
    /// an [`EncryptionKey`](crate::EncryptionKey).
    pub fn new(inner: impl SessionStore + 'static, sealer: impl Into<Sealer>) -> Self {
        Self {
            inner: Arc::new(inner),
            sealer: sealer.into(),
        }
    }

    fn encrypted(&self, inner: Arc<dyn Storage>, session: [u8; 32]) -> EncryptedStorage {
        EncryptedStorage {
            inner,
            session,
            sealer: self.sealer.clone(),
        }
    }

    fn of(&self, id: &SessionId) -> EncryptedStorage {
        self.encrypted(self.inner.session(id), id.digest())
    }
}

#[deny(clippy::missing_trait_methods)]
impl SessionStore for EncryptedStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        Arc::new(self.of(id))
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        if from == to {
            return self.inner.rename(from, to);
        }
        self.of(from).seal_also_for(to.digest())?;
        self.inner.rename(from, to)?;
        if let Err(error) = self.of(to).seal_anew(from.digest()) {
            // Both boxes stay then, and the next write of each value tidies up.
            log::warn!("a renamed session keeps the boxes of its old id: {error}");
        }
        Ok(())
    }

    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        self.of(to)
            .sealed(changes, |sealed| self.inner.replace(from, to, sealed))
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.inner.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.inner.purge_expired()
    }

    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let mut sessions = Vec::new();
        for hidden in owner.hidden_by_each_key(&self.sealer) {
            for found in self.inner.sessions_of(&hidden)? {
                let session = found.digest();
                sessions.push(found.wrapped(|inner| self.encrypted(inner, session)));
            }
        }
        // One may have been written with another key in between.
        sessions.sort_by_key(FoundSession::digest);
        sessions.dedup_by_key(|found| found.digest());
        Ok(sessions)
    }

    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.inner.for_each_session(&mut |found| {
            let session = found.digest();
            visit(found.wrapped(|inner| self.encrypted(inner, session)))
        })
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        let inner = self.inner.session_by_digest(digest)?;
        Ok(Arc::new(self.encrypted(inner, *digest)))
    }

    fn default_session(&self) -> Arc<dyn Storage> {
        let session = SessionId::of_the_only_session().digest();
        Arc::new(self.encrypted(self.inner.default_session(), session))
    }
}

impl fmt::Debug for EncryptedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedStore")
            .field("inner", &self.inner)
            .field("sealer", &self.sealer)
            .finish()
    }
}

/// Encrypts the values of one [`Storage`], as [`EncryptedStore`] does those of many sessions.
///
/// `Clone` is cheap and shares the storage.
#[derive(Clone)]
pub struct EncryptedStorage {
    inner: Arc<dyn Storage>,
    session: [u8; 32],
    sealer: Sealer,
}

impl EncryptedStorage {
    /// Seals what goes into this storage and opens what comes out of it, bound to no id: as the
    /// [default session](SessionStore::default_session) of an [`EncryptedStore`] is. `sealer` is a
    /// [`Sealer`] or an [`EncryptionKey`](crate::EncryptionKey).
    pub fn new(inner: impl Storage + 'static, sealer: impl Into<Sealer>) -> Self {
        Self {
            inner: Arc::new(inner),
            session: SessionId::of_the_only_session().digest(),
            sealer: sealer.into(),
        }
    }

    /// Adds to each value a box that opens under the name `other`.
    fn seal_also_for(&self, other: [u8; 32]) -> Result<(), StorageError> {
        self.replace_all(|key, text| {
            let value = self.open(self.session, key, text)?;
            let own = self.seal_box(self.session, key, &value)?;
            let other = self.seal_box(other, key, &value)?;
            Ok(self.findable(key, &value, format!("{own}{SEPARATOR}{other}")))
        })
    }

    /// Leaves one box of each value, under this session's name. `former` is the name until now, for
    /// a value that was set without the lock just before the name changed.
    fn seal_anew(&self, former: [u8; 32]) -> Result<(), StorageError> {
        self.replace_all(|key, text| {
            let value = self
                .open(self.session, key, text)
                .or_else(|_| self.open(former, key, text))?;
            self.seal(self.session, key, &value)
        })
    }

    fn replace_all(
        &self,
        replace: impl Fn(PersistKey, &str) -> Result<String, SealError>,
    ) -> Result<(), StorageError> {
        let mut replaced = Vec::new();
        for key in PersistKey::ALL {
            if let Some(text) = self.inner.get(key)? {
                replaced.push((key, replace(key, &text)?));
            }
        }
        let changes: Vec<_> = replaced
            .iter()
            .map(|(key, text)| Change::set(*key, text))
            .collect();
        match changes.is_empty() {
            true => Ok(()),
            false => self.inner.update(&changes),
        }
    }

    /// Has `write` make the changes, with their values sealed.
    fn sealed(
        &self,
        changes: &[Change<'_>],
        write: impl FnOnce(&[Change<'_>]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let seal = |change: &Change<'_>| {
            let sealed = change
                .value
                .map(|value| self.seal(self.session, change.key, value));
            sealed.transpose()
        };
        let sealed = changes.iter().map(seal).collect::<Result<Vec<_>, _>>()?;
        let changes: Vec<_> = changes
            .iter()
            .zip(&sealed)
            .map(|(Change { key, .. }, sealed)| Change {
                key: *key,
                value: sealed.as_deref(),
            })
            .collect();
        write(&changes)
    }

    fn seal(&self, session: [u8; 32], key: PersistKey, value: &str) -> Result<String, SealError> {
        let sealed = self.seal_box(session, key, value)?;
        Ok(self.findable(key, value, sealed))
    }

    /// The boxes of a value as they are stored: behind what the inner store finds the session by.
    fn findable(&self, key: PersistKey, value: &str, boxes: String) -> String {
        match SessionOwner::of_value(value).filter(|_| key == PersistKey::Owner) {
            Some(owner) => owner.hidden(&self.sealer).followed_by(&boxes),
            None => boxes,
        }
    }

    fn seal_box(
        &self,
        session: [u8; 32],
        key: PersistKey,
        value: &str,
    ) -> Result<String, SealError> {
        let sealed = self
            .sealer
            .seal(&context(&session, key), value.as_bytes())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens one box, or the right one of the two that a rename leaves when it is interrupted.
    fn open(&self, session: [u8; 32], key: PersistKey, text: &str) -> Result<String, SealError> {
        let open = |text| self.open_box(session, key, text);
        let boxes = match key {
            PersistKey::Owner => behind_owner(text),
            _ => text,
        };
        match boxes.split_once(SEPARATOR) {
            None => open(boxes),
            Some((first, second)) => open(first).or_else(|error| open(second).map_err(|_| error)),
        }
    }

    fn open_box(
        &self,
        session: [u8; 32],
        key: PersistKey,
        text: &str,
    ) -> Result<String, SealError> {
        let sealed = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| SealError::NotABox)?;
        let opened = self.sealer.open(&context(&session, key), &sealed)?;
        String::from_utf8(opened.into_plaintext()).map_err(|_| SealError::Corrupt)
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for EncryptedStorage {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let Some(text) = self.inner.get(key)? else {
            return Ok(None);
        };
        Ok(Some(self.open(self.session, key, &text)?))
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        let sealed = value.map(|value| self.seal(self.session, key, value));
        self.inner.set(key, sealed.transpose()?.as_deref())
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.sealed(changes, |sealed| self.inner.update(sealed))
    }

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.sealed(changes, |sealed| self.inner.update_unsynced(sealed))
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.inner.lock(timeout)
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.inner.lock_to_write(timeout)
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

/// Where a value belongs.
fn context(session: &[u8; 32], key: PersistKey) -> [&[u8]; 3] {
    [PURPOSE, session, key.as_str().as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Argon2Cost, EncryptionKey};
    use crate::storage::MemoryStore;

    #[test]
    fn a_passphrase_is_derived_once_for_all_sessions() {
        let cost = Argon2Cost::new(64, 1, 1).unwrap();
        let key = EncryptionKey::from_passphrase_with("secret", cost).unwrap();
        let store = EncryptedStore::new(MemoryStore::new(), key.clone());
        for _ in 0..20 {
            let (id, renamed) = (SessionId::random(), SessionId::random());
            for key in PersistKey::ALL {
                store.session(&id).set(key, Some("value")).unwrap();
            }
            store.rename(&id, &renamed).unwrap();
            for key in PersistKey::ALL {
                assert!(store.session(&renamed).get(key).unwrap().is_some());
            }
        }
        assert_eq!(key.derivations(), 1);
    }
}
