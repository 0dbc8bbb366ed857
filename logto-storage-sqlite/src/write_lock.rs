//! Sole use of a session for one write, which no other process sees before it is made.

use std::time::{Duration, Instant};

use logto_core::{LocalLock, StorageError};

use crate::database::Database;
use crate::lock::SessionLock;
use crate::locks::HoldersWrite;
use crate::version::Version;

/// A lock that excludes the threads of this process. Its holder's writes find out whether another process
/// came between, so that no lease has to be written before them.
pub(crate) struct WriteLock<'a> {
    database: &'a Database,
    session: [u8; 32],
    _local: LocalLock,
}

/// A lock to write.
pub(crate) enum ToWrite<'a> {
    Free(WriteLock<'a>),
    /// Another process had the session locked: that had to end first.
    AfterLease(SessionLock<'a>),
}

impl<'a> WriteLock<'a> {
    pub(crate) fn acquire(
        database: &'a Database,
        session: [u8; 32],
        timeout: Duration,
    ) -> Result<ToWrite<'a>, StorageError> {
        let started = Instant::now();
        let local = database.locks().session(session, timeout)?;
        let version = database.read(|connection| Version::find(connection, &session))?;
        let Some(version) = version else {
            let left = timeout.saturating_sub(started.elapsed());
            let lock = SessionLock::acquire_with(local, database, session, left)?;
            return Ok(ToWrite::AfterLease(lock));
        };
        database
            .locks()
            .hold(session, HoldersWrite::Expects(version));
        Ok(ToWrite::Free(Self {
            database,
            session,
            _local: local,
        }))
    }
}

impl Drop for WriteLock<'_> {
    fn drop(&mut self) {
        self.database.locks().let_go(&self.session);
    }
}
