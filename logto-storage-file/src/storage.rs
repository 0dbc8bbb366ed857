//! The storage, and its settings.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logto_core::files::LockFiles;
use logto_core::{
    Clock, DEFAULT_IDLE_LIFETIME, IdleLifetime, OwnerDigest, Record, Sealer, SessionKey,
    SessionOwner, Storage, StorageError, StorageErrorKind, StorageLock, SystemClock, Version,
};

use crate::directory::{Directory, Opened};
use crate::fs::{Fs, OsFs, PrivateFile};

/// Sessions in encrypted files, one for each, in one directory.
///
/// A program with one user keeps its session under [`SessionKey::ONLY`].
///
/// `Clone` is cheap and shares the directory. Storages that were opened apart, in this process or in others,
/// see the same sessions.
///
/// ```
/// use logto_core::{EncryptionKey, Record, SessionKey, Storage};
/// use logto_storage_file::FileStorage;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions");
/// # let key = EncryptionKey::from_bytes([7; 32]);
/// let storage = FileStorage::open(&path, &key)?;
/// let record = Record::new(None, "{}");
/// storage.save(&SessionKey::ONLY, &record, None)?;
///
/// // The program restarts.
/// let storage = FileStorage::open(&path, &key)?;
/// assert_eq!(storage.load(&SessionKey::ONLY)?, Some(record));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FileStorage(Arc<Shared>);

struct Shared {
    directory: Directory,
    locks: LockFiles,
    idle: IdleLifetime,
}

impl FileStorage {
    /// Opens the directory with the defaults of the [builder](Self::builder). `sealer` is a [`Sealer`] or an
    /// [`EncryptionKey`](logto_core::EncryptionKey).
    ///
    /// # Errors
    ///
    /// Same as [`FileStorageBuilder::open`].
    pub fn open(path: impl AsRef<Path>, sealer: impl Into<Sealer>) -> Result<Self, StorageError> {
        Self::builder(path, sealer).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(path: impl AsRef<Path>, sealer: impl Into<Sealer>) -> FileStorageBuilder {
        FileStorageBuilder {
            path: path.as_ref().to_owned(),
            sealer: sealer.into(),
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            busy_timeout: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
            fs: Arc::new(OsFs),
        }
    }

    /// The file of a session that has not expired.
    fn live_file(&self, session: &SessionKey) -> Result<Option<PrivateFile>, StorageError> {
        let file = self.0.directory.file(session)?;
        Ok(file.filter(|file| !self.is_over(file)))
    }

    fn is_over(&self, file: &PrivateFile) -> bool {
        let idle = &self.0.idle;
        idle.is_over(to_millis(file.modified), idle.now())
    }

    /// The session, if it has not expired.
    fn read(&self, session: &SessionKey) -> Result<Option<Opened>, StorageError> {
        self.unseal(session, self.live_file(session)?)
    }

    fn unseal(
        &self,
        session: &SessionKey,
        file: Option<PrivateFile>,
    ) -> Result<Option<Opened>, StorageError> {
        file.map(|file| self.0.directory.read(session, &file))
            .transpose()
    }

    /// Sets the file's time. Failing to note a use does not fail the load.
    fn note_use(&self, file: &PrivateFile) {
        let idle = &self.0.idle;
        let now = idle.now();
        if idle.should_note(to_millis(file.modified), now)
            && let Some(now) = from_millis(now)
            && let Err(error) = file.set_modified(now)
        {
            log::warn!("the use of a session is not noted: {error}");
        }
    }

    /// Removes an expired session, and returns whether it was one.
    fn purge(&self, session: &SessionKey) -> Result<bool, StorageError> {
        if self.live_file(session)?.is_some() {
            return Ok(false);
        }
        let directory = &self.0.directory;
        let _turn = directory.turn(session)?;
        // It may have been saved since.
        let expired = directory.file(session)?.filter(|file| self.is_over(file));
        if expired.is_none() {
            return Ok(false);
        }
        let before = self.unseal(session, expired).unwrap_or_default();
        self.remove_in_turn(session, before)?;
        Ok(true)
    }

    fn save_in_turn(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let directory = &self.0.directory;
        let before = self.read(session)?;
        compare(&before, expected)?;
        let now = record.owner();
        // The same owner under the same key has its marks already.
        let is_marked = |before: &Opened| before.is_current && before.record.owner() == now;
        let is_marked = before.as_ref().is_some_and(is_marked);
        if !is_marked {
            directory.mark(session, now)?;
        }
        directory.write(session, record, from_millis(self.0.idle.now()))?;
        if !is_marked {
            directory.unmark(session, owner_of(&before), now);
        }
        Ok(())
    }

    fn remove_in_turn(
        &self,
        session: &SessionKey,
        before: Option<Opened>,
    ) -> Result<(), StorageError> {
        self.0.directory.remove(session)?;
        self.0.directory.unmark(session, owner_of(&before), None);
        Ok(())
    }

    /// Removes marks whose session is gone.
    fn sweep_owners(&self) -> Result<(), StorageError> {
        let directory = &self.0.directory;
        for mark in directory.marks()? {
            let is_gone = || matches!(directory.file(&mark.1), Ok(None));
            if is_gone()
                && let Ok(_turn) = directory.turn(&mark.1)
                && is_gone()
            {
                directory.sweep_mark(&mark);
            }
        }
        Ok(())
    }

    /// Whether the session is this owner's. One that cannot be read signs nobody in.
    fn is_of(&self, session: &SessionKey, owner: &OwnerDigest) -> Result<bool, StorageError> {
        match self.read(session) {
            Ok(found) => Ok(owner_of(&found).is_some_and(|found| found.matches(owner))),
            Err(error) if error.is_permanent() => {
                log::warn!("a session of a user is passed over: {error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for FileStorage {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        let Some(file) = self.live_file(session)? else {
            return Ok(None);
        };
        let found = self.0.directory.read(session, &file)?;
        self.note_use(&file);
        Ok(Some(found.record))
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let _turn = self.0.directory.turn(session)?;
        self.save_in_turn(session, record, expected)
    }

    /// In the turns of both sessions: no save of `from` is lost. A crash in between leaves both sessions.
    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let _turns = self.0.directory.turns([from, to])?;
        let before = self.read(from)?;
        compare(&before, expected)?;
        self.save_in_turn(to, record, None)?;
        if before.is_some()
            && let Err(error) = self.remove_in_turn(from, before)
        {
            // If only its sync failed, `to` is all that is left.
            if !matches!(self.0.directory.file(from), Ok(None)) {
                let _ = self.remove_in_turn(to, None);
            }
            return Err(error);
        }
        Ok(())
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        let _turn = self.0.directory.turn(session)?;
        // The marks of a session that cannot be read stay until a purge.
        let file = self.0.directory.file(session).unwrap_or_default();
        let before = self.unseal(session, file).unwrap_or_default();
        self.remove_in_turn(session, before)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        Ok(StorageLock::new(self.0.locks.lock(session, timeout)?))
    }

    /// Looks at the time of every file, and opens the expired ones. A file that cannot be looked at is left, and
    /// logged.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.0.directory.sweep()?;
        let mut purged = 0;
        for session in self.0.directory.sessions()? {
            match self.purge(&session) {
                Ok(expired) => purged += u64::from(expired),
                Err(error) if error.kind() == StorageErrorKind::Backend => return Err(error),
                Err(error) => log::warn!("a session is not purged: {error}"),
            }
        }
        self.sweep_owners()?;
        Ok(purged)
    }

    /// Lists the owner index, which has a name or two for each session, and reads the sessions that it names for
    /// this owner.
    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        loop {
            let mut marked = self.0.directory.marked(owner)?;
            marked.retain(|session| seen.insert(*session));
            // A session that got a new key meanwhile is gone under the old one and marked under the new one.
            if marked.is_empty() {
                return Ok(found);
            }
            for session in marked {
                if self.is_of(&session, owner)? {
                    found.push(session);
                }
            }
        }
    }

    /// Holds the keys of all sessions meanwhile, and looks at the time of each file.
    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        for session in self.0.directory.sessions()? {
            // A file that cannot be looked at is there, and the visitor's own call tells why.
            if !matches!(self.live_file(&session), Ok(None)) {
                visit(&session)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for FileStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStorage")
            .field("path", &self.0.directory.path())
            .finish_non_exhaustive()
    }
}

fn compare(found: &Option<Opened>, expected: Option<Version>) -> Result<(), StorageError> {
    match found.as_ref().map(|found| found.record.version()) == expected {
        true => Ok(()),
        false => Err(StorageError::conflict()),
    }
}

fn owner_of(found: &Option<Opened>) -> Option<SessionOwner> {
    found.as_ref().and_then(|found| found.record.owner())
}

fn to_millis(time: SystemTime) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// `None` if the system cannot express the time.
fn from_millis(millis: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(millis.unsigned_abs());
    match millis {
        0.. => UNIX_EPOCH.checked_add(distance),
        _ => UNIX_EPOCH.checked_sub(distance),
    }
}

/// Settings of a [`FileStorage`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct FileStorageBuilder {
    path: PathBuf,
    sealer: Sealer,
    idle_lifetime: Duration,
    busy_timeout: Duration,
    clock: Arc<dyn Clock>,
    pub(crate) fs: Arc<dyn Fs>,
}

impl FileStorageBuilder {
    /// How long a session may lie unused before it expires. Default: [`DEFAULT_IDLE_LIFETIME`].
    /// `Duration::MAX` keeps it for ever.
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
    /// [`Busy`](StorageErrorKind::Busy). Default: 10 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the directory, and creates it with the mode 0700 if there is none. Removes temporary files
    /// of killed processes.
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](StorageErrorKind::PermissionDenied) if the directory cannot be created or
    ///   used, or lets other users in; the message says what to do.
    /// - [`WrongKey`](StorageErrorKind::WrongKey), [`Corrupt`](StorageErrorKind::Corrupt) or
    ///   [`NewerFormat`](StorageErrorKind::NewerFormat) if its marker cannot be opened.
    /// - [`Corrupt`](StorageErrorKind::Corrupt) if it holds files and no marker.
    ///
    /// Nothing was changed then.
    pub fn open(self) -> Result<FileStorage, StorageError> {
        let directory = Directory::open(&self.path, self.sealer, self.fs, self.busy_timeout)?;
        Ok(FileStorage(Arc::new(Shared {
            locks: LockFiles::new(directory.path().join("locks")),
            idle: IdleLifetime::new(self.idle_lifetime, self.clock),
            directory,
        })))
    }
}
