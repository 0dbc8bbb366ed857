//! What must not be seen.

use std::path::Path;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{SessionId, SessionStore, Storage};

use crate::fixture::Fixture;

#[test]
fn the_files_hold_the_digest_and_never_the_id() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    fixture.store.session(&id).set(IdToken, Some("a")).unwrap();
    let bytes = all_bytes(fixture.directory.path());
    assert!(contains(&bytes, &id.digest()));
    assert!(!contains(&bytes, id.expose().as_bytes()));
}

#[test]
fn what_is_removed_is_overwritten() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let (set, session) = (SessionId::random(), SessionId::random());
    fixture
        .store
        .session(&set)
        .set(RefreshToken, Some("precious-1"))
        .unwrap();
    fixture
        .store
        .session(&set)
        .set(RefreshToken, Some("other"))
        .unwrap();
    fixture
        .store
        .session(&session)
        .set(RefreshToken, Some("precious-2"))
        .unwrap();
    fixture.store.remove(&session).unwrap();
    drop(fixture.store);
    assert!(!contains(&all_bytes(directory.path()), b"precious"));
}

#[test]
fn debug_shows_where_the_sessions_are() {
    let fixture = Fixture::new();
    for shown in [
        format!("{:?}", fixture.store),
        format!("{:?}", fixture.builder()),
    ] {
        assert!(shown.contains("sessions.db"), "{shown}");
    }
}

/// Of every file in the directory. SQLite's locks do not survive it: nothing may write afterwards.
fn all_bytes(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap();
    files
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
