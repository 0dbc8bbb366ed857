//! What must not be seen.

use std::fs;

use logto_core::{Record, SessionId, SessionOwner, Storage as _};

use crate::fixture::Scene;

#[test]
fn secrets_ids_and_users_are_in_no_file_and_their_digests_are() {
    let scene = Scene::new();
    let id = SessionId::random();
    let owner = SessionOwner::new(
        "https://foo.logto.app/oidc",
        "alice-of-foo",
        Some("the-sid"),
    );
    let record = Record::new(Some(owner), "{}");
    scene.storage.save(&id.key(), &record, None).unwrap();
    let bytes = all_bytes(&scene);
    assert!(contains(&bytes, &id.key().to_hex()));
    assert!(contains(&bytes, &owner.user().to_string()));
    for secret in [id.expose(), "alice-of-foo", "the-sid"] {
        assert!(!contains(&bytes, secret), "{secret}");
    }
}

#[test]
fn secrets_that_are_removed_are_overwritten() {
    let scene = Scene::new();
    let (changed, first) = scene.session("precious-1");
    let next = Record::new(None, "other");
    let saved = scene.storage.save(&changed, &next, Some(first.version()));
    saved.unwrap();
    let (removed, _) = scene.session("precious-2");
    scene.storage.remove(&removed).unwrap();
    // The last connection that closes copies the log into the database.
    let Scene {
        sqlite,
        clock,
        storage,
    } = scene;
    drop(storage);
    let bytes = fs::read(sqlite.path()).unwrap();
    assert!(!contains(&bytes, "precious"));
    drop((sqlite, clock));
}

#[test]
fn secrets_are_in_files_for_this_user_alone() {
    let scene = Scene::new();
    let (key, _) = scene.session("a");
    let _held = scene.storage.lock(&key, std::time::Duration::ZERO).unwrap();
    let mut names: Vec<_> = scene.files().collect();
    names.sort();
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap()).collect();
    let expected = [
        "sessions.db",
        "sessions.db-locks",
        "sessions.db-shm",
        "sessions.db-wal",
    ];
    assert_eq!(names, expected);
    #[cfg(unix)]
    for path in scene.files() {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = path.metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{path:?}");
    }
}

#[test]
fn debug_shows_where_the_sessions_are() {
    let scene = Scene::new();
    for shown in [
        format!("{:?}", scene.storage),
        format!("{:?}", scene.builder()),
    ] {
        assert!(shown.contains("sessions.db"), "{shown}");
    }
}

/// Of every file in the directory. SQLite's locks do not survive it: nothing may write afterwards.
fn all_bytes(scene: &Scene) -> Vec<u8> {
    let files = scene.files().filter(|path| path.is_file());
    files.flat_map(|path| fs::read(path).unwrap()).collect()
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}
