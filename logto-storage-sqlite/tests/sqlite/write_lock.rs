//! Sole use of a session for one write, which finds out whether another process came between.
//!
//! What a second store writes without a lock stands for what another process does.

use std::time::Duration;

use logto_core::PersistKey::{AccessTokenMap, IdToken};
use logto_core::{Change, SessionId, SessionStore, Storage, StorageError, StorageErrorKind};
use logto_storage_sqlite::SqliteStore;

use crate::fixture::{Fixture, LIFETIME, assert_value, count};

const CHANGE: Change<'_> = Change::set(IdToken, "ours");

/// Reads the session, then lets `others` do something, and then writes.
fn write_after(
    fixture: &Fixture,
    id: &SessionId,
    others: impl FnOnce(&SqliteStore),
) -> Result<(), StorageError> {
    let session = fixture.store.session(id);
    let lock = session.lock_to_write(Duration::ZERO)?;
    session.get(IdToken)?;
    assert_eq!(count(&fixture.raw(), "leases"), 0);
    others(&fixture.builder().open()?);
    lock.last_write(|| session.update(&[CHANGE]))
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
    let other = fixture.builder().open().unwrap();
    other.session(&id).set(IdToken, Some("theirs")).unwrap();
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
fn only_the_write_of_the_holder_is_held_to_what_was_there() {
    let fixture = Fixture::new();
    let id = session_with_a_value(&fixture);
    let session = fixture.store.session(&id);
    let lock = session.lock_to_write(Duration::ZERO).unwrap();
    fixture.store.session(&id).update(&[CHANGE]).unwrap();
    assert_conflict(lock.last_write(|| {
        let elsewhere = || session.update(&[Change::set(IdToken, "another thread's")]);
        std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap()).unwrap();
        session.update(&[CHANGE])
    }));
    assert_value(&session, IdToken, Some("another thread's"));
    drop(lock);
    session.update(&[CHANGE]).unwrap();
}
