//! Sole use of a session for one write, which finds out whether another process came between.
//!
//! What another thread writes without a lock stands for what another process does.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use logto_core::PersistKey::{AccessTokenMap, IdToken};
use logto_core::{
    Change, PersistKey, SessionId, SessionStore, Storage, StorageError, StorageErrorKind,
    StorageLock,
};
use logto_storage_sqlite::SqliteStore;

use crate::fixture::{Fixture, LIFETIME, assert_value, count};

const CHANGE: Change<'_> = Change::set(IdToken, "ours");

/// Reads the session, then lets `others` do something, and then writes.
fn write_after(
    fixture: &Fixture,
    id: &SessionId,
    others: impl FnOnce(&SqliteStore) + Send,
) -> Result<(), StorageError> {
    let session = fixture.store.session(id);
    let lock = session.lock_to_write(Duration::ZERO)?;
    session.get(IdToken)?;
    assert_eq!(count(&fixture.raw(), "leases"), 0);
    elsewhere(fixture, others);
    lock.last_write(|| session.update(&[CHANGE]))
}

fn elsewhere(fixture: &Fixture, others: impl FnOnce(&SqliteStore) + Send) {
    let store = fixture.builder().open().unwrap();
    thread::scope(|scope| scope.spawn(|| others(&store)).join().unwrap());
}

#[track_caller]
fn assert_conflict(outcome: Result<(), StorageError>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Conflict);
    assert!(error.is_retryable());
}

fn session_with_a_value(fixture: &Fixture) -> SessionId {
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    session.set(AccessTokenMap, Some("before")).unwrap();
    id
}

#[test]
fn what_another_process_has_changed_is_not_written_over() {
    type Others = fn(&SqliteStore, &SessionId);
    let others: [Others; 6] = [
        |store, id| store.session(id).set(IdToken, Some("theirs")).unwrap(),
        |store, id| store.session(id).set(AccessTokenMap, None).unwrap(),
        |store, id| store.rename(id, &SessionId::random()).unwrap(),
        |store, id| store.replace(id, &SessionId::random(), &[CHANGE]).unwrap(),
        |store, id| store.replace(id, id, &[CHANGE]).unwrap(),
        |store, id| {
            store.remove(id).unwrap();
            let again = store.session(id);
            again.set(AccessTokenMap, Some("before")).unwrap();
        },
    ];
    for (n, others) in others.into_iter().enumerate() {
        let fixture = Fixture::new();
        let id = session_with_a_value(&fixture);
        let mut theirs = None;
        let look = |store: &SqliteStore| {
            [IdToken, AccessTokenMap].map(|key| store.session(&id).get(key).unwrap())
        };
        assert_conflict(write_after(&fixture, &id, |store| {
            others(store, &id);
            theirs = Some(look(store));
        }));
        assert_eq!(Some(look(&fixture.store)), theirs, "{n}");
        // The conflict ended with the lock.
        write_after(&fixture, &id, |_| ()).unwrap();
    }
}

#[test]
fn a_session_that_another_process_has_made_is_not_written_over() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    assert_conflict(write_after(&fixture, &id, |store| {
        store.session(&id).set(IdToken, Some("theirs")).unwrap();
    }));
    assert_value(&fixture.store.session(&id), IdToken, Some("theirs"));
}

#[test]
fn a_replacement_is_in_conflict_with_changes_of_what_it_replaces() {
    let fixture = Fixture::new();
    let (id, new_id) = (session_with_a_value(&fixture), SessionId::random());
    let session = fixture.store.session(&id);
    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    elsewhere(&fixture, |store| {
        store.session(&id).set(IdToken, Some("theirs")).unwrap();
    });
    assert_conflict(lock.last_write(|| fixture.store.replace(&id, &new_id, &[CHANGE])));
    assert_value(&session, IdToken, Some("theirs"));
    assert_value(&fixture.store.session(&new_id), IdToken, None);
}

#[test]
fn a_session_that_another_process_has_locked_is_not_written() {
    let fixture = Fixture::new();
    let id = session_with_a_value(&fixture);
    assert_conflict(write_after(&fixture, &id, |_| {
        fixture.lease_to_another_process(&id, Duration::from_secs(60));
    }));
    assert_value(&fixture.store.session(&id), IdToken, None);

    let locked = fixture.store.session(&id);
    let error = locked.lock_to_write(Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Busy);
}

#[test]
fn what_is_no_change_of_the_session_is_no_conflict() {
    let fixture = Fixture::new();
    let id = session_with_a_value(&fixture);
    write_after(&fixture, &id, |store| {
        session_with_a_value(&fixture);
        // Noted as use.
        fixture.clock.advance(LIFETIME / 2);
        assert_value(&store.session(&id), AccessTokenMap, Some("before"));
        store.purge_expired().unwrap();
    })
    .unwrap();
    assert_value(&fixture.store.session(&id), IdToken, Some("ours"));
}

#[test]
fn a_session_that_has_expired_is_made_anew() {
    let fixture = Fixture::new();
    let id = session_with_a_value(&fixture);
    fixture.clock.advance(LIFETIME + Duration::from_secs(1));
    write_after(&fixture, &id, |_| ()).unwrap();
    assert_value(&fixture.store.session(&id), IdToken, Some("ours"));
    assert_value(&fixture.store.session(&id), AccessTokenMap, None);
}

#[test]
fn only_writes_of_the_holder_are_held_to_what_was_there() {
    let fixture = Fixture::new();
    let id = session_with_a_value(&fixture);
    let session = fixture.store.session(&id);
    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    for value in ["1", "2"] {
        elsewhere(&fixture, |store| {
            store.session(&id).set(IdToken, Some(value)).unwrap();
        });
    }
    let another = fixture.store.session(&SessionId::random());
    another.update(&[CHANGE]).unwrap();
    assert_conflict(session.set(IdToken, None));
    assert_conflict(lock.last_write(|| session.update(&[CHANGE])));
    assert_value(&session, IdToken, Some("2"));
    drop(lock);
    session.update(&[CHANGE]).unwrap();
}

#[test]
fn the_holder_is_not_in_conflict_with_itself() {
    let fixture = Fixture::new();
    let (id, new_id) = (session_with_a_value(&fixture), SessionId::random());
    let session = fixture.store.session(&id);
    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    session.set(IdToken, Some("1")).unwrap();
    lock.last_write(|| session.update(&[CHANGE])).unwrap();
    lock.last_write(|| session.update_unsynced(&[CHANGE]))
        .unwrap();
    fixture.store.rename(&id, &new_id).unwrap();
    fixture.store.remove(&id).unwrap();
    session.update(&[CHANGE]).unwrap();
    fixture.store.replace(&id, &id, &[CHANGE]).unwrap();
}

#[test]
fn a_last_write_within_another_is_held_to_what_was_there() {
    let fixture = Fixture::new();
    let id = session_with_a_value(&fixture);
    let session = fixture.store.session(&id);
    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    elsewhere(&fixture, |store| store.remove(&id).unwrap());
    assert_conflict(lock.last_write(|| {
        lock.last_write(|| ());
        session.update(&[CHANGE])
    }));
}

/// A wrapper with what a store must have, and no more.
#[derive(Debug)]
struct Minimal(SqliteStore);

impl SessionStore for Minimal {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.0.session(id)
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        self.0.rename(from, to)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.0.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.0.purge_expired()
    }
}

/// A wrapper that hands on the locks, the second one as a lock of its own, and makes an update by several
/// writes.
#[derive(Debug)]
struct Split(Arc<dyn Storage>);

impl Storage for Split {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.0.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.0.set(key, value)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.0.lock(timeout)
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.0.lock_to_write(timeout).map(StorageLock::new)
    }
}

#[test]
fn a_replacement_by_a_wrapper_in_two_steps_is_in_conflict_too() {
    let fixture = Fixture::new();
    let (id, new_id) = (session_with_a_value(&fixture), SessionId::random());
    let store = Minimal(fixture.store.clone());
    let session = store.session(&id);
    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    elsewhere(&fixture, |store| store.remove(&id).unwrap());
    assert_conflict(lock.last_write(|| store.replace(&id, &new_id, &[CHANGE])));
    assert_value(&fixture.store.session(&new_id), IdToken, None);
}

#[test]
fn a_write_by_a_wrapper_in_several_steps_is_in_conflict_too() {
    let fixture = Fixture::new();
    let id = session_with_a_value(&fixture);
    let session = Split(fixture.store.session(&id));
    let both = [CHANGE, Change::set(AccessTokenMap, "ours")];
    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    elsewhere(&fixture, |store| {
        store.session(&id).set(IdToken, Some("theirs")).unwrap();
    });
    assert_conflict(lock.last_write(|| session.update(&both)));
    assert_value(&session, IdToken, Some("theirs"));
    drop(lock);

    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    lock.last_write(|| session.update(&both)).unwrap();
    assert_value(&session, IdToken, Some("ours"));
    assert_value(&session, AccessTokenMap, Some("ours"));
}
