//! The sessions of one store, brought into another one.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Change, FoundSession, PersistKey, SessionStore, Storage, StorageLock};
use crate::error::{StorageError, StorageErrorKind};
use crate::secret::same_secret;

/// How long the migration waits for the lock of a session, unless it is told otherwise.
const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Copies every session of one store into another one of any kind, such as when an application moves from one
/// machine to many. Users stay signed in, and none notices.
///
/// A session keeps its id, so the cookies of the browsers stay good: what names it in both stores is the
/// [digest](crate::SessionId::digest) of the id. It is written with all of its values in one
/// [update](Storage::update): tokens, sign-ins under way, a refresh token that is
/// [pending](PersistKey::PendingRefreshToken), and the [owner](PersistKey::Owner), by which back-channel
/// logout finds it.
///
/// # What is never touched
///
/// - **A session that the new store has already.** So a migration that was interrupted in any way goes on
///   when it is run again, and a store that is in use already loses nothing.
/// - **The old store**, unless [`remove_moved`](Migration::remove_moved) is on; but to read a session is to
///   use it.
///
/// A session is read under its lock in the old store and written under its lock in the new one, so that no
/// refresh is under way. One that is locked for longer than the [timeout](Migration::lock_timeout) is passed
/// over and counted as [busy](MigrationCounts::busy): run it again. One that cannot be read, because it is
/// damaged or sealed with another key, is passed over, counted as [unreadable](MigrationCounts::unreadable),
/// and logged.
///
/// # The application meanwhile
///
/// **Stop it**, or have it run over the new store. Over the old one it must not run on: a refresh there,
/// after the copy, leaves the new store with a used refresh token, and a server that is shown that one ends
/// the sign-in. With [`remove_moved`](Migration::remove_moved) an application that still runs over the old
/// store sees such users as signed out instead.
///
/// The idle lifetime of a session begins anew in the new store.
///
/// # Encryption
///
/// The values are copied as the stores give them. An [`EncryptedStore`](crate::EncryptedStore) around the new
/// store seals them, one around the old store opens them, and one around each changes the key:
///
/// ```
/// # use logto_core as logto;
/// use logto::{EncryptedStore, EncryptionKey, MemoryStore, PersistKey, SessionId, SessionStore};
///
/// # let key = EncryptionKey::from_bytes([7; 32]);
/// let old = MemoryStore::new(); // or any other
/// let new = EncryptedStore::new(MemoryStore::new(), key);
///
/// let id = SessionId::random();
/// old.session(&id).set(PersistKey::RefreshToken, Some("a token"))?;
///
/// let counts = logto::migrate(&old, &new)
///     .progress(|counts| println!("{} sessions", counts.visited))
///     .run()?;
/// assert_eq!(counts.copied, 1);
/// assert!(counts.is_complete());
/// assert_eq!(new.session(&id).get(PersistKey::RefreshToken)?.as_deref(), Some("a token"));
///
/// let again = logto::migrate(&old, &new).run()?;
/// assert_eq!((again.copied, again.already_there), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn migrate<'a>(from: &'a dyn SessionStore, to: &'a dyn SessionStore) -> Migration<'a> {
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
    from: &'a dyn SessionStore,
    to: &'a dyn SessionStore,
    remove_moved: bool,
    count_first: bool,
    lock_timeout: Duration,
    progress: Box<dyn FnMut(&MigrationCounts) + 'a>,
    counts: MigrationCounts,
}

impl<'a> Migration<'a> {
    /// Removes each session from the old store as soon as it is durable in the new one, under its lock and if
    /// it is still what was copied. Default: no.
    ///
    /// So an application that still runs over the old store never uses a token that lives elsewhere by now:
    /// the user is signed out there. A session that the new store has already is removed if both stores have
    /// the same of it, as after an interruption. If they differ it stays in both, since nobody can tell which
    /// is the newer one.
    pub fn remove_moved(mut self, remove: bool) -> Self {
        self.remove_moved = remove;
        self
    }

    /// Counts the sessions of the old store before the first is copied, for [`MigrationCounts::total`].
    /// Default: no, since it takes as long as to list them all.
    pub fn count_first(mut self, count: bool) -> Self {
        self.count_first = count;
        self
    }

    /// How long to wait for the lock of a session, in each of the stores. Default: 2 seconds.
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
    /// [`MigrationError`] if a store fails. [`Unsupported`](StorageErrorKind::Unsupported) if the old one
    /// cannot list its sessions, or has no lock where they are to be removed, or the new one gives none by
    /// its digest. What was copied until then stays, and is not copied again.
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
        self.from.for_each_session(&mut |session| {
            self.counts.visited += 1;
            self.copy_if_possible(&session)?;
            (self.progress)(&self.counts);
            Ok(())
        })
    }

    fn copy_if_possible(&mut self, session: &FoundSession) -> Result<(), StorageError> {
        match self.copy(session) {
            Err(error) if error.kind() == StorageErrorKind::Busy => {
                log::warn!("a session is in use and not copied: {error}");
                self.counts.busy += 1;
                Ok(())
            }
            Err(error) if error.is_for_good() => {
                log::warn!("a session is not copied: {error}");
                self.counts.unreadable += 1;
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn copy(&mut self, session: &FoundSession) -> Result<(), StorageError> {
        let source = &**session.storage();
        let target = self.to.session_by_digest(&session.digest())?;
        let target_lock = target.lock(self.lock_timeout)?;
        let there = match self.remove_moved {
            true => Values::all(&*target)?,
            false => Values::first(&*target)?,
        };
        if !there.is_empty() && !self.remove_moved {
            self.counts.already_there += 1;
            return Ok(());
        }
        let source_lock = self.lock_source(source)?;
        let values = Values::all(source)?;
        match (values.is_empty(), there.is_empty()) {
            (true, true) => {
                self.counts.gone += 1;
                return Ok(());
            }
            (_, false) => self.counts.already_there += 1,
            (false, true) => {
                held(&source_lock)?;
                held(&target_lock)?;
                target.update(&values.set())?;
                self.counts.copied += 1;
            }
        }
        drop(target_lock);
        let is_moved = there.is_empty() || there == values;
        if self.remove_moved && is_moved {
            self.remove(source, &source_lock, &values)?;
        }
        Ok(())
    }

    fn lock_source<'s>(&self, source: &'s dyn Storage) -> Result<StorageLock<'s>, StorageError> {
        let lock = source.lock(self.lock_timeout)?;
        match self.remove_moved && !lock.is_exclusive() {
            true => Err(StorageError::new(
                StorageErrorKind::Unsupported,
                "the old store has no lock of a session, so nothing can be removed from it in safety",
            )),
            false => Ok(lock),
        }
    }

    /// What stays in the old store for now is no failure: the session is in the new one.
    fn remove(
        &mut self,
        source: &dyn Storage,
        lock: &StorageLock<'_>,
        copied: &Values,
    ) -> Result<(), StorageError> {
        match remove(source, lock, copied) {
            Ok(true) => {
                self.counts.removed += 1;
                return Ok(());
            }
            Ok(false) => log::warn!("a session that was copied is not removed: it has changed"),
            Err(error) if error.kind() == StorageErrorKind::Busy || error.is_for_good() => {
                log::warn!("a session that was copied is not removed: {error}");
            }
            Err(error) => return Err(error),
        }
        self.counts.not_removed += 1;
        Ok(())
    }
}

impl fmt::Debug for Migration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migration")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("remove_moved", &self.remove_moved)
            .field("count_first", &self.count_first)
            .field("lock_timeout", &self.lock_timeout)
            .finish_non_exhaustive()
    }
}

/// How far a [migration](migrate) has come. Each session that was visited is counted as one of `copied`,
/// `already_there`, `gone`, `busy` and `unreadable`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationCounts {
    /// How many sessions the old store had at the beginning; `None` if they were
    /// [not counted](Migration::count_first).
    pub total: Option<u64>,
    /// The sessions that were looked at.
    pub visited: u64,
    /// Those that were written to the new store.
    pub copied: u64,
    /// Those that the new store had already.
    pub already_there: u64,
    /// Those of `copied` and `already_there` that are [removed](Migration::remove_moved) from the old store.
    pub removed: u64,
    /// Those of `copied` and `already_there` that were to be removed and are still in the old store, because
    /// somebody else used them meanwhile. Run the migration again: an application that still runs over the
    /// old store would use tokens that live in the new one.
    pub not_removed: u64,
    /// Those that had ended, or had another id, when they were to be read.
    pub gone: u64,
    /// Those that somebody else used for too long. Run the migration again.
    pub busy: u64,
    /// Those that cannot be read in one of the stores: damaged, sealed with another key, or written by a
    /// newer version. The log says why.
    pub unreadable: u64,
}

impl MigrationCounts {
    /// Whether no session was passed over: none was busy or unreadable, and none that was to be removed from
    /// the old store had to stay there.
    pub fn is_complete(&self) -> bool {
        self.busy == 0 && self.unreadable == 0 && self.not_removed == 0
    }
}

/// A [migration](migrate) has ended early. Keeps the error of the store as the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[error("a storage failed before all sessions were copied")]
pub struct MigrationError {
    counts: MigrationCounts,
    #[source]
    error: StorageError,
}

impl MigrationError {
    /// How far it had come. A session that is counted as copied is in the new store.
    pub fn counts(&self) -> &MigrationCounts {
        &self.counts
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> StorageErrorKind {
        self.error.kind()
    }
}

/// What a session holds.
struct Values(Vec<(PersistKey, Zeroizing<String>)>);

impl Values {
    fn all(session: &dyn Storage) -> Result<Self, StorageError> {
        Self::up_to(PersistKey::ALL.len(), session)
    }

    /// One of them, if there is any.
    fn first(session: &dyn Storage) -> Result<Self, StorageError> {
        Self::up_to(1, session)
    }

    fn up_to(most: usize, session: &dyn Storage) -> Result<Self, StorageError> {
        let read = |key| {
            let value = session.get(key).transpose()?;
            Some(value.map(|value| (key, Zeroizing::new(value))))
        };
        let values = PersistKey::ALL.into_iter().filter_map(read);
        values.take(most).collect::<Result<_, _>>().map(Self)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn set(&self) -> Vec<Change<'_>> {
        let values = self.0.iter();
        values
            .map(|(key, value)| Change::set(*key, value))
            .collect()
    }

    fn remove(&self) -> Vec<Change<'static>> {
        let keys = self.0.iter().map(|(key, _)| *key);
        keys.map(Change::remove).collect()
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len()
            && pairs
                .map(|(a, b)| a.0 == b.0 && same_secret(&a.1, &b.1))
                .fold(true, |same, pair| same & pair)
    }
}

fn count(store: &dyn SessionStore) -> Result<u64, StorageError> {
    let mut sessions = 0;
    store.for_each_session(&mut |_| {
        sessions += 1;
        Ok(())
    })?;
    Ok(sessions)
}

/// Removes a session if it is still what was copied.
fn remove(
    session: &dyn Storage,
    lock: &StorageLock<'_>,
    copied: &Values,
) -> Result<bool, StorageError> {
    let is_the_same = Values::all(session)? == *copied;
    if is_the_same {
        held(lock)?;
        // A value of another key, which somebody sets without the lock, stays.
        session.update(&copied.remove())?;
    }
    Ok(is_the_same)
}

fn held(lock: &StorageLock<'_>) -> Result<(), StorageError> {
    match lock.is_held() {
        true => Ok(()),
        false => Err(StorageError::new(
            StorageErrorKind::Busy,
            "the lock of the session was lost to somebody else",
        )),
    }
}
