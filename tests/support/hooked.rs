//! A storage in memory that a test gets in the way of.

// Each test file compiles this for itself and uses a part of it.
#![allow(dead_code)]

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::storage::{
    MemoryStorage, Record, SessionKey, Storage, StorageError, StorageErrorKind, StorageLock,
    Version,
};

/// A call, before it reaches the memory.
#[derive(Clone, Copy)]
pub enum Call<'a> {
    Load,
    Save(&'a Record),
    Remove,
    Replace(&'a Record),
    Lock,
}

impl<'a> Call<'a> {
    /// The record that the call writes.
    pub fn written(self) -> Option<&'a Record> {
        match self {
            Self::Save(record) | Self::Replace(record) => Some(record),
            _ => None,
        }
    }

    pub fn is_write(self) -> bool {
        !matches!(self, Self::Load | Self::Lock)
    }
}

type Hook = Box<dyn FnMut(&MemoryStorage, Call<'_>) -> Result<(), StorageError> + Send>;

/// Memory with a hook before each call. The hook may look at the call, change the memory as another process does, or
/// fail the call. `Clone` shares all of it.
#[derive(Clone, Default)]
pub struct Hooked {
    pub inner: MemoryStorage,
    hook: Arc<Mutex<Option<Hook>>>,
    has_lost_locks: Arc<AtomicBool>,
}

impl Hooked {
    /// Calls this before each call from now on, in the place of the hook before.
    pub fn hook(
        &self,
        hook: impl FnMut(&MemoryStorage, Call<'_>) -> Result<(), StorageError> + Send + 'static,
    ) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Lets another process work before this many of the next saves and replacements.
    pub fn interfere(
        &self,
        mut times: usize,
        mut others: impl FnMut(&MemoryStorage) + Send + 'static,
    ) {
        self.hook(move |inner, call| {
            if times > 0 && call.written().is_some() {
                times -= 1;
                others(inner);
            }
            Ok(())
        });
    }

    /// Fails these calls from now on.
    pub fn fail(
        &self,
        kind: StorageErrorKind,
        mut fails: impl FnMut(Call<'_>) -> bool + Send + 'static,
    ) {
        self.hook(move |_, call| match fails(call) {
            true => Err(StorageError::new(kind, "the storage was told to fail")),
            false => Ok(()),
        });
    }

    pub fn calm(&self) {
        *self.hook.lock().unwrap() = None;
        self.has_lost_locks.store(false, Ordering::SeqCst);
    }

    /// Another process takes over every lock, as leases that ran out.
    pub fn lose_locks(&self) {
        self.has_lost_locks.store(true, Ordering::SeqCst);
    }

    fn before(&self, call: Call<'_>) -> Result<(), StorageError> {
        match &mut *self.hook.lock().unwrap() {
            Some(hook) => hook(&self.inner, call),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hooked").field(&self.inner).finish()
    }
}

impl Storage for Hooked {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        self.before(Call::Load)?;
        self.inner.load(session)
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.before(Call::Save(record))?;
        self.inner.save(session, record, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.before(Call::Remove)?;
        self.inner.remove(session)
    }

    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        self.before(Call::Replace(record))?;
        self.inner.replace(from, expected, to, record)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        self.before(Call::Lock)?;
        let held = (self.inner.lock(session, timeout)?, &self.has_lost_locks);
        let is_held = |held: &(StorageLock<'_>, &Arc<AtomicBool>)| !held.1.load(Ordering::SeqCst);
        Ok(StorageLock::lease(held, is_held))
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.inner.for_each(visit)
    }
}
