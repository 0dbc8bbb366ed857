//! The rows of the table: one row is one session.

use std::str::FromStr;

use logto_core::{OwnerDigest, Record, SessionKey, SessionOwner, Version};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

const FIND: &str = "
    SELECT version, user, server_session, data, last_used, rowid FROM sessions WHERE session = ?1
";

/// Keys come as bytes, because damaged text must not end a list.
const OF_OWNER: &str = "
    SELECT CAST(session AS BLOB) FROM sessions WHERE user = ?1 AND last_used >= ?2
    UNION
    SELECT CAST(session AS BLOB) FROM sessions WHERE server_session = ?1 AND last_used >= ?2
";

const PAGE: &str = "
    SELECT CAST(session AS BLOB) FROM sessions
    WHERE session > CAST(?1 AS TEXT) AND last_used >= ?2 ORDER BY session LIMIT ?3
";

const REMOVE_EXPIRED: &str = "
    DELETE FROM sessions
    WHERE rowid = (SELECT rowid FROM sessions WHERE last_used < ?1 ORDER BY last_used LIMIT 1)
";

/// When it is, and since when a session must have been used to be there.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) now: i64,
    pub(crate) oldest_live: i64,
}

/// The row of a session.
pub(crate) struct Found {
    rowid: i64,
    pub(crate) last_used: i64,
    /// `None` if the session has expired.
    pub(crate) record: Option<Record>,
}

/// The row under this key. A live one that cannot be read is an error.
pub(crate) fn find(
    connection: &Connection,
    session: &SessionKey,
    oldest_live: i64,
) -> rusqlite::Result<Option<Found>> {
    let found = |row: &Row<'_>| {
        let last_used = row.get(4)?;
        let is_live = last_used >= oldest_live;
        Ok(Found {
            rowid: row.get(5)?,
            last_used,
            record: is_live.then(|| record(row)).transpose()?,
        })
    };
    connection
        .prepare_cached(FIND)?
        .query_row([session.to_hex()], found)
        .optional()
}

/// Puts a record under `to` in the place of the one under `from`. Returns whether that had the `expected`
/// version, and no other session was under `to`; if not, nothing has changed.
pub(crate) fn replace(
    transaction: &Connection,
    (from, expected): (&SessionKey, Option<Version>),
    (to, record): (&SessionKey, &Record),
    times: Times,
) -> rusqlite::Result<bool> {
    let row = find(transaction, from, times.oldest_live)?;
    let old = row.as_ref().and_then(|row| row.record.as_ref());
    if old.map(Record::version) != expected {
        return Ok(false);
    }
    if from != to {
        match find(transaction, to, times.oldest_live)? {
            Some(Found {
                record: Some(_), ..
            }) => return Ok(false),
            Some(_expired) => remove(transaction, to)?,
            None => {}
        }
    }
    match row {
        Some(row) => update(transaction, &row, (from != to).then_some(to), record, times)?,
        None => insert(transaction, to, record, times)?,
    }
    Ok(true)
}

fn insert(
    transaction: &Connection,
    session: &SessionKey,
    record: &Record,
    times: Times,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO sessions (session, version, user, server_session, last_used, data)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (user, server_session) = owner_columns(record);
    let version = version_column(record.version());
    transaction.prepare_cached(sql)?.execute(params![
        session.to_hex(),
        version,
        user,
        server_session,
        times.now,
        record.data()
    ])?;
    Ok(())
}

/// The row stays where it is, also under another key.
fn update(
    transaction: &Connection,
    row: &Found,
    to: Option<&SessionKey>,
    record: &Record,
    times: Times,
) -> rusqlite::Result<()> {
    // SQLite writes the pages of an index whose column is named here, also if it has that value already.
    let moved = to.map_or("", |_| ", session = ?1");
    let old = row.record.as_ref();
    let has_owner = old.is_some_and(|old| old.owner() == record.owner());
    let owned = match has_owner {
        true => "",
        false => ", user = ?3, server_session = ?4",
    };
    let sql = format!(
        "UPDATE sessions SET version = ?2, last_used = ?5, data = ?6{moved}{owned} WHERE rowid = ?7"
    );
    let (user, server_session) = owner_columns(record);
    let version = version_column(record.version());
    transaction.prepare_cached(&sql)?.execute(params![
        to.map(SessionKey::to_hex),
        version,
        user,
        server_session,
        times.now,
        record.data(),
        row.rowid
    ])?;
    Ok(())
}

/// Notes a use, if no other was noted since it was `last_used` then.
pub(crate) fn note_use(
    transaction: &Connection,
    session: &SessionKey,
    last_used: i64,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE sessions SET last_used = ?3 WHERE session = ?1 AND last_used = ?2";
    let mut update = transaction.prepare_cached(sql)?;
    update.execute((session.to_hex(), last_used, now)).map(drop)
}

pub(crate) fn remove(transaction: &Connection, session: &SessionKey) -> rusqlite::Result<()> {
    let sql = "DELETE FROM sessions WHERE session = ?1";
    let mut delete = transaction.prepare_cached(sql)?;
    delete.execute([session.to_hex()]).map(drop)
}

/// Removes one expired session, and returns whether there was one.
pub(crate) fn remove_expired(transaction: &Connection, oldest_live: i64) -> rusqlite::Result<bool> {
    let mut delete = transaction.prepare_cached(REMOVE_EXPIRED)?;
    Ok(delete.execute([oldest_live])? == 1)
}

/// The keys of an owner's live sessions.
pub(crate) fn of_owner(
    connection: &Connection,
    owner: &OwnerDigest,
    oldest_live: i64,
) -> rusqlite::Result<Vec<SessionKey>> {
    let keys = column(connection, OF_OWNER, (owner.to_string(), oldest_live))?;
    Ok(keys.iter().filter_map(|key| parse_key(key)).collect())
}

/// The next keys behind this one, as they are stored, of live sessions.
pub(crate) fn page(
    connection: &Connection,
    behind: &[u8],
    oldest_live: i64,
    length: i64,
) -> rusqlite::Result<Vec<Vec<u8>>> {
    column(connection, PAGE, (behind, oldest_live, length))
}

fn column(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut select = connection.prepare_cached(sql)?;
    select.query_map(parameters, |row| row.get(0))?.collect()
}

/// The key as it is stored; `None` if it is damaged and so names no session.
pub(crate) fn parse_key(stored: &[u8]) -> Option<SessionKey> {
    SessionKey::from_hex(str::from_utf8(stored).ok()?)
}

/// The record of a row of [`FIND`].
fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let version = parsed(row, 0, parse_version)?;
    let digest = |text: &str| OwnerDigest::from_str(text).ok();
    let owner = match (is_null(row, 1)?, is_null(row, 2)?) {
        (true, true) => None,
        // A server session without a user is damage, as the user is read first.
        (_, true) => Some(SessionOwner::from_digests(parsed(row, 1, digest)?, None)),
        (_, false) => Some(SessionOwner::from_digests(
            parsed(row, 1, digest)?,
            Some(parsed(row, 2, digest)?),
        )),
    };
    Ok(Record::stored(version, owner, row.get::<_, String>(3)?))
}

fn is_null(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(row.get_ref(column)?.data_type() == Type::Null)
}

/// The text of a column as something else. The error shows none of it.
fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str().ok();
    text.and_then(parse).ok_or_else(|| {
        let why = "the column has another form".into();
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why)
    })
}

fn parse_version(text: &str) -> Option<Version> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(Version::from_bytes(number.to_be_bytes()))
}

fn version_column(version: Version) -> String {
    format!("{:032x}", u128::from_be_bytes(*version.as_bytes()))
}

fn owner_columns(record: &Record) -> (Option<String>, Option<String>) {
    let owner = record.owner();
    let server_session = owner.and_then(|owner| owner.server_session());
    (
        owner.map(|owner| owner.user().to_string()),
        server_session.map(|digest| digest.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStorage;

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
    fn query_plans_read_no_table_from_end_to_end_and_sort_no_list() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        drop(SqliteStorage::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        for sql in [FIND, OF_OWNER, PAGE, REMOVE_EXPIRED] {
            let plan = plan(&connection, sql);
            assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{plan}");
        }
        for sql in [PAGE, REMOVE_EXPIRED] {
            let plan = plan(&connection, sql);
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
