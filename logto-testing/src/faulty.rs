//! A storage that fails when it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use logto_core::{
    Change, FoundSession, OwnerDigest, PersistKey, SessionId, SessionStore, Storage, StorageError,
    StorageErrorKind, StorageLock,
};

/// A [`Storage`] or a [`SessionStore`] around another one, that fails when a test tells it to, and
/// counts the calls that it is given.
///
/// A call that fails does not reach the inner storage. `Clone` shares the faults and the counts, and so
/// does each session of a store.
///
/// ```
/// use logto_core::{MemoryStorage, PersistKey, Storage, StorageErrorKind};
/// use logto_testing::{Faulty, StorageCall};
///
/// let storage = Faulty::new(MemoryStorage::new());
/// storage.fail(StorageCall::Set, 2, StorageErrorKind::Backend);
///
/// assert!(storage.set(PersistKey::IdToken, Some("first")).is_ok());
/// assert!(storage.set(PersistKey::IdToken, Some("second")).is_err());
/// assert_eq!(storage.get(PersistKey::IdToken)?.as_deref(), Some("first"));
/// assert_eq!(storage.calls(StorageCall::Set), 2);
/// assert_eq!(storage.calls(StorageCall::Any), 3);
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    state: Arc<Mutex<State>>,
}

/// A call of a [`Storage`] or a [`SessionStore`], for [`Faulty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageCall {
    /// [`Storage::get`]
    Get,
    /// [`Storage::set`]
    Set,
    /// [`Storage::update`]
    Update,
    /// [`Storage::update_unsynced`]
    UpdateUnsynced,
    /// [`Storage::lock`] and [`Storage::lock_to_write`]
    Lock,
    /// [`SessionStore::rename`]
    Rename,
    /// [`SessionStore::replace`]
    Replace,
    /// [`SessionStore::remove`]
    Remove,
    /// [`SessionStore::purge_expired`]
    Purge,
    /// [`SessionStore::sessions_of`]
    SessionsOf,
    /// [`SessionStore::for_each_session`]
    ForEachSession,
    /// Whichever it is.
    Any,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: Vec<StorageCall>,
}

#[derive(Debug)]
struct Fault {
    call: StorageCall,
    kind: StorageErrorKind,
    /// How many of the calls have still to come, the one that fails among them.
    left: usize,
}

impl<S> Faulty<S> {
    /// Fails no call yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            state: Arc::default(),
        }
    }

    /// Fails the `nth` call of this kind, counted from now on: the next one is 1. The others are not
    /// concerned, and several faults can be set at once.
    ///
    /// # Panics
    ///
    /// If `nth` is 0.
    pub fn fail(&self, call: StorageCall, nth: usize, kind: StorageErrorKind) {
        assert_ne!(nth, 0, "the next call is 1");
        let left = nth;
        self.state().faults.push(Fault { call, kind, left });
    }

    /// Takes back the faults that have not come to pass.
    pub fn calm(&self) {
        self.state().faults.clear();
    }

    /// How many calls of this kind there were, with those that failed.
    pub fn calls(&self, call: StorageCall) -> usize {
        let state = self.state();
        let calls = state.calls.iter();
        calls.filter(|made| call.includes(**made)).count()
    }

    /// The storage inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn begin(&self, call: StorageCall) -> Result<(), StorageError> {
        match self.state().begin(call) {
            Some(kind) => Err(StorageError::new(kind, "the storage was told to fail")),
            None => Ok(()),
        }
    }

    fn around<T>(&self, inner: T) -> Faulty<T> {
        let state = Arc::clone(&self.state);
        Faulty { inner, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a call, and tells how it fails.
    fn begin(&mut self, call: StorageCall) -> Option<StorageErrorKind> {
        self.calls.push(call);
        let concerned = self.faults.iter_mut();
        for fault in concerned.filter(|fault| fault.call.includes(call)) {
            fault.left -= 1;
        }
        let failed = self.faults.iter().find(|fault| fault.left == 0);
        let kind = failed.map(|fault| fault.kind);
        self.faults.retain(|fault| fault.left > 0);
        kind
    }
}

impl StorageCall {
    fn includes(self, call: Self) -> bool {
        self == Self::Any || self == call
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Storage> Storage for Faulty<S> {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.begin(StorageCall::Get)?;
        self.inner.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.begin(StorageCall::Set)?;
        self.inner.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.begin(StorageCall::Update)?;
        self.inner.update(changes)
    }

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.begin(StorageCall::UpdateUnsynced)?;
        self.inner.update_unsynced(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.begin(StorageCall::Lock)?;
        self.inner.lock(timeout)
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.begin(StorageCall::Lock)?;
        self.inner.lock_to_write(timeout)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: SessionStore> SessionStore for Faulty<S> {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        Arc::new(self.around(self.inner.session(id)))
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        self.begin(StorageCall::Rename)?;
        self.inner.rename(from, to)
    }

    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        self.begin(StorageCall::Replace)?;
        self.inner.replace(from, to, changes)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.begin(StorageCall::Remove)?;
        self.inner.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.begin(StorageCall::Purge)?;
        self.inner.purge_expired()
    }

    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        self.begin(StorageCall::SessionsOf)?;
        let found = self.inner.sessions_of(owner)?.into_iter();
        Ok(found
            .map(|session| session.wrapped(|inner| self.around(inner)))
            .collect())
    }

    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.begin(StorageCall::ForEachSession)?;
        self.inner
            .for_each_session(&mut |found| visit(found.wrapped(|inner| self.around(inner))))
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(Arc::new(self.around(self.inner.session_by_digest(digest)?)))
    }

    fn default_session(&self) -> Arc<dyn Storage> {
        Arc::new(self.around(self.inner.default_session()))
    }
}
