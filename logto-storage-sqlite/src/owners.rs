//! By whom sessions are found: a table beside their values, written in the same transaction.

use logto_core::{OwnerDigest, PersistKey, SessionOwner};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

/// The live sessions of an owner, and what each says of its owner.
const FIND: &str = "
    SELECT session, (SELECT value FROM session_values WHERE row = number * 64 + ?3)
    FROM owners JOIN sessions ON digest = session WHERE owner = ?1 AND used_at >= ?2
";

/// The digests of the owner's sessions that were last used at `oldest` or later.
pub(crate) fn find(
    connection: &Connection,
    owner: &OwnerDigest,
    oldest: i64,
) -> rusqlite::Result<Vec<[u8; 32]>> {
    let mut select = connection.prepare_cached(FIND)?;
    let mut rows = select.query((owner.as_bytes(), oldest, PersistKey::Owner as i64))?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        // In a damaged file the session may have another owner by now, or one that cannot be read.
        if matches!(Stored::of(row.get_ref(1)?), Stored::Owner(says) if says.is(owner)) {
            sessions.push(row.get(0)?);
        }
    }
    Ok(sessions)
}

/// Has the session found by this value of its owner, which is about to be stored, and no longer by the
/// one that is.
pub(crate) fn change(
    transaction: &Transaction<'_>,
    session: &[u8; 32],
    number: i64,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    let new = value.and_then(SessionOwner::of_value);
    match (stored(transaction, number)?, &new) {
        (Stored::Owner(old), Some(new)) if old == *new => return Ok(()),
        (Stored::Owner(old), _) => remove(transaction, session, &old)?,
        (Stored::Damaged, _) => remove_all(transaction, session)?,
        (Stored::Nothing, _) => {}
    }
    match &new {
        Some(new) => insert(transaction, session, new),
        None => Ok(()),
    }
}

/// Has the session found under another id.
pub(crate) fn rename(
    transaction: &Transaction<'_>,
    from: &[u8; 32],
    to: &[u8; 32],
    number: i64,
) -> rusqlite::Result<()> {
    match stored(transaction, number)? {
        Stored::Owner(owner) => {
            remove(transaction, from, &owner)?;
            insert(transaction, to, &owner)
        }
        Stored::Damaged => remove_all(transaction, from),
        Stored::Nothing => Ok(()),
    }
}

/// What a session says of its owner.
enum Stored {
    Nothing,
    Owner(SessionOwner),
    /// Nobody can tell by it what finds the session.
    Damaged,
}

impl Stored {
    fn of(value: ValueRef<'_>) -> Self {
        let text = match value {
            ValueRef::Null => return Self::Nothing,
            value => value.as_str().ok(),
        };
        text.and_then(SessionOwner::of_value)
            .map_or(Self::Damaged, Self::Owner)
    }
}

fn stored(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<Stored> {
    let stored = transaction
        .prepare_cached("SELECT value FROM session_values WHERE row = ?1 * 64 + ?2")?
        .query_row((number, PersistKey::Owner as i64), |row| {
            Ok(Stored::of(row.get_ref(0)?))
        })
        .optional()?;
    Ok(stored.unwrap_or(Stored::Nothing))
}

fn insert(
    transaction: &Transaction<'_>,
    session: &[u8; 32],
    owner: &SessionOwner,
) -> rusqlite::Result<()> {
    for digest in owner.digests() {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO owners (owner, session) VALUES (?1, ?2)")?
            .execute((digest.as_bytes(), session))?;
    }
    Ok(())
}

fn remove(
    transaction: &Transaction<'_>,
    session: &[u8; 32],
    owner: &SessionOwner,
) -> rusqlite::Result<()> {
    for digest in owner.digests() {
        transaction
            .prepare_cached("DELETE FROM owners WHERE owner = ?1 AND session = ?2")?
            .execute((digest.as_bytes(), session))?;
    }
    Ok(())
}

/// Looks at the whole table: for damaged files.
fn remove_all(transaction: &Transaction<'_>, session: &[u8; 32]) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM owners WHERE session = ?1")?
        .execute([session])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use logto_core::{SessionStore as _, Storage as _};

    use super::*;
    use crate::SqliteStore;
    use crate::storage::PAGE_BEHIND;

    /// What SQLite does for this statement.
    fn plan(connection: &Connection, sql: &str) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = connection.prepare(&sql).unwrap();
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get::<_, String>(3).unwrap());
        }
        steps.join("; ")
    }

    #[test]
    fn no_table_is_read_from_end_to_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        drop(SqliteStore::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        for sql in [FIND, PAGE_BEHIND] {
            let plan = plan(&connection, sql);
            assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn a_session_is_found_only_by_the_owner_that_it_names_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let store = SqliteStore::open(&path).unwrap();
        let [alice, bob] = ["alice", "bob"].map(|sub| SessionOwner::of("https://a", sub, None));
        let digests = [&alice, &bob].map(|owner| owner.digests().next().unwrap());
        let session = store.default_session();
        session
            .set(PersistKey::Owner, Some(&alice.to_string()))
            .unwrap();

        let connection = Connection::open(&path).unwrap();
        connection
            .execute(
                "INSERT INTO owners SELECT ?1, session FROM owners",
                [digests[1].as_bytes()],
            )
            .unwrap();
        let found = digests.map(|digest| store.sessions_of(&digest).unwrap().len());
        assert_eq!(found, [1, 0]);
    }
}
