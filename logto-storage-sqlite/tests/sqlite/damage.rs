//! Rows that are damaged.

use logto_core::{
    Record, SessionId, SessionKey, SessionOwner, Storage as _, StorageErrorKind, Version,
};

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
        "user = NULL",
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
        let (free, whole) = (SessionId::random().key(), record_of(&scene, &other));
        for expected in [None, Some(next.version())] {
            for outcome in [
                scene.storage.save(&key, &new, expected),
                scene.storage.replace(&key, expected, &free, &new),
                scene.storage.replace(&other, Some(whole), &key, &new),
            ] {
                let kind = outcome.unwrap_err().kind();
                assert_eq!(kind, StorageErrorKind::Corrupt, "{damage}");
            }
        }
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

fn record_of(scene: &Scene, session: &SessionKey) -> Version {
    scene.storage.load(session).unwrap().unwrap().version()
}

#[test]
fn damaged_row_that_has_expired_is_absent() {
    let scene = Scene::new();
    let (key, _) = scene.session("a");
    let raw = scene.sqlite.raw();
    raw.execute("UPDATE sessions SET version = '', user = ''", [])
        .unwrap();
    scene.clock.advance(2 * LIFETIME);
    assert_eq!(scene.storage.load(&key).unwrap(), None);
    let record = Record::new(None, "b");
    scene.storage.save(&key, &record, None).unwrap();
    assert_eq!(scene.storage.load(&key).unwrap(), Some(record));
}

#[test]
fn damaged_key_stops_no_search() {
    let scene = Scene::new();
    let owner = SessionOwner::new("https://a", "alice", None);
    let mut keys: Vec<_> = (0..3).map(|_| SessionId::random().key()).collect();
    for key in &keys {
        let record = Record::new(Some(owner), "a");
        scene.storage.save(key, &record, None).unwrap();
    }
    // More than a page of them, before and behind the others.
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 700)
               INSERT INTO sessions (session, version, user, last_used, data)
               SELECT CAST(unhex(?1) || n AS TEXT), '', ?2, ?3, '' FROM n";
    let raw = scene.sqlite.raw();
    let last_used: i64 = raw
        .query_row("SELECT max(last_used) FROM sessions", [], |row| row.get(0))
        .unwrap();
    for prefix in ["20", "FF"] {
        let user = owner.user().to_string();
        raw.execute(sql, (prefix, user, last_used)).unwrap();
    }
    let mut visited = Vec::new();
    let visit = &mut |key: &_| {
        visited.push(*key);
        Ok(())
    };
    scene.storage.for_each(visit).unwrap();
    let mut found = scene.storage.find(&owner.user()).unwrap();
    keys.sort();
    found.sort();
    assert_eq!(visited, keys);
    assert_eq!(found, keys);
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
