//! Freeing the space of expired sessions, a few at a time, so that nobody waits long for a turn to
//! write.

use std::thread;
use std::time::{Duration, Instant};

use logto_core::StorageError;
use rusqlite::{Connection, Transaction};

use crate::database::Database;

/// How many sessions are looked at in one go. An index by time would save the look, at the price of
/// another page in each write.
const PAGE: i64 = 10_000;

/// How long a step should keep others from writing. A slow disk makes it longer, but not by much.
const STEP: Duration = Duration::from_millis(15);

/// Between two steps other processes, which look for a turn now and then, must find one.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

const MOST_AT_ONCE: usize = 1024;

/// Removes all sessions that were last used before their lifetime began, and returns how many.
pub(crate) fn purge_expired(database: &Database) -> Result<u64, StorageError> {
    let idle = database.idle();
    let oldest = idle.oldest_live(idle.now());
    let mut purged = 0;
    let mut pace = Pace::new();
    let mut after = Vec::new();
    loop {
        let page = database.read(|connection| page(connection, &after, oldest))?;
        let mut left = &page.expired[..];
        while !left.is_empty() {
            let (step, rest) = left.split_at(pace.at_once.min(left.len()));
            purged += purge(database, step, oldest, &mut pace)?;
            left = rest;
        }
        match page.last {
            Some(last) => after = last.to_vec(),
            None => return Ok(purged),
        }
    }
}

fn purge(
    database: &Database,
    sessions: &[Expired],
    oldest: i64,
    pace: &mut Pace,
) -> Result<u64, StorageError> {
    let mut begun = None;
    let purged = database.write(|transaction| {
        begun = Some(Instant::now());
        delete(transaction, sessions, oldest)
    })?;
    pace.after(begun.map_or(Duration::ZERO, |begun| begun.elapsed()));
    Ok(purged)
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

/// Those of them that nobody has used meanwhile.
fn delete(
    transaction: &Transaction<'_>,
    sessions: &[Expired],
    oldest: i64,
) -> rusqlite::Result<u64> {
    let mut delete =
        transaction.prepare_cached("DELETE FROM sessions WHERE digest = ?1 AND used_at < ?2")?;
    let mut deleted = 0;
    for session in sessions {
        deleted += delete.execute((session.digest, oldest))? as u64;
    }
    Ok(deleted)
}

/// How many sessions a step takes, by how long those before took.
struct Pace {
    at_once: usize,
}

impl Pace {
    fn new() -> Self {
        Self { at_once: 32 }
    }

    /// Leaves others as much time as the step took.
    fn after(&mut self, took: Duration) {
        self.adapt(took);
        thread::sleep(took.clamp(Duration::from_millis(1), LONGEST_PAUSE));
    }

    fn adapt(&mut self, took: Duration) {
        if took > STEP {
            self.at_once = (self.at_once / 2).max(1);
        } else if took < STEP / 3 {
            self.at_once = (self.at_once * 2).min(MOST_AT_ONCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use logto_core::{PersistKey, SessionId, SessionStore as _};

    use super::*;
    use crate::SqliteStore;

    #[test]
    fn a_pace_follows_the_disk() {
        let mut pace = Pace::new();
        (0..20).for_each(|_| pace.adapt(Duration::from_millis(1)));
        assert_eq!(pace.at_once, MOST_AT_ONCE);
        (0..20).for_each(|_| pace.adapt(Duration::from_secs(1)));
        assert_eq!(pace.at_once, 1);
    }

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
                 INSERT INTO sessions (digest, number, used_at) SELECT randomblob(32), id, 0 FROM ids",
                [expired],
            )
            .unwrap();
        assert_eq!(store.purge_expired().unwrap(), expired as u64);
        assert_eq!(store.purge_expired().unwrap(), 0);
        assert!(session.get(PersistKey::IdToken).unwrap().is_some());
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
        assert_eq!(delete(&transaction, &page.expired, 0).unwrap(), 0);
        assert_eq!(delete(&transaction, &page.expired, i64::MAX).unwrap(), 1);
    }
}
