//! What happens when files fail.

mod faults;
mod power;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logto_core::{
    Clock, EncryptionKey, IdleLifetime, PersistKey, SessionId, SessionStore, Storage as _,
    StorageError,
};

use crate::FileStore;
use crate::directory::Directory;
use crate::fs::Fs;

const LIFETIME: Duration = Duration::from_secs(1_000);

/// What a session holds.
type Values = BTreeMap<PersistKey, String>;

/// A store over other file operations than the system's. The directory must be a real one: the locks
/// are.
fn store(path: &Path, fs: impl Fs + 'static, clock: &TestClock) -> FileStore {
    let idle = IdleLifetime::new(LIFETIME, Arc::new(clock.clone()));
    let key = EncryptionKey::from_bytes([1; 32]).into();
    let timeout = Duration::from_secs(10);
    crate::directory::open_owners(path).unwrap();
    FileStore::new(Directory::new(path.to_owned(), path, key, idle, timeout).over(fs))
}

/// All that a session holds.
fn values(store: &FileStore, id: &SessionId) -> Result<Values, StorageError> {
    let session = store.session(id);
    let mut values = Values::new();
    for key in PersistKey::ALL {
        values.extend(session.get(key)?.map(|value| (key, value)));
    }
    Ok(values)
}

fn id(number: usize) -> SessionId {
    format!("{number:042}A").parse().unwrap()
}

#[derive(Debug, Clone)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000)))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}
