//! Sole use of a session for one write, which no other process sees before it is made.

use std::time::{Duration, Instant};

use logto_core::{LocalLock, StorageError};

use crate::database::Database;
use crate::lock::SessionLock;
use crate::locks::LastWrite;
use crate::version::Version;

/// A lock that excludes the threads of this process. Its write finds out whether another process came
/// between, so that no lease has to be written before it.
pub(crate) struct WriteLock<'a> {
    database: &'a Database,
    session: [u8; 32],
    version: Version,
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
        Ok(ToWrite::Free(Self {
            database,
            session,
            version,
            _local: local,
        }))
    }

    /// Calls `write`, and what that writes to the session is written only if it is as it was.
    pub(crate) fn around_last_write(&self, write: &mut dyn FnMut()) {
        let expecting = LastWrite::Expects(self.version);
        let locks = self.database.locks();
        locks.within_last_write(self.session, expecting, write);
    }
}
