//! The idle lifetime.

use std::time::Duration;

use logto_core::PersistKey::{IdToken, RefreshToken, SignInSession};
use logto_core::{Change, SessionId, SessionStore, Storage};

use crate::fixture::{Fixture, LIFETIME, assert_value, count};

#[test]
fn a_session_expires_on_read() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    fixture.clock.advance(LIFETIME + Duration::from_millis(1));
    assert_value(&session, IdToken, None);
}

#[test]
fn a_session_lives_for_its_whole_lifetime() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    fixture.clock.advance(LIFETIME);
    assert_value(&session, IdToken, Some("a"));
}

#[test]
fn a_session_that_is_read_or_written_lives_on() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    for _ in 0..3 {
        fixture.clock.advance(LIFETIME * 9 / 10);
        assert_value(&session, RefreshToken, None);
        fixture.clock.advance(LIFETIME * 9 / 10);
        session.set(SignInSession, Some("b")).unwrap();
    }
    assert_value(&session, IdToken, Some("a"));
}

#[test]
fn a_read_counts_all_but_a_twentieth_of_the_lifetime() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    for _ in 0..100 {
        fixture.clock.advance(LIFETIME / 70);
        assert_value(&session, IdToken, Some("a"));
    }
    fixture.clock.advance(LIFETIME - LIFETIME / 20);
    assert_value(&session, IdToken, Some("a"));
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
    fixture.clock.put_back(LIFETIME * 100);
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
fn an_endless_lifetime_is_endless() {
    let fixture = Fixture::new();
    let store = fixture
        .builder()
        .idle_lifetime(Duration::MAX)
        .open()
        .unwrap();
    let id = SessionId::random();
    store.session(&id).set(IdToken, Some("a")).unwrap();
    fixture
        .clock
        .advance(Duration::from_secs(1_000 * 365 * 24 * 60 * 60));
    assert_value(&store.session(&id), IdToken, Some("a"));
    assert_eq!(store.purge_expired().unwrap(), 0);
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
