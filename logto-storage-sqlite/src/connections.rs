//! The connections to one database: one that writes, and readers that each have their own.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use logto_core::{LocalLocks, SessionKey, StorageError, StorageErrorKind, files};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{error, schema};

/// How many unused readers are kept.
const MOST_READERS: usize = 16;

/// `fullfsync` makes macOS write through the disk's cache; `temp_store` keeps tokens out of temporary files.
const SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";

/// The longest time that SQLite can wait, in milliseconds.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

pub(crate) struct Connections {
    path: PathBuf,
    busy_timeout: Duration,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<Connection>>,
    /// Threads queue here for the writer, for no longer than they want to wait.
    turns: LocalLocks,
}

impl Connections {
    pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Self, StorageError> {
        // An absolute path means the same after a change of directory, and never SQLite's ":memory:".
        let path = std::path::absolute(path).map_err(|error| error::not_created(path, error))?;
        create_private(&path).map_err(|error| error::not_created(&path, error))?;
        let connections = Self {
            path,
            busy_timeout: busy_timeout.min(LONGEST_WAIT),
            readers: Mutex::default(),
            writer: Mutex::default(),
            turns: LocalLocks::default(),
        };
        let mut connection = connections.connect()?;
        schema::prepare(&mut connection, &connections.path, connections.busy_timeout)?;
        *connections.writer() = Some(connection);
        connections.warn_if_others_may_read();
        Ok(connections)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `work` with a connection that reads. It waits for no writer.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let unused = self.readers().pop();
        let connection = unused.map_or_else(|| self.connect(), Ok)?;
        let outcome = work(&connection);
        let mut readers = self.readers();
        if readers.len() < MOST_READERS {
            readers.push(connection);
        }
        drop(readers);
        outcome.map_err(|error| error::failed("read", &self.path, error))
    }

    /// Calls `work` in a transaction, when it is this thread's turn: all of what it does is durable afterwards, or
    /// nothing if it fails.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        self.write_within(self.busy_timeout, work)
    }

    /// Same as [`write`](Self::write), and waits for no longer than this.
    pub(crate) fn write_within<T>(
        &self,
        timeout: Duration,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let failed = |error| error::failed("written", &self.path, error);
        let turn = self.turns.lock(&SessionKey::ONLY, timeout);
        let _turn = turn.map_err(|_| error::busy(&self.path))?;
        let mut writer = self.writer();
        // A panic may have left a transaction open, which must not reach the next caller.
        let mut connection = match writer.take().filter(Connection::is_autocommit) {
            Some(connection) => connection,
            None => self.connect()?,
        };
        connection.busy_timeout(timeout).map_err(failed)?;
        let outcome = transact(&mut connection, work);
        *writer = Some(connection);
        outcome.map_err(failed)
    }

    /// Does not create the file: that is done with care for its mode, and once.
    fn connect(&self) -> Result<Connection, StorageError> {
        let failed = |error| error::failed("opened", &self.path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        // Before the first statement, which would leave a log behind that cannot be written either.
        if connection.is_readonly("main").map_err(failed)? {
            let kind = StorageErrorKind::PermissionDenied;
            let why = "this process may read it, but not write it";
            return Err(error::refused(kind, &self.path, why));
        }
        connection.busy_timeout(self.busy_timeout).map_err(failed)?;
        connection.execute_batch(SETTINGS).map_err(failed)?;
        Ok(connection)
    }

    fn warn_if_others_may_read(&self) {
        let metadata = self.path.metadata().ok();
        if let Some(mode) = metadata.as_ref().and_then(files::mode_for_others) {
            log::warn!(
                "other users may open the session database {} (mode {mode:03o} for them): chmod 600 it",
                self.path.display(),
            );
        }
    }

    /// A panic elsewhere leaves the list whole.
    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<Connection>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Immediate: it waits for other writers at its beginning, where SQLite can, and not at its first write.
fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcome = work(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}

/// Creates the file empty, for this user alone, if it is missing. SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    // On Unix, closing the file ends all locks of this process on it: no other thread may have opened it by then.
    static CREATING: Mutex<()> = Mutex::new(());
    let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    files::private(&mut options);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
