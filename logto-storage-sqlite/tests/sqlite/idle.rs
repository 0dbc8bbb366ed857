//! The idle lifetime.

use std::time::Duration;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, SessionId, SessionStore, Storage};

use crate::fixture::{Fixture, LIFETIME, assert_value, count};

#[test]
fn the_lifetime_is_kept_to_the_millisecond() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    fixture.clock.advance(LIFETIME);
    assert_value(&session, IdToken, Some("a"));
    fixture.clock.advance(LIFETIME + Duration::from_millis(1));
    assert_value(&session, IdToken, None);
}

#[test]
fn reads_seldom_write() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    let raw = fixture.raw();
    let changes = || -> i64 {
        raw.query_row("PRAGMA data_version", [], |row| row.get(0))
            .unwrap()
    };
    let before = changes();
    for _ in 0..50 {
        fixture.clock.advance(LIFETIME / 1_000);
        assert_value(&session, IdToken, Some("a"));
    }
    assert_eq!(changes(), before);
    fixture.clock.advance(LIFETIME / 1_000);
    assert_value(&session, IdToken, Some("a"));
    assert_ne!(changes(), before);
}

#[test]
fn a_clock_that_was_put_back_does_not_prolong_a_session() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    fixture.clock.advance(LIFETIME * 100);
    session.set(IdToken, Some("a")).unwrap();
    fixture.clock.rewind(LIFETIME * 100);
    assert_value(&session, IdToken, Some("a"));
    fixture.clock.advance(LIFETIME + Duration::from_secs(1));
    assert_value(&session, IdToken, None);
}

#[test]
fn what_a_session_held_does_not_come_back_when_it_is_written_anew() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(RefreshToken, Some("old")).unwrap();
    fixture.clock.advance(LIFETIME + Duration::from_secs(1));
    session.set(IdToken, Some("new")).unwrap();
    assert_value(&session, RefreshToken, None);
    assert_value(&session, IdToken, Some("new"));
    assert_eq!(count(&fixture.raw(), "session_values"), 1);
}

#[test]
fn a_purge_counts_and_frees_what_has_expired() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    for _ in 0..3 {
        let changes = [Change::set(IdToken, "i"), Change::set(RefreshToken, "r")];
        store
            .session(&SessionId::random())
            .update(&changes)
            .unwrap();
    }
    fixture.clock.advance(LIFETIME);
    let live = SessionId::random();
    store.session(&live).set(IdToken, Some("a")).unwrap();
    assert_eq!(store.purge_expired().unwrap(), 0);

    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(store.purge_expired().unwrap(), 3);
    assert_eq!(store.purge_expired().unwrap(), 0);
    assert_value(&store.session(&live), IdToken, Some("a"));
    assert_eq!(count(&fixture.raw(), "session_values"), 1);
}
