//! Sole use of a session.

use std::thread;
use std::time::Duration;

use logto_core::PersistKey::IdToken;
use logto_core::{SessionId, SessionStore, Storage, StorageErrorKind};
use logto_storage_sqlite::SqliteStore;

use crate::fixture::{Fixture, assert_value};

#[test]
fn a_session_is_locked_once_and_others_do_not_wait() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    let held = session.lock(Duration::ZERO).unwrap();
    assert!(held.is_exclusive());

    let again = fixture.store.clone().session(&id);
    let error = again.lock(Duration::from_millis(10)).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Busy);
    assert!(
        fixture
            .store
            .session(&SessionId::random())
            .lock(Duration::ZERO)
            .is_ok()
    );

    drop(held);
    assert!(again.lock(Duration::ZERO).is_ok());
}

#[test]
fn reads_and_writes_need_no_lock() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    let _held = session.lock(Duration::ZERO).unwrap();
    session.set(IdToken, Some("a")).unwrap();
    assert_value(&session, IdToken, Some("a"));
}

#[test]
fn two_stores_over_one_file_exclude_each_other() {
    let fixture = Fixture::new();
    let roundabout = fixture.directory.path().join(".").join("sessions.db");
    let other = SqliteStore::open(roundabout).unwrap();
    let id = SessionId::random();
    let (here, there) = (fixture.store.session(&id), other.session(&id));
    let held = here.lock(Duration::ZERO).unwrap();
    assert!(there.lock(Duration::ZERO).is_err());
    drop(held);
    assert!(there.lock(Duration::ZERO).is_ok());
}

#[test]
fn the_lock_is_released_when_its_holder_panics() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    let died = thread::spawn(move || {
        let _held = session.lock(Duration::ZERO).unwrap();
        panic!("on purpose");
    });
    assert!(died.join().is_err());
    assert!(fixture.store.session(&id).lock(Duration::ZERO).is_ok());
}
