//! Freeing the space of expired sessions, a few at a time, so that nobody waits long for a turn to
//! write.

use std::thread;
use std::time::{Duration, Instant};

use logto_core::StorageError;

use crate::database::{Database, Writes};
use crate::store::{PAGE, is_older, remove};

/// For how long a step keeps others from writing, and the session longer that it is about to remove.
const STEP: Duration = Duration::from_millis(10);

const MOST_AT_ONCE: usize = 64;

/// Between two steps others write for as long as a step took, and at most for so long.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Removes all sessions that were last used before `oldest`, and returns how many.
pub(crate) fn purge_expired(database: &Database, oldest: i64) -> Result<u64, StorageError> {
    let mut purged = 0;
    let mut behind = Vec::new();
    loop {
        let page = database.page(&behind, PAGE, |record| is_older(record, oldest))?;
        let mut left = &page.names[..];
        while !left.is_empty() {
            let begun = Instant::now();
            let step = step(database, left, oldest)?;
            purged += step.removed;
            left = &left[step.done..];
            thread::sleep(begun.elapsed().min(LONGEST_PAUSE));
        }
        match page.last {
            Some(last) => behind = last.to_vec(),
            None => break,
        }
    }
    if purged > 0 {
        database.sync()?;
    }
    Ok(purged)
}

struct Step {
    /// How many of the sessions were looked at.
    done: usize,
    removed: u64,
}

/// Removes those of the first ones that nobody has used meanwhile. Each by itself: a transaction holds up
/// all readers of the process.
fn step(database: &Database, sessions: &[[u8; 32]], oldest: i64) -> Result<Step, StorageError> {
    let _turn = database.writer();
    let begun = Instant::now();
    let mut step = Step {
        done: 0,
        removed: 0,
    };
    for session in sessions.iter().take(MOST_AT_ONCE) {
        if step.done > 0 && begun.elapsed() > STEP {
            break;
        }
        let stored = database.record(session)?;
        if stored.is_some_and(|record| is_older(&record, oldest)) {
            let mut writes = Writes::default();
            remove(database, session, &mut writes)?;
            database.write(&writes)?;
            step.removed += 1;
        }
        step.done += 1;
    }
    Ok(step)
}

#[cfg(test)]
mod tests {
    use logto_core::{Change, PersistKey, SessionId, SessionStore as _};

    use super::*;
    use crate::SledStore;

    #[test]
    fn a_step_removes_few_sessions_and_only_those_that_have_expired() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let store = SledStore::open(&path).unwrap();
        let database = Database::open(&path).unwrap();
        let ids: Vec<_> = (0..=MOST_AT_ONCE).map(|_| SessionId::random()).collect();
        for id in &ids {
            let session = store.session(id);
            session
                .update_unsynced(&[Change::set(PersistKey::IdToken, "a")])
                .unwrap();
        }
        let names: Vec<_> = ids.iter().map(SessionId::digest).collect();

        assert_eq!(step(&database, &names, 0).unwrap().removed, 0);
        let step = step(&database, &names, i64::MAX).unwrap();
        assert!((1..=MOST_AT_ONCE).contains(&step.done));
        assert_eq!(step.removed, step.done as u64);
        assert_eq!(
            purge_expired(&database, i64::MAX).unwrap(),
            ids.len() as u64 - step.removed
        );
        assert_eq!(purge_expired(&database, i64::MAX).unwrap(), 0);
    }
}
