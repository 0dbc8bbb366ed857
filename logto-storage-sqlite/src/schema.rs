//! The tables, and how an older file gets them.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{StorageError, StorageErrorKind};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::error;

/// What marks a database as ours: "LgtO".
const APPLICATION_ID: i32 = 0x4c67_744f;

/// Step by step from an empty file to the tables of today. The number of steps that a file has seen is
/// its version; a released step never changes.
const STEPS: &[&str] = &["
    CREATE TABLE sessions (
        digest BLOB PRIMARY KEY CHECK (length(digest) = 32),  -- the SHA-256 of the session's id
        number INTEGER NOT NULL,                              -- given once; a replacement has it from what it replaces
        used_at INTEGER NOT NULL,                             -- milliseconds since 1970
        changes INTEGER NOT NULL                              -- counts the writes
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE session_values (
        row INTEGER PRIMARY KEY,                              -- 64 times the session's number, and the key's
        value TEXT NOT NULL
    ) STRICT;
    CREATE TABLE newest (number INTEGER NOT NULL) STRICT;     -- of the session that was made last
    INSERT INTO newest VALUES (0);
    CREATE TABLE owners (                                     -- by whom sessions are found, if they say so too
        owner BLOB NOT NULL CHECK (length(owner) = 32),       -- the digest of a user, or of a server's session
        session BLOB NOT NULL CHECK (length(session) = 32),
        PRIMARY KEY (owner, session)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE leases (
        digest BLOB PRIMARY KEY CHECK (length(digest) = 32),  -- of the session that is locked
        holder BLOB NOT NULL CHECK (length(holder) = 32),     -- random, of the process that locked it
        turn INTEGER NOT NULL,                                -- counts the locks of this process
        lasts INTEGER NOT NULL,                               -- milliseconds from when another sees it
        slot INTEGER                                          -- of the process's file, if it has one
    ) STRICT, WITHOUT ROWID;
"];

/// Pauses between two tries at what SQLite itself does not wait for.
const PAUSE: Duration = Duration::from_millis(10);

/// Makes the database ready for use: a new one gets its tables, an older one what it lacks. One that
/// is not ours stays as it is.
pub(crate) fn prepare(
    connection: &mut Connection,
    path: &Path,
    patience: Duration,
) -> Result<(), StorageError> {
    let failed = |error| error::failed("opened", path, error);
    let found = inspect(connection).map_err(failed)?;
    let version = accept(found, path)?;
    enable_log(connection, path, patience)?;
    if version < STEPS.len() {
        let found = migrate(connection, STEPS).map_err(failed)?;
        accept(found, path)?;
    }
    Ok(())
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Ours { version: usize },
    Foreign,
}

/// The version of a file that this version can use; 0 of an empty one.
fn accept(found: Found, path: &Path) -> Result<usize, StorageError> {
    match found {
        Found::Nothing => Ok(0),
        Found::Ours { version } if version <= STEPS.len() => Ok(version),
        Found::Ours { .. } => Err(error::refused(
            StorageErrorKind::NewerFormat,
            path,
            "a newer version of logto-storage-sqlite wrote it",
        )),
        Found::Foreign => Err(error::refused(
            StorageErrorKind::Corrupt,
            path,
            "it is the database of another application; give sessions a file of their own",
        )),
    }
}

/// In one transaction, because another process may be creating the tables.
fn inspect(connection: &mut Connection) -> rusqlite::Result<Found> {
    let transaction = connection.transaction()?;
    look(&transaction)
}

fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(match (application, usize::try_from(version)) {
        (0, Ok(0)) if tables == 0 => Found::Nothing,
        (id, Ok(version)) if id == i64::from(APPLICATION_ID) && version > 0 => {
            Found::Ours { version }
        }
        _ => Found::Foreign,
    })
}

/// Takes the steps that are missing, all or none, and returns what it found under the lock if that
/// is not for this version to change.
fn migrate(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<Found> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = match look(&transaction)? {
        Found::Nothing => 0,
        Found::Ours { version } if version < steps.len() => version,
        found => return Ok(found),
    };
    for step in &steps[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)?;
    transaction.commit()?;
    Ok(Found::Ours {
        version: steps.len(),
    })
}

fn enable_log(
    connection: &Connection,
    path: &Path,
    patience: Duration,
) -> Result<(), StorageError> {
    let mode = retry_while_busy(patience, || {
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        })
    })
    .map_err(|error| error::failed("opened", path, error))?;
    if mode == "wal" {
        return Ok(());
    }
    let why = "SQLite cannot keep a write-ahead log there, as on a network file system";
    Err(error::refused(StorageErrorKind::Backend, path, why))
}

/// For the change of the journal mode: where two begin it at once SQLite fails one without waiting.
fn retry_while_busy<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < patience =>
            {
                thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    fn tables(connection: &Connection) -> i64 {
        let sql = "SELECT count(*) FROM sqlite_schema";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_file_gets_only_the_steps_that_it_lacks() {
        let steps = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y DEFAULT 7"];
        let mut connection = memory();
        migrate(&mut connection, &steps[..1]).unwrap();
        connection
            .execute_batch("INSERT INTO a VALUES (1)")
            .unwrap();

        let found = migrate(&mut connection, &steps).unwrap();
        assert_eq!(found, Found::Ours { version: 2 });
        let row: (i64, i64) = connection
            .query_row("SELECT x, y FROM a", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, (1, 7));
        assert_eq!(inspect(&mut connection).unwrap(), found);
    }

    #[test]
    fn a_step_that_fails_undoes_those_before_it() {
        let mut connection = memory();
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE a (x)"];
        assert!(migrate(&mut connection, &steps).is_err());
        assert_eq!(tables(&connection), 0);
        assert_eq!(inspect(&mut connection).unwrap(), Found::Nothing);
    }

    #[test]
    fn a_newer_or_foreign_file_takes_no_steps() {
        let mut newer = memory();
        newer
            .pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        newer.pragma_update(None, "user_version", 2).unwrap();
        let found = migrate(&mut newer, &["CREATE TABLE a (x)"]).unwrap();
        assert_eq!(found, Found::Ours { version: 2 });
        assert_eq!(tables(&newer), 0);

        let mut foreign = memory();
        foreign.execute_batch("CREATE TABLE b (x)").unwrap();
        assert_eq!(migrate(&mut foreign, STEPS).unwrap(), Found::Foreign);
        assert_eq!(tables(&foreign), 1);
    }

    #[test]
    fn a_file_of_today_is_left_as_it_is() {
        let mut connection = memory();
        migrate(&mut connection, STEPS).unwrap();
        let found = migrate(&mut connection, STEPS).unwrap();
        assert_eq!(
            found,
            Found::Ours {
                version: STEPS.len()
            }
        );
    }

    #[test]
    fn what_stays_busy_fails_after_a_while() {
        let busy = || rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let mut tries = 0;
        let outcome: rusqlite::Result<()> = retry_while_busy(Duration::from_millis(30), || {
            tries += 1;
            Err(rusqlite::Error::SqliteFailure(busy(), None))
        });
        assert!(outcome.is_err());
        assert!(tries > 1);
    }
}
