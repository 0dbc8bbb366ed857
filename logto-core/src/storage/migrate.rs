//! The sessions of one storage, brought into another one.

use std::time::Duration;

use super::{Record, SessionKey, Storage};
use crate::error::{StorageError, StorageErrorKind};

/// How long the migration waits for the lock of a session by default.
const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The data of a session that is about to be removed.
const EMPTY: &str = "{}";

/// Copies every session of one storage into another one of any kind, such as when an application moves from one
/// machine to many. Users stay signed in.
///
/// A session keeps its key, so the cookies of the browsers stay good, and its record is copied as it is.
///
/// # What the migration never touches
///
/// - **A session that the new storage has already.** So an interrupted migration goes on when it is run again,
///   and a storage that is in use already loses nothing.
/// - **The old storage**, unless [`remove_moved`](Migration::remove_moved) is on. Reading a session is a use
///   of it, though.
///
/// Each session is read under its lock in the old storage, so that no refresh is under way. The migration
/// passes over a session that is locked for longer than the [timeout](Migration::lock_timeout) and counts it as
/// [busy](MigrationCounts::busy): run it again. It passes over a session that is damaged or sealed with
/// another key, counts it as [unreadable](MigrationCounts::unreadable) and logs it.
///
/// # The application meanwhile
///
/// **Stop it**, or have it run over the new storage. A refresh over the old storage after the copy would leave
/// the new one with a used refresh token, and a server that is shown a used refresh token ends
/// the sign-in. With [`remove_moved`](Migration::remove_moved) an application that still runs over the old
/// storage sees such users as signed out instead.
///
/// The idle lifetime of a session begins anew in the new storage.
///
/// # Encryption
///
/// An [`EncryptedStorage`](crate::EncryptedStorage) around the new storage seals the records, one around the old
/// storage opens them, and one around each changes the key:
///
/// ```
/// # use logto_core as logto;
/// use logto::{EncryptedStorage, EncryptionKey, MemoryStorage, Record, SessionId, Storage};
///
/// # let key = EncryptionKey::from_bytes([7; 32]);
/// let old = MemoryStorage::new(); // or any other
/// let new = EncryptedStorage::new(MemoryStorage::new(), key);
///
/// let session = SessionId::random().key();
/// let record = Record::new(None, "{}");
/// old.save(&session, &record, None)?;
///
/// let counts = logto::migrate(&old, &new)
///     .progress(|counts| println!("{} sessions", counts.visited))
///     .run()?;
/// assert_eq!(counts.copied, 1);
/// assert!(counts.is_complete());
/// assert_eq!(new.load(&session)?, Some(record));
///
/// let again = logto::migrate(&old, &new).run()?;
/// assert_eq!((again.copied, again.already_there), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn migrate<'a>(from: &'a dyn Storage, to: &'a dyn Storage) -> Migration<'a> {
    Migration {
        from,
        to,
        remove_moved: false,
        count_first: false,
        lock_timeout: DEFAULT_LOCK_TIMEOUT,
        progress: Box::new(|_| {}),
        counts: MigrationCounts::default(),
    }
}

/// Settings of a [migration](migrate), which [`run`](Self::run) begins.
#[must_use = "nothing is copied until `run`"]
pub struct Migration<'a> {
    from: &'a dyn Storage,
    to: &'a dyn Storage,
    remove_moved: bool,
    count_first: bool,
    lock_timeout: Duration,
    progress: Box<dyn FnMut(&MigrationCounts) + 'a>,
    counts: MigrationCounts,
}

impl<'a> Migration<'a> {
    /// Removes each session from the old storage as soon as it is durable in the new one, unless it has changed.
    /// Default: no.
    ///
    /// So an application that still runs over the old storage never uses a token that lives elsewhere by now:
    /// the user is signed out there. A session that the new storage has already is removed if both have
    /// the same version of it, as after an interruption. If they differ, it stays in both.
    pub fn remove_moved(mut self, remove: bool) -> Self {
        self.remove_moved = remove;
        self
    }

    /// Counts the sessions of the old storage before the first is copied, for [`MigrationCounts::total`].
    /// Default: no, since it takes as long as to list them all.
    pub fn count_first(mut self, count: bool) -> Self {
        self.count_first = count;
        self
    }

    /// How long to wait for the lock of a session, in the old storage and, with
    /// [`remove_moved`](Self::remove_moved), in the new one. Default: 2 seconds.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Is called before the first session and after each one, while no lock is held. Default: nothing is.
    pub fn progress(mut self, progress: impl FnMut(&MigrationCounts) + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Copies the sessions. Returns when each that was there from the beginning to the end was looked at.
    ///
    /// # Errors
    ///
    /// [`MigrationError`] if a storage fails, with [`Unsupported`](StorageErrorKind::Unsupported) if the old one
    /// cannot list its sessions. The sessions that were copied until then stay, and are not copied again.
    pub fn run(mut self) -> Result<MigrationCounts, MigrationError> {
        let outcome = self.run_to_the_end();
        let counts = self.counts;
        match outcome {
            Ok(()) => Ok(counts),
            Err(error) => Err(MigrationError { counts, error }),
        }
    }

    fn run_to_the_end(&mut self) -> Result<(), StorageError> {
        if self.count_first {
            self.counts.total = Some(count(self.from)?);
        }
        (self.progress)(&self.counts);
        self.from.for_each(&mut |session| {
            self.counts.visited += 1;
            self.copy_if_possible(session)?;
            (self.progress)(&self.counts);
            Ok(())
        })
    }

    fn copy_if_possible(&mut self, session: &SessionKey) -> Result<(), StorageError> {
        match self.copy(session) {
            Err(error) if error.kind() == StorageErrorKind::Busy => {
                log::warn!("a session is in use and not copied: {error}");
                self.counts.busy += 1;
                Ok(())
            }
            Err(error) if error.is_permanent() => {
                log::warn!("a session is not copied: {error}");
                self.counts.unreadable += 1;
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn copy(&mut self, session: &SessionKey) -> Result<(), StorageError> {
        // A refresh that is under way ends first.
        let lock = self.from.lock(session, self.lock_timeout)?;
        let Some(record) = self.from.load(session)? else {
            self.counts.gone += 1;
            return Ok(());
        };
        // It is held already where a storage is moved into itself, which would lose every session.
        let lock_there = match self.remove_moved {
            true => Some(self.to.lock(session, self.lock_timeout)?),
            false => None,
        };
        let is_moved = match self.to.save(session, &record, None) {
            Ok(()) => {
                self.counts.copied += 1;
                true
            }
            Err(error) if error.kind() == StorageErrorKind::Conflict => {
                // What cannot be read there is unreadable, and not there already.
                let there = self.to.load(session)?;
                self.counts.already_there += 1;
                // An interrupted run may have emptied the record already.
                self.remove_moved && (there.as_ref() == Some(&record) || record.data() == EMPTY)
            }
            Err(error) => return Err(error),
        };
        if self.remove_moved && is_moved {
            self.remove(session, &record)?;
        }
        drop((lock, lock_there));
        Ok(())
    }

    /// A session that stays in the old storage for now is no failure: it is in the new one.
    fn remove(&mut self, session: &SessionKey, copied: &Record) -> Result<(), StorageError> {
        // `remove` compares nothing. So an empty record comes first, by a save that does.
        let empty = Record::new(None, EMPTY);
        let emptied = self.from.save(session, &empty, Some(copied.version()));
        let removed = emptied.and_then(|()| match self.to.load(session)? {
            // Moved into itself, by a storage whose lock excludes nobody.
            Some(there) if there.version() == empty.version() => {
                self.from.save(session, copied, Some(empty.version()))?;
                Err(StorageError::conflict())
            }
            _ => self.from.remove(session),
        });
        match removed {
            Ok(()) => self.counts.removed += 1,
            Err(error) if error.is_retryable() || error.is_permanent() => {
                log::warn!("a session that was copied is not removed: {error}");
                self.counts.not_removed += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// How far a [migration](migrate) has come. Each session that was visited is counted as one of `copied`,
/// `already_there`, `gone`, `busy` and `unreadable`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationCounts {
    /// How many sessions the old storage had at the beginning; `None` if they were
    /// [not counted](Migration::count_first).
    pub total: Option<u64>,
    /// The sessions that were looked at.
    pub visited: u64,
    /// Those that were written to the new storage.
    pub copied: u64,
    /// Those that the new storage had already.
    pub already_there: u64,
    /// Those of `copied` and `already_there` that are [removed](Migration::remove_moved) from the old storage.
    pub removed: u64,
    /// Those of `copied` and `already_there` that were to be removed and are still in the old storage, because
    /// another process used them meanwhile. Run the migration again: an application that still runs over the
    /// old store would use tokens that live in the new one.
    pub not_removed: u64,
    /// Those that had ended before they were read.
    pub gone: u64,
    /// Those that another process locked for too long. Run the migration again.
    pub busy: u64,
    /// Those that cannot be read in one of the storages: damaged, sealed with another key, or written by a
    /// newer version. The log says why.
    pub unreadable: u64,
}

impl MigrationCounts {
    /// Whether no session was passed over: none was busy or unreadable, and none that was to be removed from
    /// the old storage had to stay there.
    pub fn is_complete(&self) -> bool {
        self.busy == 0 && self.unreadable == 0 && self.not_removed == 0
    }
}

/// A [migration](migrate) has ended early. Keeps the error of the storage as the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[error("a storage failed before all sessions were copied")]
pub struct MigrationError {
    counts: MigrationCounts,
    #[source]
    error: StorageError,
}

impl MigrationError {
    /// How far it had come. A session that is counted as copied is in the new storage.
    pub fn counts(&self) -> &MigrationCounts {
        &self.counts
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> StorageErrorKind {
        self.error.kind()
    }
}

fn count(storage: &dyn Storage) -> Result<u64, StorageError> {
    let mut sessions = 0;
    storage.for_each(&mut |_| {
        sessions += 1;
        Ok(())
    })?;
    Ok(sessions)
}
