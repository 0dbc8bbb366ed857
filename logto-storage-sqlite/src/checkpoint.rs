//! When the write-ahead log is copied into the database.
//!
//! SQLite does it within a commit. Here it is done after one, when others may write again, because the
//! disk takes a while for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

/// As SQLite does by default.
pub(crate) const PAGES: i32 = 1_000;

/// Writers that never pause keep the log from being started over, unless they wait for once.
pub(crate) const MOST_PAGES: i32 = 8 * PAGES;

/// The log as this process last saw it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pages: Arc<AtomicI32>,
    /// How many it had at the last checkpoint.
    copied: AtomicI32,
    is_being_copied: AtomicBool,
}

impl Log {
    /// Learns from the commits of this connection how long the log is. From then on they do not copy it.
    pub(crate) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let pages = Arc::clone(&self.pages);
        connection.wal_hook(Some(move |_: &mut Wal, length| {
            pages.store(length, Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Whether it is to be copied: it has grown since the last time, or is too long.
    pub(crate) fn is_due(&self) -> bool {
        self.has_grown_by(PAGES) || self.is_as_long_as(MOST_PAGES)
    }

    /// Since it was copied.
    pub(crate) fn has_grown_by(&self, new: i32) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        let copied = self.copied.load(Ordering::Relaxed);
        // A shorter log was started over.
        match pages < copied {
            true => pages >= new,
            false => pages - copied >= new,
        }
    }

    pub(crate) fn is_as_long_as(&self, pages: i32) -> bool {
        self.pages.load(Ordering::Relaxed) >= pages
    }

    /// The right to copy, until it is dropped; `None` if another thread has it.
    pub(crate) fn copier(&self) -> Option<Copier<'_>> {
        match self.is_being_copied.swap(true, Ordering::Acquire) {
            true => None,
            false => Some(Copier(self)),
        }
    }
}

/// The only thread that copies the log.
pub(crate) struct Copier<'a>(&'a Log);

impl Copier<'_> {
    /// Copies as much as no reader still needs where it is.
    pub(crate) fn copy(&self, connection: &Connection) {
        let log = self.0;
        log.copied
            .store(log.pages.load(Ordering::Relaxed), Ordering::Relaxed);
        let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = copied {
            log::debug!("the log of the session database is copied later: {error}");
        }
    }
}

impl Drop for Copier<'_> {
    fn drop(&mut self) {
        self.0.is_being_copied.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use logto_core::{PersistKey, SessionId, SessionStore as _};

    use super::*;
    use crate::SqliteStore;

    fn log(pages: i32, copied: i32) -> Log {
        let log = Log::default();
        log.pages.store(pages, Ordering::Relaxed);
        log.copied.store(copied, Ordering::Relaxed);
        log
    }

    #[test]
    fn a_log_is_copied_a_thousand_pages_after_the_last_time() {
        assert!(!log(999, 0).is_due());
        assert!(log(1_000, 0).is_due());
        assert!(!log(2_500, 1_600).is_due());
        assert!(log(2_600, 1_600).is_due());
    }

    #[test]
    fn a_log_that_was_started_over_counts_anew() {
        assert!(!log(10, 1_600).is_due());
        assert!(log(1_000, 1_600).is_due());
        assert!(log(8_000, 7_900).is_due());
    }

    #[test]
    fn a_log_does_not_grow_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.db");
        let store = SqliteStore::open(&path).unwrap();
        let session = store.session(&SessionId::random());
        let page = 4_096;
        // Thrice as many pages as a log may have.
        for n in 0..3 * MOST_PAGES / 100 {
            let value = n.to_string().repeat(100 * page / n.to_string().len());
            session.set(PersistKey::IdToken, Some(&value)).unwrap();
        }
        let log = fs::metadata(directory.path().join("sessions.db-wal")).unwrap();
        let longest = (2 * MOST_PAGES) as u64 * page as u64;
        assert!(log.len() < longest, "{}", log.len());
        let database = fs::metadata(&path).unwrap();
        assert!(database.len() > 100 * page as u64, "{}", database.len());
    }
}
