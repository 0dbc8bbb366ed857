//! The connections to one database: each call has one for itself, and one call at a time writes.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use logto_core::{LocalLocks, SessionKey, StorageError, StorageErrorKind, files};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{error, schema};

/// How many unused connections are kept.
const MOST_UNUSED: usize = 16;

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
    /// The one used last comes last, and is taken first: its cache has the newest pages, which each connection
    /// reads again after another one has written.
    unused: Mutex<Vec<Connection>>,
    /// Threads queue here to write, for no longer than they want to wait.
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
            unused: Mutex::default(),
            turns: LocalLocks::default(),
        };
        let mut connection = connections.take(busy_timeout)?;
        schema::prepare(&mut connection, &connections.path, connections.busy_timeout)?;
        connections.give_back(connection);
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
        let connection = self.take(self.busy_timeout)?;
        let outcome = work(&connection);
        self.give_back(connection);
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
        let turn = self.turns.lock(&SessionKey::ONLY, timeout);
        let _turn = turn.map_err(|_| error::busy(&self.path))?;
        let mut connection = self.take(timeout)?;
        let outcome = transact(&mut connection, work);
        self.give_back(connection);
        outcome.map_err(|error| error::failed("written", &self.path, error))
    }

    /// A connection for the caller alone, which waits this long for other processes.
    fn take(&self, timeout: Duration) -> Result<Connection, StorageError> {
        let unused = self.unused().pop();
        let connection = unused.map_or_else(|| self.connect(), Ok)?;
        let timeout = timeout.min(LONGEST_WAIT);
        connection
            .busy_timeout(timeout)
            .map_err(|error| error::failed("opened", &self.path, error))?;
        Ok(connection)
    }

    fn give_back(&self, connection: Connection) {
        let mut unused = self.unused();
        // A transaction that could not be rolled back must not reach the next caller.
        if unused.len() < MOST_UNUSED && connection.is_autocommit() {
            unused.push(connection);
        }
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
    fn unused(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
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
