//! The table, and how it comes into a new file.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{StorageError, StorageErrorKind};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::error;

/// What marks a database as ours: "LgtO".
const APPLICATION_ID: i64 = 0x4c67_744f;

/// The version of the table.
const VERSION: i64 = 1;

const TABLE: &str = "
    CREATE TABLE sessions (
        session        TEXT NOT NULL PRIMARY KEY,  -- SHA-256 of the session id in the cookie
        version        TEXT NOT NULL,              -- random, another one with each change
        user           TEXT,                       -- digest of the user; NULL while nobody is signed in
        server_session TEXT,                       -- digest of the user's session at Logto
        last_used      INTEGER NOT NULL,           -- milliseconds since 1970
        data           TEXT NOT NULL               -- JSON: tokens, sign-ins under way
    ) STRICT;
    CREATE INDEX sessions_by_user ON sessions (user) WHERE user IS NOT NULL;
    CREATE INDEX sessions_by_server_session ON sessions (server_session) WHERE server_session IS NOT NULL;
    CREATE INDEX sessions_by_last_use ON sessions (last_used);
";

/// Pauses between two tries at what SQLite itself does not wait for.
const PAUSE: Duration = Duration::from_millis(10);

/// Makes the database ready for use: a new one gets its table. One that is not ours stays as it is.
pub(crate) fn prepare(
    connection: &mut Connection,
    path: &Path,
    patience: Duration,
) -> Result<(), StorageError> {
    let failed = |error| error::failed("opened", path, error);
    // In one transaction, because another process may be creating the table.
    let transaction = connection.transaction().map_err(failed)?;
    let is_new = inspect(&transaction).map_err(failed)?.accepted(path)?;
    drop(transaction);
    enable_log(connection, path, patience)?;
    if is_new {
        create(connection).map_err(failed)?.accepted(path)?;
    }
    Ok(())
}

/// What is in a file.
enum Found {
    Nothing,
    Ours { version: i64 },
    Foreign,
}

impl Found {
    /// Whether the file is new. Refuses one that this version cannot use.
    fn accepted(self, path: &Path) -> Result<bool, StorageError> {
        let refused = |kind, why| Err(error::refused(kind, path, why));
        match self {
            Self::Nothing => Ok(true),
            Self::Ours { version: VERSION } => Ok(false),
            Self::Ours { .. } => refused(
                StorageErrorKind::NewerFormat,
                "a newer version of logto-storage-sqlite wrote it",
            ),
            Self::Foreign => refused(
                StorageErrorKind::Corrupt,
                "it is the database of another application; give sessions a file of their own",
            ),
        }
    }
}

fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(match (application, version) {
        (0, 0) if tables == 0 => Found::Nothing,
        (APPLICATION_ID, 1..) => Found::Ours { version },
        _ => Found::Foreign,
    })
}

/// Returns what is there afterwards: another process may have come first.
fn create(connection: &mut Connection) -> rusqlite::Result<Found> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Found::Nothing = inspect(&transaction)? {
        transaction.execute_batch(TABLE)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    let found = inspect(&transaction)?;
    transaction.commit()?;
    Ok(found)
}

fn enable_log(
    connection: &Connection,
    path: &Path,
    patience: Duration,
) -> Result<(), StorageError> {
    let started = Instant::now();
    // Where two begin the change of the mode at once, SQLite fails one without waiting.
    let mode: String = loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < patience =>
            {
                thread::sleep(PAUSE);
            }
            outcome => break outcome.map_err(|error| error::failed("opened", path, error))?,
        }
    };
    match mode.as_str() {
        "wal" => Ok(()),
        _ => Err(error::refused(
            StorageErrorKind::Backend,
            path,
            "SQLite cannot keep a write-ahead log there, as on a network file system",
        )),
    }
}
