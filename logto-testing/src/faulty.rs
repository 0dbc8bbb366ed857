//! A storage that fails on demand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use logto_core::{
    OwnerDigest, Record, SessionKey, Storage, StorageError, StorageErrorKind, StorageLock, Version,
};

/// A [`Storage`] around another one, that fails when a test tells it to, and counts the calls that it is
/// given.
///
/// A call that fails does not reach the inner storage. `Clone` shares the faults and the counts.
///
/// ```
/// use logto_core::{MemoryStorage, Record, SessionKey, Storage, StorageErrorKind};
/// use logto_testing::{Faulty, StorageCall};
///
/// let storage = Faulty::new(MemoryStorage::new());
/// storage.fail(StorageCall::Save, 2, StorageErrorKind::Conflict);
///
/// let (session, first, second) = (SessionKey::ONLY, Record::new(None, "1"), Record::new(None, "2"));
/// assert!(storage.save(&session, &first, None).is_ok());
/// assert!(storage.save(&session, &second, Some(first.version())).is_err());
/// assert_eq!(storage.load(&session)?, Some(first));
/// assert_eq!(storage.calls(StorageCall::Save), 2);
/// assert_eq!(storage.calls(StorageCall::Any), 3);
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    state: Arc<Mutex<State>>,
}

/// A call of a [`Storage`], for [`Faulty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorageCall {
    /// [`Storage::load`]
    Load,
    /// [`Storage::save`]
    Save,
    /// [`Storage::remove`]
    Remove,
    /// [`Storage::replace`]
    Replace,
    /// [`Storage::lock`]
    Lock,
    /// [`Storage::purge_expired`]
    Purge,
    /// [`Storage::find`]
    Find,
    /// [`Storage::for_each`]
    ForEach,
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
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        self.begin(StorageCall::Load)?;
        self.inner.load(session)
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.begin(StorageCall::Save)?;
        self.inner.save(session, record, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.begin(StorageCall::Remove)?;
        self.inner.remove(session)
    }

    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        self.begin(StorageCall::Replace)?;
        self.inner.replace(from, expected, to, record)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        self.begin(StorageCall::Lock)?;
        self.inner.lock(session, timeout)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.begin(StorageCall::Purge)?;
        self.inner.purge_expired()
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        self.begin(StorageCall::Find)?;
        self.inner.find(owner)
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.begin(StorageCall::ForEach)?;
        self.inner.for_each(visit)
    }
}
