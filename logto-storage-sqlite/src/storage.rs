//! One session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{Change, IdleLifetime, PersistKey, Storage, StorageError, StorageLock};
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::database::Database;
use crate::lock::SessionLock;
use crate::owners;
use crate::pool::Synchronous;
use crate::write_lock::{ToWrite, WriteLock};

/// One session of a [`SqliteStore`](crate::SqliteStore), named by the digest of its id.
pub(crate) struct SqliteStorage {
    database: Arc<Database>,
    session: [u8; 32],
}

impl SqliteStorage {
    pub(crate) fn new(database: Arc<Database>, session: [u8; 32]) -> Self {
        Self { database, session }
    }

    /// Best effort: a session that was read is there, whether or not that could be noted.
    fn note_use(&self, seen: i64, now: i64) {
        let noted = self.database.write_soon(|transaction| {
            transaction
                .prepare_cached(
                    "UPDATE sessions SET used_at = ?1 WHERE digest = ?2 AND used_at = ?3",
                )?
                .execute((now, self.session, seen))
        });
        if let Err(error) = noted {
            log::debug!("the use of a session is noted at a later read: {error}");
        }
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage")
            .field("path", &self.database.path())
            .finish_non_exhaustive()
    }
}

impl Storage for SqliteStorage {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let idle = self.database.idle();
        let found = self
            .database
            .read(|connection| select(connection, &self.session, key))?;
        let Some((used_at, value)) = found else {
            return Ok(None);
        };
        let now = idle.now();
        if idle.is_over(used_at, now) {
            return Ok(None);
        }
        if idle.should_note(used_at, now) {
            self.note_use(used_at, now);
        }
        Ok(value)
    }

    /// Never ends a lease: a wrapper may make an update of several of these.
    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        let idle = self.database.idle();
        let work = |transaction: &Transaction<'_>| {
            apply(transaction, idle, &self.session, &[Change { key, value }])
        };
        self.database
            .write_as_expected(&self.session, Synchronous::Full, work)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let idle = self.database.idle();
        let work = |transaction: &Transaction<'_>| apply(transaction, idle, &self.session, changes);
        self.database
            .write_session(&self.session, Synchronous::Full, work)
    }

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let idle = self.database.idle();
        let work = |transaction: &Transaction<'_>| apply(transaction, idle, &self.session, changes);
        self.database
            .write_session(&self.session, Synchronous::Normal, work)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        SessionLock::acquire(&self.database, self.session, timeout).map(leased)
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        Ok(
            match WriteLock::acquire(&self.database, self.session, timeout)? {
                ToWrite::Free(lock) => StorageLock::new(lock),
                ToWrite::AfterLease(lock) => leased(lock),
            },
        )
    }
}

fn leased(lock: SessionLock<'_>) -> StorageLock<'_> {
    StorageLock::lease_ended_by_write(lock, SessionLock::is_held, SessionLock::around_last_write)
}

/// The number of a session that exists and has not expired. An expired one is removed.
pub(crate) fn live_session(
    transaction: &Transaction<'_>,
    idle: &IdleLifetime,
    session: &[u8; 32],
    now: i64,
) -> rusqlite::Result<Option<i64>> {
    let found: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT number, used_at FROM sessions WHERE digest = ?1")?
        .query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((_, used_at)) if idle.is_over(used_at, now) => {
            remove(transaction, session)?;
            Ok(None)
        }
        found => Ok(found.map(|(number, _)| number)),
    }
}

/// How many digests are read at once.
const PAGE: i64 = 256;

/// The next live sessions in the order of the index.
pub(crate) const PAGE_BEHIND: &str = "
    SELECT digest FROM sessions WHERE digest > ?1 AND used_at >= ?2 ORDER BY digest LIMIT ?3
";

/// The digests of the next sessions behind this digest that were last used at `oldest` or later.
pub(crate) fn page(
    connection: &Connection,
    behind: &[u8],
    oldest: i64,
) -> rusqlite::Result<Vec<[u8; 32]>> {
    connection
        .prepare_cached(PAGE_BEHIND)?
        .query_map((behind, oldest, PAGE), |row| row.get(0))?
        .collect()
}

/// When the session was used last, and the value of this key. Two trees are searched, and in large files
/// each search reads a page or two that nobody has read for long.
///
/// Not as a left join: SQLite would compile that anew for each key that is bound to it.
const SELECT: &str = "
    SELECT used_at, (SELECT value FROM session_values WHERE row = number * 64 + ?2)
    FROM sessions WHERE digest = ?1
";

fn select(
    connection: &Connection,
    session: &[u8; 32],
    key: PersistKey,
) -> rusqlite::Result<Option<(i64, Option<String>)>> {
    connection
        .prepare_cached(SELECT)?
        .query_row((session, key as i64), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

pub(crate) fn apply(
    transaction: &Transaction<'_>,
    idle: &IdleLifetime,
    session: &[u8; 32],
    changes: &[Change<'_>],
) -> rusqlite::Result<()> {
    let now = idle.now();
    let is_set = changes.iter().any(|change| change.value.is_some());
    let number = match live_session(transaction, idle, session, now)? {
        Some(number) => {
            touch(transaction, session, now)?;
            number
        }
        None if !is_set => return Ok(()),
        None => insert(transaction, session, now)?,
    };
    change(transaction, session, number, changes)
}

/// Changes the values of the session with this number.
pub(crate) fn change(
    transaction: &Transaction<'_>,
    session: &[u8; 32],
    number: i64,
    changes: &[Change<'_>],
) -> rusqlite::Result<()> {
    for change in changes {
        if change.key == PersistKey::Owner {
            owners::change(transaction, session, number, change.value)?;
        }
        apply_one(transaction, number, change)?;
    }
    match changes.last() {
        Some(Change { value: Some(_), .. }) => Ok(()),
        _ => remove_if_empty(transaction, session),
    }
}

/// Gives a session another id, which no other has. What finds it by its owner stays behind.
pub(crate) fn rename(
    transaction: &Transaction<'_>,
    from: &[u8; 32],
    to: &[u8; 32],
    now: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE sessions SET digest = ?1, used_at = ?2, changes = (changes & 0x3fffffffffffffff) + 1
             WHERE digest = ?3",
        )?
        .execute((to, now, from))?;
    Ok(())
}

fn apply_one(
    transaction: &Transaction<'_>,
    number: i64,
    change: &Change<'_>,
) -> rusqlite::Result<()> {
    // A damaged number must not lead to the values of another session.
    let row = number
        .checked_mul(64)
        .and_then(|first| first.checked_add(change.key as i64))
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number))?;
    match change.value {
        Some(value) => transaction
            .prepare_cached(
                "INSERT INTO session_values (row, value) VALUES (?1, ?2)
                 ON CONFLICT (row) DO UPDATE SET value = excluded.value",
            )?
            .execute((row, value))?,
        None => transaction
            .prepare_cached("DELETE FROM session_values WHERE row = ?1")?
            .execute([row])?,
    };
    Ok(())
}

/// The number of the new session.
fn insert(transaction: &Transaction<'_>, session: &[u8; 32], now: i64) -> rusqlite::Result<i64> {
    let number = transaction
        .prepare_cached("UPDATE newest SET number = number + 1 RETURNING number")?
        .query_row([], |row| row.get(0))?;
    // In a damaged file it may be another session's, whose values these would become.
    let is_taken: bool = transaction
        .prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM session_values WHERE row BETWEEN ?1 * 64 AND ?1 * 64 + 63
             )",
        )?
        .query_row([number], |row| row.get(0))?;
    if is_taken {
        return Err(rusqlite::Error::IntegralValueOutOfRange(0, number));
    }
    transaction
        .prepare_cached("INSERT INTO sessions VALUES (?1, ?2, ?3, 0)")?
        .execute((session, number, now))?;
    Ok(number)
}

/// The count of the changes begins anew at its end, which only a damaged file comes to.
fn touch(transaction: &Transaction<'_>, session: &[u8; 32], now: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE sessions SET used_at = ?1, changes = (changes & 0x3fffffffffffffff) + 1 WHERE digest = ?2",
        )?
        .execute((now, session))?;
    Ok(())
}

/// With its values and owners.
pub(crate) fn remove(transaction: &Transaction<'_>, session: &[u8; 32]) -> rusqlite::Result<()> {
    let number: Option<i64> = transaction
        .prepare_cached("DELETE FROM sessions WHERE digest = ?1 RETURNING number")?
        .query_row([session], |row| row.get(0))
        .optional()?;
    match number {
        Some(number) => remove_values(transaction, session, number),
        None => Ok(()),
    }
}

/// All values of this number, and what finds the session by one of them.
pub(crate) fn remove_values(
    transaction: &Transaction<'_>,
    session: &[u8; 32],
    number: i64,
) -> rusqlite::Result<()> {
    owners::change(transaction, session, number, None)?;
    transaction
        .prepare_cached("DELETE FROM session_values WHERE row BETWEEN ?1 * 64 AND ?1 * 64 + 63")?
        .execute([number])?;
    Ok(())
}

fn remove_if_empty(transaction: &Transaction<'_>, session: &[u8; 32]) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM sessions
             WHERE digest = ?1 AND NOT EXISTS (
                 SELECT 1 FROM session_values WHERE row BETWEEN number * 64 AND number * 64 + 63
             )",
        )?
        .execute([session])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use logto_core::{SessionId, SessionStore as _};
    use rusqlite::StatementStatus::RePrepare;

    use super::*;
    use crate::SqliteStore;

    /// Files hold these numbers: a key that is new goes behind the others.
    #[test]
    fn the_numbers_of_the_keys_stay() {
        let numbers = PersistKey::ALL.map(|key| (key as i64, key.as_str()));
        assert_eq!(
            numbers,
            [
                (0, "idToken"),
                (1, "refreshToken"),
                (2, "pendingRefreshToken"),
                (3, "accessTokenMap"),
                (4, "signInSession"),
                (5, "owner"),
            ]
        );
    }

    #[test]
    fn what_was_compiled_to_read_is_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let id = SessionId::random();
        let store = SqliteStore::open(&path).unwrap();
        store
            .session(&id)
            .set(PersistKey::IdToken, Some("a"))
            .unwrap();

        let connection = Connection::open(&path).unwrap();
        for key in PersistKey::ALL {
            let found = select(&connection, &id.digest(), key).unwrap();
            assert_eq!(found.unwrap().1.is_some(), key == PersistKey::IdToken);
        }
        let select = connection.prepare_cached(SELECT).unwrap();
        assert_eq!(select.get_status(RePrepare), 0);
    }
}
