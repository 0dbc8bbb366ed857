//! One session.

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, SessionId, SessionStore, Storage, StorageErrorKind};

use crate::fixture::{Fixture, assert_value, count};

#[test]
fn an_update_of_nothing_changes_nothing() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.update(&[]).unwrap();
    session.update(&[Change::remove(IdToken)]).unwrap();
    assert_eq!(count(&fixture.raw(), "sessions"), 0);
}

#[test]
fn an_update_that_fails_midway_has_changed_nothing() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(RefreshToken, Some("old")).unwrap();
    fixture
        .raw()
        .execute_batch(
            "CREATE TRIGGER fails BEFORE INSERT ON session_values WHEN new.row % 64 = 0
             BEGIN SELECT RAISE(FAIL, 'refused'); END",
        )
        .unwrap();

    let changes = [Change::set(RefreshToken, "new"), Change::set(IdToken, "i")];
    let error = session.update(&changes).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Backend);
    assert_value(&session, RefreshToken, Some("old"));
    assert_value(&session, IdToken, None);
}

#[test]
fn a_failed_read_is_an_error_and_not_absent() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    fixture
        .raw()
        .execute_batch("ALTER TABLE session_values RENAME TO lost")
        .unwrap();
    let error = session.get(IdToken).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Backend);
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_value_that_is_not_unicode_is_corrupt_and_not_shown() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    let sql = "UPDATE session_values SET value = CAST(x'736563726574ff' AS TEXT)";
    fixture.raw().execute(sql, []).unwrap();
    let error = session.get(IdToken).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
    assert!(!format!("{error} {error:?}").contains("secret"));
}
