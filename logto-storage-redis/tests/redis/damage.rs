//! Keys that hold something else: an error, never overwritten, and removable.

use logto_core::StorageErrorKind::Corrupt;
use logto_core::{SessionKey, Storage as _};
use logto_testing::TestClock;

use crate::fixture::{Place, any_key, assert_kind, owned, plain};

#[test]
fn damage_key_of_another_type_is_corrupt_and_removable() {
    for place in Place::both() {
        let storage = place.builder().clock(TestClock::new()).open().unwrap();
        let session = any_key();
        let key = place.key(&session);
        place.command(&key, &["SET", &key, "foreign"]);
        assert_kind(storage.load(&session), Corrupt);
        assert_kind(storage.save(&session, &plain("a"), None), Corrupt);
        assert_eq!(storage.purge_expired().unwrap(), 0);
        assert_eq!(place.command(&key, &["GET", &key]).text(), "foreign");
        storage.remove(&session).unwrap();
        assert!(storage.load(&session).unwrap().is_none());
    }
}

#[test]
fn damage_missing_field_is_corrupt_and_never_overwritten() {
    for place in Place::both() {
        for field in ["version", "owner", "data"] {
            let (storage, session, record) = (place.store(), any_key(), owned("Alice", "a"));
            let key = place.key(&session);
            storage.save(&session, &record, None).unwrap();
            place.command(&key, &["HDEL", &key, field]);
            assert_kind(storage.load(&session), Corrupt);
            for expected in [None, Some(record.version())] {
                assert_kind(storage.save(&session, &plain("b"), expected), Corrupt);
            }
            assert_kind(storage.save(&session, &record, None), Corrupt);
            storage.remove(&session).unwrap();
            assert!(!place.exists(&key));
        }
    }
}

#[test]
fn damage_odd_version_or_owner_is_corrupt() {
    for place in Place::both() {
        for field in ["version", "owner"] {
            let (storage, session) = (place.store(), any_key());
            storage.save(&session, &plain("a"), None).unwrap();
            place.set_field(&session, field, "odd");
            assert_kind(storage.load(&session), Corrupt);
            assert!(storage.save(&session, &plain("b"), None).is_err());
            assert_eq!(place.field(&session, "data").as_deref(), Some("a"));
        }
    }
}

#[test]
fn damage_version_of_another_shape_is_corrupt_to_saves_and_replacements() {
    for place in Place::both() {
        for version in ["", "odd", &"g".repeat(32), &"0".repeat(33)] {
            let (storage, session, to) = (place.store(), any_key(), any_key());
            storage.save(&session, &owned("Alice", "a"), None).unwrap();
            place.set_field(&session, "version", version);
            let (record, any_version) = (plain("b"), plain("c").version());
            assert_kind(storage.load(&session), Corrupt);
            for expected in [None, Some(any_version)] {
                assert_kind(storage.save(&session, &record, expected), Corrupt);
                let replaced = storage.replace(&session, expected, &to, &record);
                assert_kind(replaced, Corrupt);
            }
            let replaced = storage.replace(&to, None, &session, &record);
            assert_kind(replaced, Corrupt);
            assert_eq!(place.field(&session, "data").as_deref(), Some("a"));
            assert!(storage.load(&to).unwrap().is_none());
            storage.remove(&session).unwrap();
            assert!(!place.exists(&place.key(&session)));
        }
    }
}

#[test]
fn damage_hash_without_a_field_of_a_record_is_corrupt_and_visited() {
    for place in Place::both() {
        for field in ["used", "foreign"] {
            let (storage, session) = (place.store(), any_key());
            let key = place.key(&session);
            place.command(&key, &["HSET", &key, field, ""]);
            assert_kind(storage.load(&session), Corrupt);
            assert_kind(storage.save(&session, &plain("b"), None), Corrupt);
            let replaced = storage.replace(&session, None, &any_key(), &plain("b"));
            assert_kind(replaced, Corrupt);
            let mut visited = Vec::new();
            let visit = &mut |session: &SessionKey| {
                visited.push(*session);
                Ok(())
            };
            storage.for_each(visit).unwrap();
            assert_eq!(visited, [session]);
            storage.remove(&session).unwrap();
            assert!(storage.load(&session).unwrap().is_none());
        }
    }
}

#[test]
fn damage_that_is_no_text_is_corrupt_and_removable() {
    for place in Place::both() {
        for field in ["version", "owner", "data"] {
            let (storage, session) = (place.store(), any_key());
            let key = place.key(&session);
            storage.save(&session, &owned("Alice", "a"), None).unwrap();
            let script = "return redis.call('HSET', KEYS[1], ARGV[1], string.char(255, 0))";
            place.command(&key, &["EVAL", script, "1", &key, field]);
            assert_kind(storage.load(&session), Corrupt);
            assert!(storage.save(&session, &plain("b"), None).is_err());
            storage.remove(&session).unwrap();
            assert!(storage.load(&session).unwrap().is_none());
        }
    }
}
