//! Sole use of a session among all threads and processes that have the file open.

use std::hash::{BuildHasher as _, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{LocalLock, StorageError, StorageErrorKind};

use crate::database::Database;
use crate::lease::Lease;

/// The first pause between two looks at another process's lease.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest of them: a session is taken this late at most after it was released.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// A held lock. Threads of this process queue for the local half, so that only one of them
/// asks for the lease.
pub(crate) struct SessionLock<'a> {
    database: &'a Database,
    lease: Lease,
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
}

impl Drop for SessionLock<'_> {
    fn drop(&mut self) {
        let deleted = self
            .database
            .release_lease(|transaction| self.lease.delete(transaction));
        match deleted {
            Ok(true) => {}
            Ok(false) => log::warn!(
                "the lock of a session was held for longer than its lease of {:?}: another process \
                 took the session over",
                self.lease.lasts,
            ),
            Err(error) => log::warn!("the lock of a session could not be released: {error}"),
        }
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
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for before in 0..40 {
            let longest = (FIRST_PAUSE * (1 << before.min(16))).min(LONGEST_PAUSE);
            let pause = pause(before);
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?}");
        }
    }
}
