//! One open file: who reads and who writes when.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{StorageError, StorageLock};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::idle::Idle;
use crate::locks::FileLocks;
use crate::pool::Pool;
use crate::{error, permissions, schema};

/// How long a read may be held up in order to note that it was.
const NOTE_TIMEOUT: Duration = Duration::from_millis(100);

pub(crate) struct Database {
    pool: Pool,
    locks: Arc<FileLocks>,
    busy_timeout: Duration,
    idle: Idle,
}

impl Database {
    pub(crate) fn open(
        path: &Path,
        busy_timeout: Duration,
        idle: Idle,
    ) -> Result<Self, StorageError> {
        // An absolute path means the same after a change of directory, and never SQLite's ":memory:".
        let path = &std::path::absolute(path).map_err(|error| error::not_created(path, error))?;
        let locks = FileLocks::of(path).map_err(|error| error::not_created(path, error))?;
        let database = Self {
            pool: Pool::new(path.clone()),
            locks,
            busy_timeout,
            idle,
        };
        let mut connection = database.pool.take(busy_timeout)?;
        schema::prepare(&mut connection, path, busy_timeout)?;
        drop(connection);
        permissions::warn_if_others_may_read(path);
        Ok(database)
    }

    pub(crate) fn path(&self) -> &Path {
        self.pool.path()
    }

    pub(crate) fn idle(&self) -> &Idle {
        &self.idle
    }

    /// Sole use of a session among this process's threads.
    pub(crate) fn lock(
        &self,
        session: [u8; 32],
        timeout: Duration,
    ) -> Result<StorageLock<'static>, StorageError> {
        self.locks.session(session, timeout).map(StorageLock::new)
    }

    /// One statement that reads.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let connection = self.pool.take(self.busy_timeout)?;
        work(&connection).map_err(|error| error::failed("read", self.path(), error))
    }

    /// One transaction: all of what `work` does, durable, or none.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        self.write_within(self.busy_timeout, work)
    }

    /// As [`write`](Self::write), but gives up soon where others are writing.
    pub(crate) fn write_soon<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        self.write_within(self.busy_timeout.min(NOTE_TIMEOUT), work)
    }

    /// The turn comes before the connection, so that waiting writers leave connections to readers.
    fn write_within<T>(
        &self,
        timeout: Duration,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let _turn = self.locks.writer(timeout)?;
        let mut connection = self.pool.take(timeout)?;
        transact(&mut connection, work)
            .map_err(|error| error::failed("written", self.path(), error))
    }
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcome = work(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}
