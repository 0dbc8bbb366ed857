//! The index: a session is in it before it has the owner, and longer than it lives.

use std::time::Duration;

use logto_core::StorageErrorKind::Corrupt;
use logto_core::{OwnerDigest, SessionKey, Storage as _};

use crate::fixture::{ISSUER, Place, any_key, assert_kind, owned, user};

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

const MINUTE: i64 = 60 * 1000;

/// How long an index has a session that lives a day: a tenth and an hour longer.
const INDEX_DAY: i64 = 24 * 66 * MINUTE + 60 * MINUTE;

/// As if Alice's entries and what her session says of them were older.
fn age(place: &Place, session: &SessionKey, millis: i64) {
    let index = place.index_key(&user("Alice"));
    let script = "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
        redis.call('ZINCRBY', KEYS[1], ARGV[1], name) end
        redis.call('PEXPIRE', KEYS[1], redis.call('PTTL', KEYS[1]) + ARGV[1])";
    let words = ["EVAL", script, "1", &index, &(-millis).to_string()];
    place.command(&index, &words);
    if let Some(indexed) = place.field(session, "indexed") {
        let indexed = indexed.parse::<i64>().unwrap() - millis;
        place.set_field(session, "indexed", &indexed.to_string());
    }
}

/// When the only entry may go.
fn score(place: &Place) -> i64 {
    let index = place.index_key(&user("Alice"));
    let entries = place.command(&index, &["ZRANGE", &index, "0", "-1", "WITHSCORES"]);
    entries.list()[1].text().parse().unwrap()
}

#[test]
fn find_index_is_renewed_when_the_session_is_saved_or_loaded() {
    for place in Place::both() {
        let storage = place.builder().idle_lifetime(DAY).open().unwrap();
        let (session, record) = (any_key(), owned("Alice", "a"));
        let index = place.index_key(&user("Alice"));
        storage.save(&session, &record, None).unwrap();
        let load = || {
            place.set_left(&place.key(&session), DAY / 2);
            storage.load(&session).unwrap();
        };
        let save = || {
            let expected = Some(record.version());
            let next = owned("Alice", "b");
            storage.save(&session, &next, expected).unwrap();
        };
        for renew in [&load as &dyn Fn(), &save] {
            age(&place, &session, INDEX_DAY - 90 * MINUTE);
            let before = score(&place);
            renew();
            assert!(score(&place) - before > INDEX_DAY - 100 * MINUTE);
            assert!(place.left(&index) > INDEX_DAY - MINUTE);
        }
    }
}

#[test]
fn find_index_is_not_renewed_each_time() {
    for place in Place::both() {
        let storage = place.builder().idle_lifetime(DAY).open().unwrap();
        let (session, mut record) = (any_key(), owned("Alice", "a"));
        storage.save(&session, &record, None).unwrap();
        let mut save = || {
            let (next, expected) = (owned("Alice", "b"), Some(record.version()));
            storage.save(&session, &next, expected).unwrap();
            record = next;
        };
        age(&place, &session, 60 * MINUTE);
        let before = score(&place);
        save();
        assert_eq!(score(&place), before);
        age(&place, &session, 20 * MINUTE);
        save();
        assert!(score(&place) > before);
    }
}

#[test]
fn find_has_a_used_session_for_many_lifetimes() {
    for place in Place::both() {
        let storage = place.builder().idle_lifetime(DAY).open().unwrap();
        let (session, mut record) = (any_key(), owned("Alice", "a"));
        storage.save(&session, &record, None).unwrap();
        for round in 0..12 {
            // As if a third of a lifetime passed each time.
            age(&place, &session, 8 * 60 * MINUTE);
            place.set_left(&place.key(&session), DAY * 2 / 3);
            if round % 2 == 0 {
                storage.load(&session).unwrap();
            } else {
                let (next, expected) = (owned("Alice", "b"), Some(record.version()));
                storage.save(&session, &next, expected).unwrap();
                record = next;
            }
            assert_eq!(storage.find(&user("Alice")).unwrap(), [session]);
        }
    }
}

#[test]
fn find_index_entries_whose_time_is_over_go_when_others_come() {
    for place in Place::both() {
        let storage = place.builder().idle_lifetime(DAY).open().unwrap();
        let save = || {
            let session = any_key();
            storage.save(&session, &owned("Alice", "a"), None).unwrap();
            session
        };
        for _ in 0..5 {
            storage.remove(&save()).unwrap();
        }
        // The index itself would end with them.
        let index = place.index_key(&user("Alice"));
        place.set_left(&index, 10 * DAY);
        age(&place, &any_key(), INDEX_DAY + MINUTE);
        let session = save();
        assert_eq!(place.indexed(&user("Alice")), 1);
        assert_eq!(storage.find(&user("Alice")).unwrap(), [session]);
    }
}

#[test]
fn find_has_an_endless_session_after_decades() {
    for place in Place::both() {
        let endless = place.builder().idle_lifetime(Duration::MAX).open().unwrap();
        let daily = place.builder().idle_lifetime(DAY).open().unwrap();
        let [session, other] = [(); 2].map(|()| any_key());
        endless.save(&session, &owned("Alice", "a"), None).unwrap();
        age(&place, &session, 99 * 365 * 24 * 60 * MINUTE);
        daily.save(&other, &owned("Alice", "a"), None).unwrap();
        daily.remove(&other).unwrap();
        for storage in [&daily, &endless] {
            assert_eq!(storage.find(&user("Alice")).unwrap(), [session]);
        }
    }
}

#[test]
fn find_has_a_user_with_thousands_of_sessions() {
    let place = Place::on_one_server();
    let storage = place.store();
    let mut sessions: Vec<_> = (0..1_200).map(|_| any_key()).collect();
    for session in &sessions {
        storage.save(session, &owned("Alice", "a"), None).unwrap();
    }
    let mut found = storage.find(&user("Alice")).unwrap();
    for keys in [&mut found, &mut sessions] {
        keys.sort_unstable_by_key(|key| *key.as_bytes());
    }
    assert!(found == sessions);
}

#[test]
fn find_index_of_another_type_is_corrupt_and_left() {
    for place in Place::both() {
        let (storage, session) = (place.store(), any_key());
        let index = place.index_key(&user("Alice"));
        place.command(&index, &["SET", &index, "foreign"]);
        let saved = storage.save(&session, &owned("Alice", "a"), None);
        assert_kind(saved, Corrupt);
        assert!(!place.exists(&place.key(&session)));
        assert_kind(storage.find(&user("Alice")), Corrupt);
        assert_eq!(place.command(&index, &["GET", &index]).text(), "foreign");
    }
}

#[test]
fn find_skips_entries_that_are_no_sessions() {
    for place in Place::both() {
        let (storage, foreign, session) = (place.store(), any_key(), any_key());
        for session in [&foreign, &session] {
            storage.save(session, &owned("Alice", "a"), None).unwrap();
        }
        let (index, key) = (place.index_key(&user("Alice")), place.key(&foreign));
        place.command(&index, &["ZADD", &index, "5", "no key"]);
        place.command(&key, &["SET", &key, "foreign"]);
        assert_eq!(storage.find(&user("Alice")).unwrap(), [session]);
        assert_eq!(place.command(&key, &["GET", &key]).text(), "foreign");
    }
}
