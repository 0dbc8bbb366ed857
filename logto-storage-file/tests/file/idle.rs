//! The last use of a session, in its file.

use std::fs;
use std::time::Duration;

use logto_core::PersistKey::IdToken;
use logto_core::{SessionStore, Storage, StorageErrorKind};
use logto_storage_file::FileStorage;

use crate::fixture::{Fixture, LIFETIME, id, key};

#[test]
fn reads_seldom_write() {
    let fixture = Fixture::new();
    let (session, path) = (fixture.store.session(&id(0)), fixture.file(&id(0)));
    session.set(IdToken, Some("a")).unwrap();
    let before = fs::read(&path).unwrap();
    for _ in 0..50 {
        fixture.clock.advance(LIFETIME / 1_000);
        assert!(session.get(IdToken).unwrap().is_some());
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    fixture.clock.advance(LIFETIME / 1_000);
    assert!(session.get(IdToken).unwrap().is_some());
    assert_ne!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_read_that_cannot_be_noted_is_a_read() {
    let fixture = Fixture::new();
    let (session, path) = (fixture.store.session(&id(0)), fixture.file(&id(0)));
    session.set(IdToken, Some("a")).unwrap();
    let before = fs::read(&path).unwrap();
    fixture.clock.advance(LIFETIME / 2);
    let turn = fixture.take_turn(&id(0));
    assert!(session.get(IdToken).unwrap().is_some());
    assert_eq!(fs::read(&path).unwrap(), before);
    drop(turn);
    assert!(session.get(IdToken).unwrap().is_some());
    assert_ne!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_expired_session_is_removed_by_a_purge_and_a_lock_file_stays() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&id(0));
    drop(session.lock(Duration::ZERO).unwrap());
    session.set(IdToken, Some("a")).unwrap();
    fixture.clock.advance(LIFETIME + Duration::from_millis(1));
    assert!(session.get(IdToken).unwrap().is_none());
    assert!(fixture.file(&id(0)).exists());
    assert_eq!(fixture.store.purge_expired().unwrap(), 1);
    assert!(!fixture.file(&id(0)).exists());
    let lock = fixture.file(&id(0)).with_extension("lock");
    assert!(lock.exists());
}

#[test]
fn a_session_without_values_has_no_file() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&id(0));
    session.set(IdToken, Some("a")).unwrap();
    session.set(IdToken, None).unwrap();
    assert!(!fixture.file(&id(0)).exists());
    session.set(IdToken, None).unwrap();
    assert!(!fixture.file(&id(0)).exists());
}

#[test]
fn a_write_that_waits_in_vain_is_busy() {
    let fixture = Fixture::new();
    let builder = fixture.builder().busy_timeout(Duration::from_millis(50));
    let session = builder.open().unwrap().session(&id(0));
    let turn = fixture.take_turn(&id(0));
    let error = session.set(IdToken, Some("a")).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Busy);
    assert!(error.is_retryable());
    drop(turn);
    session.set(IdToken, Some("a")).unwrap();
}

#[test]
fn one_file_never_expires_and_its_reads_never_write() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("session");
    let storage = FileStorage::open(&path, key()).unwrap();
    storage.set(IdToken, Some("a")).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(storage.get(IdToken).unwrap().is_some());
    assert_eq!(fs::read(&path).unwrap(), before);
}
