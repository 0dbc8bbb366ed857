//! Freeing the space of expired sessions, a few at a time, so that nobody waits long for a turn to
//! write.

use std::thread;
use std::time::{Duration, Instant};

use logto_core::StorageError;
use rusqlite::{Connection, Transaction};

use crate::database::Database;
use crate::storage;

/// How many sessions are looked at in one go. An index by time would save the look, at the price of
/// another page in each write.
const PAGE: i64 = 10_000;

/// For how long a step deletes. What it has deleted must then still reach the disk.
const STEP: Duration = Duration::from_millis(10);

/// How many pages a step may change, about. The disk takes as long as it likes for each of them.
const STEP_PAGES: i32 = 128;

/// In how many pages a session stands whose values take none: its row, their rows, and its owners.
const SESSION_PAGES: i64 = 4;

const PAGE_BYTES: i64 = 4_096;

/// Between two steps other processes, which look for a turn now and then, must find one.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Removes all sessions that were last used before their lifetime began, and returns how many.
pub(crate) fn purge_expired(database: &Database) -> Result<u64, StorageError> {
    let idle = database.idle();
    let oldest = idle.oldest_live(idle.now());
    let mut purged = 0;
    let mut after = Vec::new();
    loop {
        let page = database.read(|connection| page(connection, &after, oldest))?;
        let mut left = &page.expired[..];
        while !left.is_empty() {
            let step = step(database, left, oldest)?;
            purged += step.deleted;
            left = &left[step.done..];
        }
        match page.last {
            Some(last) => after = last.to_vec(),
            None => return Ok(purged),
        }
    }
}

/// Leaves others as much time as it took.
fn step(database: &Database, sessions: &[Expired], oldest: i64) -> Result<Step, StorageError> {
    let step = database.write(|transaction| delete(transaction, sessions, oldest))?;
    database.copy_log_early(STEP_PAGES);
    let took = step.begun.elapsed();
    thread::sleep(took.clamp(Duration::from_millis(1), LONGEST_PAUSE));
    Ok(step)
}

struct Step {
    begun: Instant,
    /// How many of the sessions were looked at.
    done: usize,
    deleted: u64,
}

/// Those whose values lie beside each other come together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Expired {
    number: i64,
    digest: [u8; 32],
}

/// Some sessions in the order of their digests.
struct Page {
    expired: Vec<Expired>,
    /// The last of all; `None` if there was none.
    last: Option<[u8; 32]>,
}

fn page(connection: &Connection, after: &[u8], oldest: i64) -> rusqlite::Result<Page> {
    let mut select = connection.prepare_cached(
        "SELECT digest, number, used_at < ?2 FROM sessions
         WHERE digest > ?1 ORDER BY digest LIMIT ?3",
    )?;
    let mut rows = select.query((after, oldest, PAGE))?;
    let mut page = Page {
        expired: Vec::new(),
        last: None,
    };
    while let Some(row) = rows.next()? {
        let digest = row.get(0)?;
        if row.get(2)? {
            let number = row.get(1)?;
            page.expired.push(Expired { number, digest });
        }
        page.last = Some(digest);
    }
    page.expired.sort_unstable();
    Ok(page)
}

/// Those of the first ones that nobody has used meanwhile.
fn delete(
    transaction: &Transaction<'_>,
    sessions: &[Expired],
    oldest: i64,
) -> rusqlite::Result<Step> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM sessions WHERE digest = ?1 AND number = ?2 AND used_at < ?3",
    )?;
    let mut step = Step {
        begun: Instant::now(),
        done: 0,
        deleted: 0,
    };
    let mut pages = 0;
    for session in sessions {
        pages += SESSION_PAGES + bytes(transaction, session)? / PAGE_BYTES;
        let is_over = pages > i64::from(STEP_PAGES) || step.begun.elapsed() > STEP;
        if is_over && step.done > 0 {
            break;
        }
        if delete.execute((session.digest, session.number, oldest))? == 1 {
            storage::remove_values(transaction, &session.digest, session.number)?;
            step.deleted += 1;
        }
        step.done += 1;
    }
    Ok(step)
}

/// How long its values are.
fn bytes(transaction: &Transaction<'_>, session: &Expired) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached(
            "SELECT ifnull(sum(octet_length(value)), 0) FROM session_values
             WHERE row BETWEEN ?1 * 64 AND ?1 * 64 + 63",
        )?
        .query_row([session.number], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use logto_core::{PersistKey, SessionId, SessionStore as _};

    use tempfile::TempDir;

    use super::*;
    use crate::SqliteStore;

    #[test]
    fn what_has_expired_is_found_on_every_page_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let store = SqliteStore::open(&path).unwrap();
        let living = SessionId::random();
        let session = store.session(&living);
        session.set(PersistKey::IdToken, Some("a")).unwrap();

        let connection = Connection::open(&path).unwrap();
        let expired = PAGE * 2 + 7;
        connection
            .execute(
                "WITH RECURSIVE ids (id) AS (SELECT 10 UNION ALL SELECT id + 3 FROM ids LIMIT ?1)
                 INSERT INTO sessions SELECT randomblob(32), id, 0, 0 FROM ids",
                [expired],
            )
            .unwrap();
        assert_eq!(store.purge_expired().unwrap(), expired as u64);
        assert_eq!(store.purge_expired().unwrap(), 0);
        assert!(session.get(PersistKey::IdToken).unwrap().is_some());
    }

    /// So many expired sessions with so long a value each.
    fn expired(directory: &TempDir, sessions: u32, length: u32) -> SqliteStore {
        let store = SqliteStore::open(directory.path().join("sessions.db")).unwrap();
        let connection = Connection::open(directory.path().join("sessions.db")).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA synchronous = OFF;
                 BEGIN;
                 WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids LIMIT {sessions})
                 INSERT INTO sessions SELECT randomblob(32), id, 0, 0 FROM ids;
                 INSERT INTO session_values (row, value)
                 SELECT number * 64, hex(zeroblob({length} / 2)) FROM sessions;
                 COMMIT;
                 PRAGMA wal_checkpoint(TRUNCATE);"
            ))
            .unwrap();
        store
    }

    fn log_pages(directory: &TempDir) -> u64 {
        let log = fs::metadata(directory.path().join("sessions.db-wal")).unwrap();
        log.len() / PAGE_BYTES as u64
    }

    #[test]
    fn a_step_changes_few_pages_whatever_the_sessions_hold() {
        for length in [2, 2_000, 100_000] {
            let directory = tempfile::tempdir().unwrap();
            let store = expired(&directory, 500, length);
            let mut connection = Connection::open(directory.path().join("sessions.db")).unwrap();
            let page = page(&connection, &[], i64::MAX).unwrap();
            let transaction = connection.transaction().unwrap();
            let step = delete(&transaction, &page.expired, i64::MAX).unwrap();
            transaction.commit().unwrap();
            assert!((1..=STEP_PAGES as usize).contains(&step.done));
            assert!(log_pages(&directory) <= STEP_PAGES as u64);
            drop(store);
        }
    }

    #[test]
    fn a_log_stays_short_during_a_purge() {
        let directory = tempfile::tempdir().unwrap();
        let store = expired(&directory, 2_000, 2_000);
        assert_eq!(store.purge_expired().unwrap(), 2_000);
        assert!(log_pages(&directory) <= 3 * STEP_PAGES as u64);
    }

    #[test]
    fn a_session_that_is_used_meanwhile_is_not_purged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let store = SqliteStore::open(&path).unwrap();
        let session = store.session(&SessionId::random());
        session.set(PersistKey::IdToken, Some("a")).unwrap();
        let mut connection = Connection::open(&path).unwrap();
        let page = page(&connection, &[], i64::MAX).unwrap();
        let transaction = connection.transaction().unwrap();
        assert_eq!(delete(&transaction, &page.expired, 0).unwrap().deleted, 0);
        let step = delete(&transaction, &page.expired, i64::MAX).unwrap();
        assert_eq!((step.done, step.deleted), (1, 1));
    }
}
