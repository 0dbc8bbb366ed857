//! By whom sessions are found: a table beside their values, written in the same transaction.

use logto_core::{Change, OwnerDigest, PersistKey, SessionOwner};
use rusqlite::{Connection, Transaction};

/// The live sessions of an owner.
const FIND: &str = "
    SELECT session FROM owners JOIN sessions ON digest = session WHERE owner = ?1 AND used_at >= ?2
";

/// The digests of the owner's sessions that were last used at `oldest` or later.
pub(crate) fn find(
    connection: &Connection,
    owner: &OwnerDigest,
    oldest: i64,
) -> rusqlite::Result<Vec<[u8; 32]>> {
    connection
        .prepare_cached(FIND)?
        .query_map((owner.as_bytes(), oldest), |row| row.get(0))?
        .collect()
}

/// Notes by whom the session is found after this change of it.
pub(crate) fn apply(
    transaction: &Transaction<'_>,
    session: &[u8; 32],
    change: &Change<'_>,
) -> rusqlite::Result<()> {
    if change.key != PersistKey::Owner {
        return Ok(());
    }
    transaction
        .prepare_cached("DELETE FROM owners WHERE session = ?1")?
        .execute([session])?;
    let owner = change.value.and_then(SessionOwner::of_value);
    for digest in owner.iter().flat_map(SessionOwner::digests) {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO owners (owner, session) VALUES (?1, ?2)")?
            .execute((digest.as_bytes(), session))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        let remove = "DELETE FROM owners WHERE session = ?1";
        for sql in [FIND, remove, PAGE_BEHIND] {
            let plan = plan(&connection, sql);
            assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
