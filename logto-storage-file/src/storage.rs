//! One session.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Change, IdleLifetime, PersistKey, Sealer, SessionOwner, Storage, StorageError, StorageLock,
    SystemClock,
};

use crate::directory::{self, Directory, Durable};
use crate::place::Place;
use crate::record::Record;
use crate::store::DEFAULT_BUSY_TIMEOUT;
use crate::{error, owners};

/// The session of a program with one user, in one encrypted file. It never expires.
///
/// `Clone` is cheap and shares the file. Storages that were opened apart, in this process or in
/// others, see the same session.
///
/// ```
/// use logto_core::{EncryptionKey, PersistKey, Storage};
/// use logto_storage_file::FileStorage;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("session");
/// # let key = EncryptionKey::from_bytes([7; 32]);
/// let storage = FileStorage::open(&path, &key)?;
/// storage.set(PersistKey::RefreshToken, Some("…"))?;
///
/// // The program restarts.
/// let storage = FileStorage::open(&path, &key)?;
/// assert!(storage.get(PersistKey::RefreshToken)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FileStorage {
    directory: Arc<Directory>,
    place: Arc<Place>,
}

impl FileStorage {
    /// Opens the session in this file. The file is made by the first write; its directory is created
    /// now, with the mode 0700, if it is missing. `sealer` is a [`Sealer`] or an
    /// [`EncryptionKey`](logto_core::EncryptionKey).
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the directory cannot
    ///   be created, others may write to it, the file may be read by others or is a symbolic link; the
    ///   message says what to do.
    /// - [`WrongKey`](logto_core::StorageErrorKind::WrongKey),
    ///   [`Corrupt`](logto_core::StorageErrorKind::Corrupt) or
    ///   [`NewerFormat`](logto_core::StorageErrorKind::NewerFormat) if what is in the file cannot be
    ///   opened. It has not been changed. A program that wants to start anew deletes the file.
    pub fn open(path: impl AsRef<Path>, sealer: impl Into<Sealer>) -> Result<Self, StorageError> {
        let path = path.as_ref();
        let Some(name) = path.file_name() else {
            return Err(error::no_file_name(path));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let parent = directory::open(parent, 0o022, "chmod go-w it")?;
        let storage = Self::in_directory(parent, name, sealer.into());
        storage.sweep()?;
        storage.read(|_| ())?;
        Ok(storage)
    }

    fn in_directory(parent: PathBuf, name: &OsStr, sealer: Sealer) -> Self {
        let place = Place::of_file(&parent, name);
        let idle = IdleLifetime::new(Duration::MAX, Arc::new(SystemClock));
        let busy = DEFAULT_BUSY_TIMEOUT;
        let directory = Directory::new(parent, &place.session, sealer, idle, busy);
        Self::new(Arc::new(directory), place)
    }

    pub(crate) fn new(directory: Arc<Directory>, place: Place) -> Self {
        Self {
            directory,
            place: Arc::new(place),
        }
    }

    fn sweep(&self) -> Result<(), StorageError> {
        let own = self.place.session.file_name();
        self.directory.sweep(&self.directory.names()?, |name| {
            (Some(name) == own).then(|| Place::of_file(self.directory.path(), name))
        });
        Ok(())
    }

    /// What `look` sees in the session, if there is one that has not expired.
    fn read<T>(&self, look: impl FnOnce(Record<'_>) -> T) -> Result<Option<T>, StorageError> {
        read(&self.directory, &self.place, look)
    }

    /// Best effort: a session that was read is there, whether or not that could be noted.
    fn note_use(&self, seen: i64) {
        let noted = self.directory.turn_now(&self.place).and_then(|_turn| {
            self.read(|mut record| match record.used_at == seen {
                true => {
                    record.used_at = self.directory.idle().now();
                    let owner = record.owner();
                    self.replace(record, owner, Durable::Either)
                }
                false => Ok(()),
            })?
            .unwrap_or(Ok(()))
        });
        if let Err(error) = noted {
            log::debug!("the use of a session is noted at a later read: {error}");
        }
    }

    fn change<'a>(
        &self,
        mut record: Record<'a>,
        changes: &[Change<'a>],
        now: i64,
    ) -> Result<(), StorageError> {
        let before = record.owner();
        record.used_at = now;
        record.apply(changes);
        if !record.is_empty() {
            return self.replace(record, before, Durable::Yes);
        }
        self.directory.remove(&self.place)?;
        owners::unmark(&self.directory, &self.place, before, None);
        Ok(())
    }

    /// `before` is the owner in the file as it is.
    fn replace(
        &self,
        record: Record<'_>,
        before: Option<SessionOwner>,
        durable: Durable,
    ) -> Result<(), StorageError> {
        let (directory, place) = (&*self.directory, &*self.place);
        let owner = record.owner();
        if let Some(owner) = owner.filter(|_| owner != before || !record.is_current) {
            owners::mark(directory, place, &owner)?;
        }
        let record = record.owned_by(&[place.digest]);
        directory.replace(place, &record, durable)?;
        owners::unmark(directory, place, before, owner);
        Ok(())
    }
}

/// What `look` sees in the session at this place, if there is one that has not expired.
pub(crate) fn read<T>(
    directory: &Directory,
    place: &Place,
    look: impl FnOnce(Record<'_>) -> T,
) -> Result<Option<T>, StorageError> {
    let idle = directory.idle();
    let found = read_any(directory, place, |record| {
        let over = idle.is_over(record.used_at, idle.now());
        (!over).then(|| look(record))
    })?;
    Ok(found.flatten())
}

/// As [`read`], whether or not it has expired.
pub(crate) fn read_any<T>(
    directory: &Directory,
    place: &Place,
    look: impl FnOnce(Record<'_>) -> T,
) -> Result<Option<T>, StorageError> {
    let Some(opened) = directory.read(place)? else {
        return Ok(None);
    };
    let mut record = Record::parse(opened.plaintext(), &place.digest)
        .map_err(|e| error::not_a_session(&place.session, e))?;
    record.is_current = opened.is_current();
    Ok(Some(look(record)))
}

impl fmt::Debug for FileStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStorage")
            .field("directory", &self.directory.path())
            .finish_non_exhaustive()
    }
}

impl Storage for FileStorage {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let found = self.read(|record| {
            let value = record.value(key).map(str::to_owned);
            (record.used_at, value)
        })?;
        let Some((used_at, value)) = found else {
            return Ok(None);
        };
        let idle = self.directory.idle();
        if idle.should_note(used_at, idle.now()) {
            self.note_use(used_at);
        }
        Ok(value)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.update(&[Change { key, value }])
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let _turn = self.directory.turn(&self.place)?;
        let now = self.directory.idle().now();
        let updated = self.read(|record| self.change(record, changes, now))?;
        updated.unwrap_or_else(|| self.change(Record::new(self.place.digest, now), changes, now))
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let lock = self.directory.lock(&self.place, timeout)?;
        Ok(StorageLock::new(lock))
    }
}
