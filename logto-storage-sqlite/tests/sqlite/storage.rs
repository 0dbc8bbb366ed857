//! One session.

use std::thread;

use logto_core::PersistKey::{AccessTokenMap, IdToken, RefreshToken, SignInSession};
use logto_core::{Change, PersistKey, SessionId, SessionStore, Storage, StorageErrorKind};

use crate::fixture::{Fixture, assert_value, builder, count};

#[test]
fn absent_is_none() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    for key in PersistKey::ALL {
        assert_value(&session, key, None);
    }
    session.set(IdToken, Some("a")).unwrap();
    assert_value(&session, RefreshToken, None);
}

#[test]
fn every_key_has_its_own_value_until_it_is_set_again() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    for key in PersistKey::ALL {
        session.set(key, Some("old")).unwrap();
        session.set(key, Some(key.as_str())).unwrap();
    }
    for key in PersistKey::ALL {
        assert_value(&session, key, Some(key.as_str()));
    }
}

#[test]
fn none_removes_and_removing_what_is_not_there_is_no_error() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, None).unwrap();
    session.set(IdToken, Some("a")).unwrap();
    session.set(RefreshToken, Some("b")).unwrap();
    session.set(IdToken, None).unwrap();
    session.set(IdToken, None).unwrap();
    assert_value(&session, IdToken, None);
    assert_value(&session, RefreshToken, Some("b"));
}

#[test]
fn any_unicode_comes_back_byte_for_byte() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    for value in [
        "",
        " ",
        "\0",
        "a\0b\0",
        "\u{feff}bom",
        "\r\n\t\u{7f}\u{85}",
        "'; DROP TABLE sessions; --",
        "\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}",
        "\u{10000}\u{10ffff}",
        "e\u{301} é 👩‍👩‍👧 \u{202e}",
        "0123",
        "1e5",
    ] {
        session.set(IdToken, Some(value)).unwrap();
        assert_value(&session, IdToken, Some(value));
    }
}

#[test]
fn a_mebibyte_comes_back() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    for unit in ["x", "\0", "ß", "\u{10ffff}"] {
        let value = unit.repeat((1 << 20) / unit.len());
        session.set(AccessTokenMap, Some(&value)).unwrap();
        assert_value(&session, AccessTokenMap, Some(&value));
    }
}

#[test]
fn every_handle_of_a_session_sees_its_values() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let before = fixture.store.session(&id);
    fixture
        .store
        .clone()
        .session(&id)
        .set(IdToken, Some("a"))
        .unwrap();
    assert_value(&before, IdToken, Some("a"));
    assert_value(
        &fixture.builder().open().unwrap().session(&id),
        IdToken,
        Some("a"),
    );
}

#[test]
fn values_are_there_after_reopening() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    fixture
        .store
        .session(&id)
        .set(RefreshToken, Some("a"))
        .unwrap();
    let (path, clock) = (fixture.path(), fixture.clock.clone());
    drop(fixture.store);
    let reopened = builder(&path, &clock).open().unwrap();
    assert_value(&reopened.session(&id), RefreshToken, Some("a"));
}

#[test]
fn an_update_sets_and_removes_together() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(SignInSession, Some("old")).unwrap();
    session
        .update(&[
            Change::set(RefreshToken, "r"),
            Change::remove(SignInSession),
            Change::set(IdToken, "i"),
        ])
        .unwrap();
    assert_value(&session, RefreshToken, Some("r"));
    assert_value(&session, IdToken, Some("i"));
    assert_value(&session, SignInSession, None);
}

#[test]
fn the_last_change_of_a_key_counts() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    let (set, remove) = (Change::set(IdToken, "a"), Change::remove(IdToken));
    session.update(&[set, remove]).unwrap();
    assert_value(&session, IdToken, None);
    session.update(&[remove, set]).unwrap();
    assert_value(&session, IdToken, Some("a"));
    session.update(&[set, Change::set(IdToken, "b")]).unwrap();
    assert_value(&session, IdToken, Some("b"));
}

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
            "CREATE TRIGGER fails BEFORE INSERT ON session_values WHEN new.key = 'idToken'
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
fn nobody_sees_half_an_update() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let (writer, reader) = (fixture.store.session(&id), fixture.store.session(&id));
    // Of two reads, the second may see a later update, but never an earlier one.
    let number = |key| {
        reader
            .get(key)
            .unwrap()
            .map_or(0, |text| text.parse::<u32>().unwrap())
    };
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for round in 1..=200_u32 {
                let text = round.to_string();
                let changes = [
                    Change::set(RefreshToken, &text),
                    Change::set(IdToken, &text),
                ];
                writer.update(&changes).unwrap();
            }
        });
        while !writing.is_finished() {
            let first = number(RefreshToken);
            assert!(number(IdToken) >= first);
            let first = number(IdToken);
            assert!(number(RefreshToken) >= first);
        }
    });
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
