//! The store: many sessions in one directory.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Clock, DEFAULT_IDLE_LIFETIME, FoundSession, IdleLifetime, OwnerDigest, Sealer, SessionId,
    SessionStore, Storage, StorageError, StorageErrorKind, SystemClock,
};

use crate::directory::{self, Directory, Durable};
use crate::place::Place;
use crate::storage::{self, FileStorage};
use crate::{error, owners};

/// How long a call waits for other writers, unless the store is told otherwise.
pub(crate) const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many sessions are opened at most to learn the salt of a passphrase.
const SALTS: usize = 3;

/// The sessions of many users in one directory, an encrypted file for each.
///
/// `Clone` is cheap and shares the directory. Stores that were opened apart, in this process or in
/// others, see the same sessions.
///
/// ```
/// use logto_core::{EncryptionKey, PersistKey, SessionStore, Storage};
/// use logto_storage_file::FileStore;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions");
/// let store = FileStore::open(path, EncryptionKey::from_bytes([7; 32]))?;
/// let session = store.default_session();
/// session.set(PersistKey::IdToken, Some("…"))?;
/// assert!(store.clone().default_session().get(PersistKey::IdToken)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FileStore {
    directory: Arc<Directory>,
}

impl FileStore {
    /// Opens the directory at this path with the defaults of the [builder](Self::builder), and
    /// creates it if there is none. `sealer` is a [`Sealer`] or an
    /// [`EncryptionKey`](logto_core::EncryptionKey).
    ///
    /// # Errors
    ///
    /// As [`FileStoreBuilder::open`].
    pub fn open(
        directory: impl AsRef<Path>,
        sealer: impl Into<Sealer>,
    ) -> Result<Self, StorageError> {
        Self::builder(directory, sealer).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(directory: impl AsRef<Path>, sealer: impl Into<Sealer>) -> FileStoreBuilder {
        FileStoreBuilder {
            path: directory.as_ref().to_owned(),
            sealer: sealer.into(),
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            busy_timeout: DEFAULT_BUSY_TIMEOUT,
            clock: Arc::new(SystemClock),
        }
    }

    pub(crate) fn new(directory: Directory) -> Self {
        Self {
            directory: Arc::new(directory),
        }
    }

    fn place(&self, id: &SessionId) -> Place {
        Place::in_store(self.directory.path(), id.digest())
    }

    fn storage(&self, place: Place) -> Arc<dyn Storage> {
        Arc::new(FileStorage::new(Arc::clone(&self.directory), place))
    }

    /// The sessions among these files.
    fn places(&self, names: &[OsString]) -> impl Iterator<Item = Place> {
        let path = self.directory.path();
        names
            .iter()
            .filter_map(|name| Place::of_session_file(path, name))
    }

    /// The digests of all sessions. A list may miss a file that is replaced while it is read, so there are
    /// two.
    fn digests(&self) -> Result<BTreeSet<[u8; 32]>, StorageError> {
        let mut digests = BTreeSet::new();
        for _ in 0..2 {
            let names = self.directory.names()?;
            digests.extend(self.places(&names).map(|place| place.digest));
        }
        Ok(digests)
    }

    /// Whether there is a session that has not expired, as far as one can tell.
    fn is_there(&self, place: &Place) -> Result<bool, StorageError> {
        match self.is_expired(place) {
            Err(error) if error::is_shut(&error) => Ok(true),
            expired => Ok(expired? == Some(false)),
        }
    }

    /// Removes this session if it has expired.
    fn purge(&self, place: &Place) -> Result<bool, StorageError> {
        if self.is_expired(place)? != Some(true) {
            return Ok(false);
        }
        let _turn = self.directory.turn(place)?;
        let expired = self.is_expired(place)? == Some(true);
        if expired {
            self.remove_in_turn(place)?;
        }
        Ok(expired)
    }

    /// `None` if there is no such session.
    fn is_expired(&self, place: &Place) -> Result<Option<bool>, StorageError> {
        let idle = self.directory.idle();
        storage::read_any(&self.directory, place, |record| {
            idle.is_over(record.used_at, idle.now())
        })
    }

    /// Removes a session, whether or not it can be read, and then its marks.
    fn remove_in_turn(&self, place: &Place) -> Result<(), StorageError> {
        let owner = storage::read_any(&self.directory, place, |record| record.owner());
        self.directory.remove(place)?;
        if let Ok(owner) = owner {
            owners::unmark(&self.directory, place, owner.flatten(), None);
        }
        Ok(())
    }

    fn sweep(&self, names: &[OsString]) {
        let path = self.directory.path();
        self.directory
            .sweep(names, |name| Place::of_session_file(path, name));
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("directory", &self.directory.path())
            .finish_non_exhaustive()
    }
}

impl SessionStore for FileStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.storage(self.place(id))
    }

    /// The file is written for both ids, and takes the other name in one step, so that a crash leaves
    /// the session under one of them.
    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        if from == to {
            return Ok(());
        }
        let (from, to) = (self.place(from), self.place(to));
        let directory = &*self.directory;
        let _turns = directory.turns(&from, &to)?;
        let renamed = storage::read(directory, &from, |mut record| {
            record.used_at = directory.idle().now();
            let owner = record.owner();
            if let Some(owner) = &owner {
                owners::mark(directory, &to, owner)?;
                if !record.is_current {
                    owners::mark(directory, &from, owner)?;
                }
            }
            let record = record.owned_by(&[from.digest, to.digest]);
            directory.replace(&from, &record, Durable::Yes)?;
            directory.rename(&from, &to)?;
            let record = record.owned_by(&[to.digest]);
            if let Err(error) = directory.replace(&to, &record, Durable::Either) {
                // The next write does it.
                log::warn!("the file of a renamed session still names its old id: {error}");
            }
            owners::unmark(directory, &from, owner, None);
            Ok(())
        })?;
        renamed.unwrap_or(Ok(()))
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        let place = self.place(id);
        let _turn = self.directory.turn(&place)?;
        self.remove_in_turn(&place)
    }

    /// Opens every file. What cannot be opened is left, and logged.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        let names = self.directory.names()?;
        self.sweep(&names);
        let mut purged = 0;
        let mut failed = None;
        for place in self.places(&names) {
            match self.purge(&place) {
                Ok(expired) => purged += u64::from(expired),
                Err(error) if error.kind() == StorageErrorKind::Backend => failed = Some(error),
                Err(error) => log::warn!("a session is not purged: {error}"),
            }
        }
        owners::sweep(&self.directory);
        failed.map_or(Ok(purged), Err)
    }

    /// Lists the marks of all sessions, and opens the files of those that are said to be the owner's.
    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let places = owners::find(&self.directory, owner)?;
        let found = |place: Place| FoundSession::new(place.digest, self.storage(place));
        Ok(places.into_iter().map(found).collect())
    }

    /// Keeps the digests of all sessions meanwhile, and opens the file of each to see whether it has
    /// expired. None is visited twice.
    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        for digest in self.digests()? {
            let place = Place::in_store(self.directory.path(), digest);
            if self.is_there(&place)? {
                visit(FoundSession::new(digest, self.storage(place)))?;
            }
        }
        Ok(())
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        let place = Place::in_store(self.directory.path(), *digest);
        Ok(self.storage(place))
    }
}

/// Settings of a [`FileStore`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct FileStoreBuilder {
    path: PathBuf,
    sealer: Sealer,
    idle_lifetime: Duration,
    busy_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl FileStoreBuilder {
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

    /// How long a write waits while others write, before it fails with
    /// [`Busy`](logto_core::StorageErrorKind::Busy). Default: 10 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the directory, and creates it with the mode 0700 if there is none. Removes the temporary
    /// files that killed processes left there. Sessions are not opened, but for up to three of them
    /// to learn the salt of a passphrase: a wrong key shows when a session is read.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the directory cannot
    /// be created or read, or lets other users in; the message says what to do.
    pub fn open(self) -> Result<FileStore, StorageError> {
        let path = directory::open(&self.path, 0o077, "chmod 700 it")?;
        directory::open_owners(&path)?;
        let idle = IdleLifetime::new(self.idle_lifetime, self.clock);
        let directory = Directory::new(path.clone(), &path, self.sealer, idle, self.busy_timeout);
        let store = FileStore::new(directory);
        let names = store.directory.names()?;
        store.sweep(&names);
        // What opens gives its salt to the boxes to come, so that a passphrase is derived once.
        let mut is_wrong_key = false;
        let opens = store.places(&names).take(SALTS).any(|place| {
            let read = store.directory.read(&place);
            is_wrong_key |=
                matches!(&read, Err(error) if error.kind() == StorageErrorKind::WrongKey);
            matches!(read, Ok(Some(_)))
        });
        if is_wrong_key && !opens {
            log::warn!("the sessions in this directory were sealed with another key");
        }
        Ok(store)
    }
}
