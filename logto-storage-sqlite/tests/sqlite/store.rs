//! Many sessions.

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, SessionId, SessionStore, Storage};
use logto_storage_sqlite::SqliteStore;

use crate::fixture::{Fixture, assert_value, count};

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
fn nothing_is_left_of_a_removed_session() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let changes = [Change::set(IdToken, "i"), Change::set(RefreshToken, "r")];
    fixture.store.session(&id).update(&changes).unwrap();
    fixture.store.remove(&id).unwrap();
    assert_eq!(count(&fixture.raw(), "sessions"), 0);
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

#[test]
fn each_session_is_visited_once_and_in_order_wherever_a_page_ends() {
    let fixture = Fixture::new();
    let mut digests = Vec::new();
    for sessions in 0..=513 {
        if [0, 1, 255, 256, 257, 512, 513].contains(&sessions) {
            digests.sort_unstable();
            assert_eq!(visited(&fixture.store), digests);
        }
        let id = SessionId::random();
        let session = fixture.store.session(&id);
        session.set(IdToken, Some("i")).unwrap();
        digests.push(id.digest());
    }
}

fn visited(store: &SqliteStore) -> Vec<[u8; 32]> {
    let mut digests = Vec::new();
    let visited = store.for_each_session(&mut |found| {
        digests.push(found.digest());
        Ok(())
    });
    visited.unwrap();
    digests
}
