//! What all stores over one directory share within this process: who waits for whom.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use logto_core::LocalLocks;

/// What this process has open: directories of stores and single files, by canonical path.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Locks>>> = Mutex::new(BTreeMap::new());

/// The in-process halves of the locks: one thread of a process at a time asks for the other half, which
/// is the operating system's.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    pub(crate) sessions: LocalLocks,
    pub(crate) writers: LocalLocks,
}

impl Locks {
    pub(crate) fn of(canonical: &Path) -> Arc<Self> {
        let mut open = open();
        if let Some(locks) = open.get(canonical).and_then(Weak::upgrade) {
            return locks;
        }
        open.retain(|_, locks| locks.strong_count() > 0);
        let locks = Arc::new(Self::default());
        open.insert(canonical.to_owned(), Arc::downgrade(&locks));
        locks
    }
}

/// A panic elsewhere leaves the map whole.
fn open() -> MutexGuard<'static, BTreeMap<PathBuf, Weak<Locks>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_set_of_locks_while_it_is_open() {
        let (path, other) = (Path::new("/one directory"), Path::new("/another one"));
        let first = Locks::of(path);
        assert!(Arc::ptr_eq(&first, &Locks::of(path)));
        assert!(!Arc::ptr_eq(&first, &Locks::of(other)));
        drop(first);
        drop(Locks::of(other));
        assert!(!open().contains_key(path));
    }
}
