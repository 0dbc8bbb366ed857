//! The row that says which process has a session to itself.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

/// One holding of one session. The holder and the turn together are never used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) session: [u8; 32],
    /// The process.
    pub(crate) holder: [u8; 32],
    /// Which of the process's holdings it is.
    pub(crate) turn: i64,
    /// For how long others leave it to a holder of whom they know nothing else.
    pub(crate) lasts: Duration,
    /// The file that shows whether the holder lives, if it has one.
    pub(crate) slot: Option<u16>,
}

impl Lease {
    pub(crate) fn find(
        connection: &Connection,
        session: &[u8; 32],
    ) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached("SELECT holder, turn, lasts, slot FROM leases WHERE digest = ?1")?
            .query_row([session], |row| Self::of_row(*session, row))
            .optional()
    }

    /// Whether the session was free, and is now the holder's.
    pub(crate) fn insert(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let inserted = transaction
            .prepare_cached(
                "INSERT INTO leases (digest, holder, turn, lasts, slot)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (digest) DO NOTHING",
            )?
            .execute((
                self.session,
                self.holder,
                self.turn,
                millis(self.lasts),
                self.slot,
            ))?;
        Ok(inserted == 1)
    }

    /// Whether it was there. It is not if somebody else took the session over.
    pub(crate) fn delete(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let deleted = transaction
            .prepare_cached("DELETE FROM leases WHERE digest = ?1 AND holder = ?2 AND turn = ?3")?
            .execute((self.session, self.holder, self.turn))?;
        Ok(deleted == 1)
    }

    /// To be called when its holder finds it gone.
    pub(crate) fn warn_of_loss(&self) {
        log::warn!(
            "the lock of a session was held for longer than its lease of {:?}: another process took \
             the session over",
            self.lasts,
        );
    }

    /// Whether the session is still the same holder's by the same turn.
    pub(crate) fn is_same_holding(&self, other: &Self) -> bool {
        (self.holder, self.turn) == (other.holder, other.turn)
    }

    /// Deletes all that a dead process held.
    pub(crate) fn delete_all_of(
        transaction: &Transaction<'_>,
        holder: &[u8; 32],
    ) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("DELETE FROM leases WHERE holder = ?1")?
            .execute([holder])?;
        Ok(())
    }

    fn of_row(session: [u8; 32], row: &Row<'_>) -> rusqlite::Result<Self> {
        let lasts: i64 = row.get(2)?;
        Ok(Self {
            session,
            holder: row.get(0)?,
            turn: row.get(1)?,
            lasts: Duration::from_millis(lasts.unsigned_abs()),
            slot: row.get(3)?,
        })
    }
}

/// What does not fit lasts longer than any process.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
