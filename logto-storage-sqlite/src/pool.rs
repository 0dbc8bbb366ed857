//! The connections of one store: readers each have their own.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use logto_core::{StorageError, StorageErrorKind};
use rusqlite::{Connection, OpenFlags};

use crate::checkpoint::Log;
use crate::error;

/// Connections are opened on demand, up to this many, and kept.
const MOST_CONNECTIONS: usize = 16;

/// What every connection has; `synchronous` is as each writer wants it. `fullfsync` makes macOS write through the
/// disk's cache; `temp_store` keeps tokens out of temporary files; `cache_size`, in negative KiB, holds the
/// upper pages of a million sessions.
const CONNECTION_SETTINGS: &str = "
    PRAGMA fullfsync = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
";

/// The longest time that SQLite can wait, in milliseconds.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

pub(crate) struct Pool {
    path: PathBuf,
    log: Arc<Log>,
    slots: Mutex<Slots>,
    returned: Condvar,
}

struct Slots {
    /// The one used last comes last, and is taken first: it has the newest pages in its cache, which it
    /// reads again from the log where another connection has written.
    unused: Vec<Open>,
    open: usize,
    /// How many callers wait for a connection. To wake nobody costs a system call, too.
    waiting: usize,
}

struct Open {
    connection: Connection,
    /// `None` where it is not known.
    synchronous: Option<Synchronous>,
}

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synchronous {
    /// What was written is durable.
    Full,
    /// What was written is in order, and seen by all processes, but may be lost if the machine fails.
    /// What others have made durable is not.
    Normal,
}

impl Synchronous {
    fn statement(self) -> &'static str {
        match self {
            Self::Full => "PRAGMA synchronous = FULL",
            Self::Normal => "PRAGMA synchronous = NORMAL",
        }
    }
}

impl Pool {
    pub(crate) fn new(path: PathBuf, log: Arc<Log>) -> Self {
        Self {
            path,
            log,
            slots: Mutex::new(Slots {
                unused: Vec::new(),
                open: 0,
                waiting: 0,
            }),
            returned: Condvar::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection for the caller alone. Waits this long for one, and the connection waits as long
    /// for other writers.
    pub(crate) fn take(&self, wait: Duration) -> Result<Pooled<'_>, StorageError> {
        let mut pooled = Pooled {
            open: self.take_unused(wait)?,
            pool: self,
        };
        let wait = wait.min(LONGEST_WAIT);
        match &pooled.open {
            Some(open) => open
                .connection
                .busy_timeout(wait)
                .map_err(|error| error::failed("opened", &self.path, error))?,
            None => pooled.open = Some(self.connect(wait)?),
        }
        Ok(pooled)
    }

    /// As [`take`](Self::take), to write with.
    pub(crate) fn take_to_write(
        &self,
        wait: Duration,
        synchronous: Synchronous,
    ) -> Result<Pooled<'_>, StorageError> {
        let mut pooled = self.take(wait)?;
        let open = pooled.open();
        if open.synchronous != Some(synchronous) {
            // Not known if this fails.
            open.synchronous = None;
            open.connection
                .execute_batch(synchronous.statement())
                .map_err(|error| error::failed("opened", &self.path, error))?;
            open.synchronous = Some(synchronous);
        }
        Ok(pooled)
    }

    /// `None` where the caller is to open another one.
    fn take_unused(&self, wait: Duration) -> Result<Option<Open>, StorageError> {
        let started = Instant::now();
        let mut slots = self.slots();
        loop {
            if let Some(open) = slots.unused.pop() {
                return Ok(Some(open));
            }
            if slots.open < MOST_CONNECTIONS {
                slots.open += 1;
                return Ok(None);
            }
            let left = wait.checked_sub(started.elapsed()).ok_or_else(all_in_use)?;
            slots.waiting += 1;
            slots = self
                .returned
                .wait_timeout(slots, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            slots.waiting -= 1;
        }
    }

    /// Does not create the file: that is done with care for its mode, and once.
    fn connect(&self, wait: Duration) -> Result<Open, StorageError> {
        let failed = |error| error::failed("opened", &self.path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        // Before the first statement, which would leave a log behind that cannot be written either.
        if connection.is_readonly("main").map_err(failed)? {
            let why = "this process may read it, but not write it";
            return Err(error::refused(
                StorageErrorKind::PermissionDenied,
                &self.path,
                why,
            ));
        }
        connection.busy_timeout(wait).map_err(failed)?;
        connection
            .execute_batch(CONNECTION_SETTINGS)
            .and_then(|()| connection.execute_batch(Synchronous::Full.statement()))
            .and_then(|()| self.log.watch(&mut connection))
            .map_err(failed)?;
        Ok(Open {
            connection,
            synchronous: Some(Synchronous::Full),
        })
    }

    fn give_back(&self, open: Option<Open>) {
        // A transaction that could not be rolled back must not reach the next caller.
        let reusable = open.filter(|open| open.connection.is_autocommit());
        let mut slots = self.slots();
        match reusable {
            Some(open) => slots.unused.push(open),
            None => slots.open -= 1,
        }
        let is_awaited = slots.waiting > 0;
        drop(slots);
        if is_awaited {
            self.returned.notify_one();
        }
    }

    /// A panic elsewhere leaves the slots whole.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all_in_use() -> StorageError {
    StorageError::new(
        StorageErrorKind::Busy,
        "all connections to the session database are in use",
    )
}

/// A connection that goes back to its pool on drop.
pub(crate) struct Pooled<'a> {
    open: Option<Open>,
    pool: &'a Pool,
}

impl Pooled<'_> {
    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("there until the drop")
    }
}

impl Deref for Pooled<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.open.as_ref().expect("there until the drop").connection
    }
}

impl DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.open().connection
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        self.pool.give_back(self.open.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(directory: &tempfile::TempDir) -> Pool {
        let path = directory.path().join("sessions.db");
        std::fs::write(&path, "").unwrap();
        Pool::new(path, Arc::default())
    }

    #[test]
    fn connections_are_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool(&directory);
        for _ in 0..100 {
            let _first = pool.take(Duration::ZERO).unwrap();
            let _second = pool.take(Duration::ZERO).unwrap();
        }
        assert_eq!(pool.slots().open, 2);
    }

    #[test]
    fn a_connection_writes_as_each_caller_wants() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool(&directory);
        let level = |connection: &Connection| -> i64 {
            let level = connection.query_row("PRAGMA synchronous", [], |row| row.get(0));
            level.unwrap()
        };
        for _ in 0..2 {
            let normal = pool.take_to_write(Duration::ZERO, Synchronous::Normal);
            assert_eq!(level(&normal.unwrap()), 1);
            let full = pool.take_to_write(Duration::ZERO, Synchronous::Full);
            assert_eq!(level(&full.unwrap()), 2);
        }
        assert_eq!(pool.slots().open, 1);
    }

    #[test]
    fn when_all_are_taken_the_next_waits_for_one() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool(&directory);
        let mut taken: Vec<_> = (0..MOST_CONNECTIONS)
            .map(|_| pool.take(Duration::ZERO).unwrap())
            .collect();

        let refused = pool.take(Duration::from_millis(10)).err().unwrap();
        assert_eq!(refused.kind(), StorageErrorKind::Busy);

        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.take(Duration::from_secs(60)).is_ok());
            taken.pop();
            assert!(waiting.join().unwrap());
        });
    }

    #[test]
    fn a_failed_connection_leaves_its_place_to_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let pool = Pool::new(directory.path().join("missing.db"), Arc::default());
        for _ in 0..=MOST_CONNECTIONS {
            let error = pool.take(Duration::ZERO).err().unwrap();
            assert_eq!(error.kind(), StorageErrorKind::PermissionDenied);
        }
        assert_eq!(pool.slots().open, 0);
    }

    #[test]
    fn a_connection_within_a_transaction_is_not_given_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool(&directory);
        pool.take(Duration::ZERO)
            .unwrap()
            .execute_batch("BEGIN")
            .unwrap();
        assert!(pool.take(Duration::ZERO).unwrap().is_autocommit());
    }

    #[test]
    fn every_connection_is_durable_and_overwrites_what_it_deletes() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool(&directory);
        let connection = pool.take(Duration::ZERO).unwrap();
        for (pragma, expected) in [
            ("synchronous", 2),
            ("secure_delete", 1),
            ("trusted_schema", 0),
            ("temp_store", 2),
        ] {
            let found: i64 = connection
                .pragma_query_value(None, pragma, |row| row.get(0))
                .unwrap();
            assert_eq!(found, expected, "{pragma}");
        }
    }
}
