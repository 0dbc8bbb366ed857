//! Many sessions.

use std::time::Duration;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, PersistKey, SessionId, SessionStore, Storage};
use logto_storage_sqlite::SqliteStore;

use crate::fixture::{Fixture, LIFETIME, assert_value, count};

#[test]
fn sessions_do_not_see_each_other() {
    let fixture = Fixture::new();
    let (alice, bob) = (SessionId::random(), SessionId::random());
    fixture
        .store
        .session(&alice)
        .set(IdToken, Some("alice"))
        .unwrap();
    assert_value(&fixture.store.session(&bob), IdToken, None);
    fixture
        .store
        .session(&bob)
        .set(IdToken, Some("bob"))
        .unwrap();
    fixture.store.remove(&bob).unwrap();
    assert_value(&fixture.store.session(&alice), IdToken, Some("alice"));
    assert_value(&fixture.store.default_session(), IdToken, None);
}

#[test]
fn a_renamed_session_is_under_its_new_id_only() {
    let fixture = Fixture::new();
    let (from, to) = (SessionId::random(), SessionId::random());
    let changes = [Change::set(IdToken, "i"), Change::set(RefreshToken, "r")];
    fixture.store.session(&from).update(&changes).unwrap();
    fixture.store.rename(&from, &to).unwrap();
    assert_value(&fixture.store.session(&from), IdToken, None);
    assert_value(&fixture.store.session(&to), IdToken, Some("i"));
    assert_value(&fixture.store.session(&to), RefreshToken, Some("r"));
}

#[test]
fn a_rename_replaces_all_that_was_there() {
    let fixture = Fixture::new();
    let (from, to) = (SessionId::random(), SessionId::random());
    fixture
        .store
        .session(&from)
        .set(IdToken, Some("new"))
        .unwrap();
    fixture
        .store
        .session(&to)
        .set(RefreshToken, Some("old"))
        .unwrap();
    fixture.store.rename(&from, &to).unwrap();
    assert_value(&fixture.store.session(&to), IdToken, Some("new"));
    assert_value(&fixture.store.session(&to), RefreshToken, None);
    assert_eq!(count(&fixture.raw(), "sessions"), 1);
    assert_eq!(count(&fixture.raw(), "session_values"), 1);
}

#[test]
fn a_rename_from_nothing_changes_nothing() {
    let fixture = Fixture::new();
    let (from, to) = (SessionId::random(), SessionId::random());
    fixture.store.session(&to).set(IdToken, Some("a")).unwrap();
    fixture.store.rename(&from, &to).unwrap();
    assert_value(&fixture.store.session(&to), IdToken, Some("a"));
}

#[test]
fn a_rename_to_itself_loses_nothing() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    fixture.store.session(&id).set(IdToken, Some("a")).unwrap();
    fixture.store.rename(&id, &id).unwrap();
    assert_value(&fixture.store.session(&id), IdToken, Some("a"));
}

#[test]
fn an_expired_session_is_not_renamed_back_to_life() {
    let fixture = Fixture::new();
    let (from, to) = (SessionId::random(), SessionId::random());
    fixture
        .store
        .session(&from)
        .set(IdToken, Some("expired"))
        .unwrap();
    fixture.clock.advance(LIFETIME + Duration::from_secs(1));
    fixture.store.session(&to).set(IdToken, Some("a")).unwrap();
    fixture.store.rename(&from, &to).unwrap();
    assert_value(&fixture.store.session(&to), IdToken, Some("a"));
    assert_value(&fixture.store.session(&from), IdToken, None);
}

#[test]
fn a_removed_session_is_gone_with_all_its_values() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let changes = [Change::set(IdToken, "i"), Change::set(RefreshToken, "r")];
    fixture.store.session(&id).update(&changes).unwrap();
    fixture.store.remove(&id).unwrap();
    fixture.store.remove(&id).unwrap();
    for key in PersistKey::ALL {
        assert_value(&fixture.store.session(&id), key, None);
    }
    assert_eq!(count(&fixture.raw(), "session_values"), 0);
}

#[test]
fn a_session_without_values_takes_no_space() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    session.set(IdToken, None).unwrap();
    assert_eq!(count(&fixture.raw(), "sessions"), 0);
}

#[test]
fn a_store_is_send_sync_and_cheaply_cloned() {
    fn assert_shareable<T: Send + Sync + Clone + 'static>() {}
    assert_shareable::<SqliteStore>();
    assert_eq!(size_of::<SqliteStore>(), size_of::<usize>());
}

#[test]
fn a_clone_outlives_the_store_it_came_from() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    let clone = fixture.store.clone();
    drop(fixture.store);
    session.set(IdToken, Some("a")).unwrap();
    assert_value(&clone.session(&id), IdToken, Some("a"));
}
