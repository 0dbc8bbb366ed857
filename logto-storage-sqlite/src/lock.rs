//! Sole use of a session among all threads and processes that have the file open.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{LocalLock, StorageError, StorageErrorKind};

use crate::database::Database;
use crate::lease::Lease;
use crate::locks::{FileLocks, HoldersWrite};

/// The first pause between two looks at another process's lease.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest of them: a session is taken this late at most after it was released.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// A held lock. Threads of this process queue for the local half, so that only one of them
/// asks for the lease.
pub(crate) struct SessionLock<'a> {
    database: &'a Database,
    lease: Lease,
    /// Whether a write has ended the lease.
    is_ended: Arc<AtomicBool>,
    _local: LocalLock,
}

impl<'a> SessionLock<'a> {
    pub(crate) fn acquire(
        database: &'a Database,
        session: [u8; 32],
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        let started = Instant::now();
        let local = database.locks().session(session, timeout)?;
        let left = timeout.saturating_sub(started.elapsed());
        Self::acquire_with(local, database, session, left)
    }

    /// The same for the thread that has the local half.
    pub(crate) fn acquire_with(
        local: LocalLock,
        database: &'a Database,
        session: [u8; 32],
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        let started = Instant::now();
        let lease = new_lease(database, session)?;
        let mut pauses = 0;
        while !try_lease(database, &lease)? {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(StorageError::new(
                    StorageErrorKind::Busy,
                    "the session is in use by another process",
                ));
            }
            thread::sleep(pause(pauses).min(left));
            pauses += 1;
        }
        database.locks().forget(&session);
        Ok(Self {
            database,
            lease,
            is_ended: Arc::default(),
            _local: local,
        })
    }
}

impl SessionLock<'_> {
    /// Whether nobody has taken the lease over. What cannot be read counts as lost.
    pub(crate) fn is_held(&self) -> bool {
        let session = &self.lease.session;
        let found = self
            .database
            .read(|connection| Lease::find(connection, session));
        matches!(found, Ok(Some(found)) if found.is_same_holding(&self.lease))
    }

    /// Calls `write`, and what that writes to the session ends the lease in the same transaction.
    pub(crate) fn around_last_write(&self, write: &mut dyn FnMut()) {
        let locks = self.database.locks();
        let ending = HoldersWrite::Ends(self.lease.clone(), Arc::clone(&self.is_ended));
        locks.hold(self.lease.session, ending);
        // Also where the write panics.
        let _letting_go = LettingGo(locks, &self.lease.session);
        write();
    }
}

impl Drop for SessionLock<'_> {
    fn drop(&mut self) {
        if self.is_ended.load(Ordering::Relaxed) {
            return;
        }
        let deleted = self
            .database
            .release_lease(|transaction| self.lease.delete(transaction));
        match deleted {
            Ok(true) => {}
            Ok(false) => self.lease.warn_of_loss(),
            Err(error) => log::warn!("the lock of a session could not be released: {error}"),
        }
    }
}

/// Has no later write end the lease of this session.
struct LettingGo<'a>(&'a FileLocks, &'a [u8; 32]);

impl Drop for LettingGo<'_> {
    fn drop(&mut self) {
        self.0.let_go(self.1);
    }
}

fn new_lease(database: &Database, session: [u8; 32]) -> Result<Lease, StorageError> {
    let presence = database
        .locks()
        .presence(|dead| database.write(|transaction| Lease::delete_all_of(transaction, dead)))?;
    Ok(Lease {
        session,
        holder: presence.id(),
        turn: presence.next_turn(),
        lasts: database.lease(),
        slot: presence.slot(),
    })
}

/// Whether the session could be had. While it cannot this only reads, and holds nobody up.
fn try_lease(database: &Database, lease: &Lease) -> Result<bool, StorageError> {
    match database.read(|connection| Lease::find(connection, &lease.session))? {
        None => database.write_unsynced(|transaction| lease.insert(transaction)),
        Some(other) if may_be_taken_over(database, &other, lease) => {
            // Not if another process was faster.
            database.write_unsynced(|transaction| {
                Ok(other.delete(transaction)? && lease.insert(transaction)?)
            })
        }
        Some(_) => Ok(false),
    }
}

fn may_be_taken_over(database: &Database, other: &Lease, own: &Lease) -> bool {
    // This process's own, under the local lock: it could not be deleted when it was released.
    if other.holder == own.holder {
        return true;
    }
    let locks = database.locks();
    if locks.is_dead(other) {
        log::info!("the process that had locked a session is dead: its lock is taken over");
        return true;
    }
    let over = locks.has_run_out(other);
    if over {
        log::warn!(
            "another process has had a session locked for {:?}: its lock is taken over",
            other.lasts,
        );
    }
    over
}

/// Longer and longer, and seldom the same for two who wait.
fn pause(before: u32) -> Duration {
    let longest = FIRST_PAUSE
        .saturating_mul(1 << before.min(16))
        .min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(before) as u32;
    longest.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use logto_core::{Change, PersistKey, SessionId, SessionStore as _, Storage};
    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;
    use crate::SqliteStore;

    const CHANGE: Change<'_> = Change::set(PersistKey::IdToken, "a");

    /// A store, and another connection to its file.
    struct Scene {
        store: SqliteStore,
        connection: Connection,
        _directory: TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("sessions.db");
            let store = SqliteStore::builder(&path).busy_timeout(Duration::from_millis(10));
            Self {
                store: store.open().unwrap(),
                connection: Connection::open(path).unwrap(),
                _directory: directory,
            }
        }

        fn leases(&self) -> i64 {
            let sql = "SELECT count(*) FROM leases";
            self.connection
                .query_row(sql, [], |row| row.get(0))
                .unwrap()
        }
    }

    fn lock(session: &dyn Storage) -> logto_core::StorageLock<'_> {
        session.lock(Duration::ZERO).unwrap()
    }

    #[test]
    fn the_last_write_under_a_lock_ends_the_lease_in_the_same_step() {
        let scene = Scene::new();
        let (id, new_id) = (SessionId::random(), SessionId::random());
        let session = scene.store.session(&id);
        let writes: [&dyn Fn() -> Result<(), StorageError>; 3] = [
            &|| session.update(&[CHANGE]),
            &|| session.update_unsynced(&[CHANGE]),
            &|| scene.store.replace(&id, &new_id, &[CHANGE]),
        ];
        for (n, write) in writes.into_iter().enumerate() {
            let lock = lock(&*session);
            session.set(PersistKey::RefreshToken, Some("r")).unwrap();
            assert_eq!((scene.leases(), lock.is_held()), (1, true), "{n}");
            lock.last_write(write).unwrap();
            assert_eq!((scene.leases(), lock.is_held()), (0, false), "{n}");
            // Others of this process still wait for the lock itself.
            assert!(session.lock(Duration::ZERO).is_err());
        }
        assert!(session.get(PersistKey::RefreshToken).unwrap().is_none());
    }

    #[test]
    fn a_last_write_that_fails_leaves_the_lock_as_it_was() {
        let scene = Scene::new();
        let session = scene.store.default_session();
        let held = lock(&*session);
        scene.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        held.last_write(|| session.update(&[CHANGE])).unwrap_err();
        scene.connection.execute_batch("COMMIT").unwrap();
        assert_eq!((scene.leases(), held.is_held()), (1, true));
        // It was the last one in vain only.
        session.update(&[CHANGE]).unwrap();
        assert!(held.is_held());
        drop(held);
        assert_eq!(scene.leases(), 0);
    }

    #[test]
    fn only_the_holders_write_to_the_session_is_the_last() {
        let scene = Scene::new();
        let session = scene.store.default_session();
        let another = scene.store.session(&SessionId::random());
        let held = lock(&*session);
        held.last_write(|| {
            another.update(&[CHANGE]).unwrap();
            // As the updates of a wrapper that has none of its own.
            session.set(PersistKey::IdToken, None).unwrap();
            let write = || session.update(&[CHANGE]).unwrap();
            std::thread::scope(|scope| scope.spawn(write).join().unwrap());
            assert_eq!((scene.leases(), held.is_held()), (1, true));
        });
        drop(held);
        assert_eq!(scene.leases(), 0);
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        for before in 0..40 {
            let longest = (FIRST_PAUSE * (1 << before.min(16))).min(LONGEST_PAUSE);
            let pause = pause(before);
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?}");
        }
    }
}
