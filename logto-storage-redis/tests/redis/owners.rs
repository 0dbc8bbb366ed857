//! The index: a session is in it before it has the owner, and longer than it lives.

use std::time::Duration;

use logto_core::{OwnerDigest, Storage as _};

use crate::fixture::{ISSUER, Place, any_key, owned, user};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn find_index_outlives_its_session() {
    for place in Place::both() {
        let storage = place.builder().idle_lifetime(DAY).open().unwrap();
        let session = any_key();
        storage.save(&session, &owned("Alice", "a"), None).unwrap();
        for digest in [
            user("Alice"),
            OwnerDigest::of_server_session(ISSUER, "a session"),
        ] {
            assert_eq!(place.indexed(&digest), 1);
            let left = place.left(&place.index_key(&digest));
            assert!(left > place.left(&place.key(&session)) + 60 * 60 * 1000);
        }
    }
}

#[test]
fn find_index_of_a_shorter_lifetime_is_extended() {
    for place in Place::both() {
        for lifetime in [DAY, Duration::MAX] {
            let short = place.builder().idle_lifetime(Duration::from_secs(60));
            let long = place.builder().idle_lifetime(lifetime).open().unwrap();
            let (short, session) = (short.open().unwrap(), any_key());
            short.save(&session, &owned("Alice", "a"), None).unwrap();
            long.load(&session).unwrap();
            let index = place.left(&place.index_key(&user("Alice")));
            let left = place.left(&place.key(&session));
            assert!(index == -1 || index > left, "{index} {left}");
            assert!(long.find(&user("Alice")).unwrap().contains(&session));
        }
    }
}

#[test]
fn find_drops_old_entries_of_another_owner() {
    for place in Place::both() {
        let (storage, session) = (place.store(), any_key());
        let record = owned("Alice", "a");
        storage.save(&session, &record, None).unwrap();
        let expected = Some(record.version());
        storage
            .save(&session, &owned("Bob", "b"), expected)
            .unwrap();
        assert!(storage.find(&user("Alice")).unwrap().is_empty());
        assert_eq!(place.indexed(&user("Alice")), 1, "young entries stay");
        let index = place.index_key(&user("Alice"));
        let script = "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
            redis.call('ZINCRBY', KEYS[1], -1200000, name) end";
        place.command(&index, &["EVAL", script, "1", &index]);
        assert!(storage.find(&user("Alice")).unwrap().is_empty());
        assert_eq!(place.indexed(&user("Alice")), 0);
        assert_eq!(storage.find(&user("Bob")).unwrap(), [session]);
    }
}
