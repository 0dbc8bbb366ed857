//! One open file: who reads and who writes when.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use logto_core::{IdleLifetime, StorageError, StorageErrorKind};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::checkpoint::Log;
use crate::locks::{FileLocks, HoldersWrite};
use crate::pool::{Pool, Synchronous};
use crate::version::Version;
use crate::{checkpoint, error, permissions, schema};

/// How long a read may be held up in order to note that it was.
const NOTE_TIMEOUT: Duration = Duration::from_millis(100);

/// How long at least the release of a lock waits for other writers: if it fails, the other processes
/// have to wait for much longer.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Database {
    pool: Pool,
    log: Arc<Log>,
    locks: Arc<FileLocks>,
    busy_timeout: Duration,
    lease: Duration,
    idle: IdleLifetime,
}

impl Database {
    pub(crate) fn open(
        path: &Path,
        busy_timeout: Duration,
        lease: Duration,
        idle: IdleLifetime,
    ) -> Result<Self, StorageError> {
        // An absolute path means the same after a change of directory, and never SQLite's ":memory:".
        let path = &std::path::absolute(path).map_err(|error| error::not_created(path, error))?;
        let locks = FileLocks::of(path).map_err(|error| error::not_created(path, error))?;
        let log = Arc::new(Log::default());
        let database = Self {
            pool: Pool::new(path.clone(), Arc::clone(&log)),
            log,
            locks,
            busy_timeout,
            lease,
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

    pub(crate) fn idle(&self) -> &IdleLifetime {
        &self.idle
    }

    pub(crate) fn locks(&self) -> &FileLocks {
        &self.locks
    }

    /// How long others leave a session to a holder of whom they hear nothing.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
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
        self.write_within(self.busy_timeout, Synchronous::Full, work)
    }

    /// As [`write`](Self::write), but not durable until the next write that is: all stand in one log, in
    /// their order, and what syncs the log syncs all of it.
    pub(crate) fn write_unsynced<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        self.write_within(self.busy_timeout, Synchronous::Normal, work)
    }

    /// A write to this session that may be the last one of a holder, whose lease it then ends.
    pub(crate) fn write_session(
        &self,
        session: &[u8; 32],
        synchronous: Synchronous,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StorageError> {
        let Some(HoldersWrite::Ends(lease, is_ended)) = self.locks.held(session) else {
            return self.write_as_expected(session, synchronous, work);
        };
        let was_held = self.write_within(self.busy_timeout, synchronous, |transaction| {
            work(transaction)?;
            lease.delete(transaction)
        })?;
        self.locks.let_go(session);
        if !is_ended.swap(true, Ordering::Relaxed) && !was_held {
            lease.warn_of_loss();
        }
        Ok(())
    }

    /// A write to this session; by the holder of a lock to write, only if nobody else came between.
    pub(crate) fn write_as_expected(
        &self,
        session: &[u8; 32],
        synchronous: Synchronous,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StorageError> {
        let Some(HoldersWrite::Expects(version)) = self.locks.held(session) else {
            return self.write_within(self.busy_timeout, synchronous, work);
        };
        let written = self.write_within(self.busy_timeout, synchronous, |transaction| {
            if Version::find(transaction, session)? != Some(version) {
                return Ok(None);
            }
            work(transaction)?;
            Version::find(transaction, session)
        })?;
        let Some(version) = written else {
            return Err(StorageError::new(
                StorageErrorKind::Conflict,
                "others have changed or locked the session meanwhile",
            ));
        };
        self.locks.hold(*session, HoldersWrite::Expects(version));
        Ok(())
    }

    /// As [`write_unsynced`](Self::write_unsynced), with more patience.
    pub(crate) fn release_lease<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let timeout = self.busy_timeout.max(RELEASE_TIMEOUT);
        self.write_within(timeout, Synchronous::Normal, work)
    }

    /// As [`write`](Self::write), but gives up soon where others are writing.
    pub(crate) fn write_soon<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        self.write_within(self.busy_timeout.min(NOTE_TIMEOUT), Synchronous::Full, work)
    }

    /// The turn comes before the connection, so that waiting writers leave connections to readers.
    fn write_within<T>(
        &self,
        timeout: Duration,
        synchronous: Synchronous,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let turn = self.locks.writer(timeout)?;
        let mut connection = self.pool.take_to_write(timeout, synchronous)?;
        let written = transact(&mut connection, work)
            .map_err(|error| error::failed("written", self.path(), error))?;
        drop(turn);
        if self.log.is_due() {
            self.copy_log(&connection, checkpoint::MOST_PAGES, timeout);
        }
        Ok(written)
    }

    /// For who writes much: copies the log more often, and keeps it short, so that no other writer comes
    /// to do it.
    pub(crate) fn copy_log_early(&self, pages: i32) {
        if self.log.has_grown_by(pages)
            && let Ok(connection) = self.pool.take(self.busy_timeout)
        {
            self.copy_log(&connection, checkpoint::PAGES, self.busy_timeout);
        }
    }

    /// Copies the log while others write; one that is as long as this, to its end, so that the next
    /// writer starts it over. For the end others wait, but it is short. Only one thread at a time does, since it
    /// keeps a connection while it waits for its turn.
    fn copy_log(&self, connection: &Connection, most: i32, timeout: Duration) {
        let Some(copier) = self.log.copier() else {
            return;
        };
        copier.copy(connection);
        if self.log.is_as_long_as(most)
            && let Ok(_turn) = self.locks.writer(timeout)
        {
            copier.copy(connection);
        }
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
