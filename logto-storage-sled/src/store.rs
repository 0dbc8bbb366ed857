//! The store: many sessions in one directory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Change, Clock, DEFAULT_IDLE_LIFETIME, FoundSession, IdleLifetime, OwnerDigest, SessionId,
    SessionStore, Storage, StorageError, SystemClock,
};

use crate::database::{Database, Writes};
use crate::owners;
use crate::purge;
use crate::record::{self, Record};
use crate::storage::{self, SledStorage};

/// How many sessions are looked at in one go.
pub(crate) const PAGE: usize = 256;

/// The sessions of many users in one sled database, which is a directory.
///
/// `Clone` is cheap and shares the database. So do stores that this process opened apart; another
/// process is refused while they live.
///
/// ```
/// use logto_core::{PersistKey, SessionStore, Storage};
/// use logto_storage_sled::SledStore;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions");
/// let store = SledStore::open(path)?;
/// let session = store.default_session();
/// session.set(PersistKey::IdToken, Some("…"))?;
/// assert!(store.clone().default_session().get(PersistKey::IdToken)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SledStore {
    shared: Arc<Shared>,
}

/// What a store and its sessions have in common.
pub(crate) struct Shared {
    pub(crate) database: Arc<Database>,
    pub(crate) idle: IdleLifetime,
}

impl SledStore {
    /// Opens the database at this path with the defaults of the [builder](Self::builder), and
    /// creates it if there is none. Its parent directory must exist.
    ///
    /// # Errors
    ///
    /// As [`SledStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder(path).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(path: impl AsRef<Path>) -> SledStoreBuilder {
        SledStoreBuilder {
            path: path.as_ref().to_owned(),
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            clock: Arc::new(SystemClock),
        }
    }

    fn storage(&self, session: [u8; 32]) -> Arc<dyn Storage> {
        Arc::new(SledStorage::new(Arc::clone(&self.shared), session))
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("path", &self.shared.database.path())
            .finish_non_exhaustive()
    }
}

impl SessionStore for SledStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.storage(id.digest())
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        let Shared { database, idle } = &*self.shared;
        let (from, to) = (from.digest(), to.digest());
        let turn = database.writer();
        let Some(stored) = database.record(&from)? else {
            return Ok(());
        };
        let mut record = Record::parse(&stored).map_err(|_| database.damaged())?;
        let now = idle.now();
        let mut writes = Writes::default();
        if idle.is_over(record.used_at, now) {
            remove(database, &from, &mut writes)?;
        } else {
            if from != to {
                remove(database, &to, &mut writes)?;
                writes.session(from, None);
                let owner = owners::of(database, &record)?;
                owners::replace(&mut writes, from, owner, None);
                owners::replace(&mut writes, to, None, owner);
            }
            record.used_at = now;
            writes.session(to, Some(record.to_bytes()));
        }
        database.write(&writes)?;
        drop(turn);
        database.sync()
    }

    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        let Shared { database, idle } = &*self.shared;
        let (from, to) = (from.digest(), to.digest());
        storage::check_lengths(database, changes)?;
        let turn = database.writer();
        let mut writes = Writes::default();
        if from != to {
            remove(database, &from, &mut writes)?;
        }
        storage::apply_to_empty(database, idle.now(), &to, changes, &mut writes)?;
        database.write(&writes)?;
        drop(turn);
        database.sync()
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        let database = &self.shared.database;
        let turn = database.writer();
        let mut writes = Writes::default();
        if !remove(database, &id.digest(), &mut writes)? {
            return Ok(());
        }
        database.write(&writes)?;
        drop(turn);
        database.sync()
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        let Shared { database, idle } = &*self.shared;
        purge::purge_expired(database, idle.oldest_live(idle.now()))
    }

    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let Shared { database, idle } = &*self.shared;
        let _turn = database.writer();
        let names = owners::find(database, idle, owner)?;
        let found = |name| FoundSession::new(name, self.storage(name));
        Ok(names.into_iter().map(found).collect())
    }

    /// In the order of their digests, a page at a time, so that none is visited twice.
    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let Shared { database, idle } = &*self.shared;
        let mut behind = Vec::new();
        loop {
            let oldest = idle.oldest_live(idle.now());
            let page = database.page(&behind, PAGE, |record| !is_older(record, oldest))?;
            let Some(last) = page.last else {
                return Ok(());
            };
            behind = last.to_vec();
            for name in page.names {
                visit(FoundSession::new(name, self.storage(name)))?;
            }
        }
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(self.storage(*digest))
    }
}

/// Whether there was such a session.
pub(crate) fn remove(
    database: &Database,
    session: &[u8; 32],
    writes: &mut Writes,
) -> Result<bool, StorageError> {
    let Some(stored) = database.record(session)? else {
        return Ok(false);
    };
    // A damaged record must not stand in the way for ever.
    let record = Record::parse(&stored).unwrap_or_default();
    let owner = owners::of(database, &record).unwrap_or_default();
    owners::replace(writes, *session, owner, None);
    record.beside().for_each(|beside| writes.remove(beside));
    writes.session(*session, None);
    Ok(true)
}

pub(crate) fn is_older(record: &[u8], oldest: i64) -> bool {
    record::used_at(record).is_ok_and(|used_at| used_at < oldest)
}

/// Settings of a [`SledStore`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct SledStoreBuilder {
    path: PathBuf,
    idle_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

impl SledStoreBuilder {
    /// How long a session may lie unused before it is gone, in whole milliseconds. Default:
    /// [`DEFAULT_IDLE_LIFETIME`].
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle_lifetime = lifetime;
        self
    }

    /// The clock that idle time is measured by. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the database, and creates it if there is none. Its parent directory must exist.
    ///
    /// # Errors
    ///
    /// - [`Busy`](logto_core::StorageErrorKind::Busy) if another process has it open, and did not close
    ///   it within two seconds. If that process is to be replaced by this one, try again; if both are to
    ///   run, take the SQLite storage.
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the directory cannot be
    ///   created, read and written; the message says why.
    /// - [`Corrupt`](logto_core::StorageErrorKind::Corrupt) if the directory holds something else, which
    ///   has not been changed, or a damaged database.
    /// - [`NewerFormat`](logto_core::StorageErrorKind::NewerFormat) if a newer version of this crate
    ///   wrote it. It has not been changed.
    pub fn open(self) -> Result<SledStore, StorageError> {
        let shared = Shared {
            database: Database::open(&self.path)?,
            idle: IdleLifetime::new(self.idle_lifetime, self.clock),
        };
        Ok(SledStore {
            shared: Arc::new(shared),
        })
    }
}

#[cfg(test)]
mod tests {
    use logto_core::{PersistKey, SessionOwner};

    use super::*;

    #[test]
    fn a_damaged_owner_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).unwrap();
        let owner = SessionOwner::of("https://a", "alice", None);
        let digest = owner.digests().next().unwrap();
        let good = SessionId::random();
        let text = owner.to_string();
        store
            .session(&good)
            .set(PersistKey::Owner, Some(&text))
            .unwrap();
        let id = SessionId::random();
        let session = store.session(&id);
        // So long that it does not stand in the record.
        let long = format!("{owner};{}", "x".repeat(8192));
        session.set(PersistKey::Owner, Some(&long)).unwrap();
        assert_eq!(store.sessions_of(&digest).unwrap().len(), 2);

        let database = &store.shared.database;
        let stored = database.record(&id.digest()).unwrap().unwrap();
        let mut writes = Writes::default();
        let record = Record::parse(&stored).unwrap();
        record.beside().for_each(|beside| writes.remove(beside));
        database.write(&writes).unwrap();
        session.get(PersistKey::Owner).unwrap_err();

        let found = store.sessions_of(&digest).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].digest(), good.digest());
        session.set(PersistKey::Owner, Some(&text)).unwrap();
        assert_eq!(store.sessions_of(&digest).unwrap().len(), 2);
    }

    #[test]
    fn each_session_is_visited_once_and_in_order_wherever_a_page_ends() {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).unwrap();
        let database = &store.shared.database;
        let mut digests = Vec::new();
        for sessions in 0..=2 * PAGE + 1 {
            if [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1].contains(&sessions) {
                digests.sort_unstable();
                assert_eq!(visited(&store), digests);
            }
            let name = SessionId::random().digest();
            let mut writes = Writes::default();
            let mut record = Record::default();
            record.used_at = store.shared.idle.now();
            writes.session(name, Some(record.to_bytes()));
            database.write(&writes).unwrap();
            digests.push(name);
        }
    }

    #[test]
    fn a_damaged_session_is_visited_and_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).unwrap();
        let id = SessionId::random();
        let mut writes = Writes::default();
        writes.session(id.digest(), Some(b"no record".to_vec()));
        store.shared.database.write(&writes).unwrap();
        assert_eq!(visited(&store), [id.digest()]);
        store.session(&id).get(PersistKey::IdToken).unwrap_err();
    }

    fn visited(store: &SledStore) -> Vec<[u8; 32]> {
        let mut digests = Vec::new();
        let visited = store.for_each_session(&mut |found| {
            digests.push(found.digest());
            Ok(())
        });
        visited.unwrap();
        digests
    }
}
