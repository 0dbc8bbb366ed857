//! Rows that are damaged.

use logto_core::{Record, SessionOwner, Storage as _, StorageErrorKind};

use crate::fixture::{LIFETIME, Scene};

#[test]
fn damaged_row_is_corrupt_and_not_overwritten_and_can_be_removed() {
    for damage in [
        "version = ''",
        "version = 'x'",
        "version = '+' || substr(version, 2)",
        "version = substr(version, 2)",
        "user = 'x'",
        "user = ''",
        "server_session = CAST(x'ff' AS TEXT)",
        "data = CAST(x'ff' AS TEXT)",
    ] {
        let scene = Scene::new();
        let (other, _) = scene.session("whole");
        let (key, record) = scene.session("a");
        let owner = SessionOwner::new("https://a", "alice", Some("s"));
        let next = Record::new(Some(owner), "b");
        let saved = scene.storage.save(&key, &next, Some(record.version()));
        saved.unwrap();
        let sql = format!("UPDATE sessions SET {damage} WHERE session = ?1");
        let raw = scene.sqlite.raw();
        assert_eq!(raw.execute(&sql, [key.to_hex()]).unwrap(), 1);

        let error = scene.storage.load(&key).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{damage}");
        let new = Record::new(None, "new");
        let error = scene.storage.save(&key, &new, None).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Conflict, "{damage}");
        scene.storage.find(&owner.user()).unwrap();
        let mut visited = Vec::new();
        let visit = &mut |session: &_| {
            visited.push(*session);
            Ok(())
        };
        scene.storage.for_each(visit).unwrap();
        assert!(visited.contains(&key) && visited.contains(&other));
        assert!(scene.storage.load(&key).is_err(), "it stays what it is");

        scene.storage.remove(&key).unwrap();
        assert_eq!(scene.storage.load(&key).unwrap(), None);
        scene.storage.save(&key, &new, None).unwrap();
    }
}

#[test]
fn damaged_row_stops_no_purge() {
    let scene = Scene::new();
    (0..3).for_each(|_| _ = scene.session("a"));
    let raw = scene.sqlite.raw();
    raw.execute("UPDATE sessions SET version = '', user = ''", [])
        .unwrap();
    scene.clock.advance(2 * LIFETIME);
    assert_eq!(scene.storage.purge_expired().unwrap(), 3);
}
