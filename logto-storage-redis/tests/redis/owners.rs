//! The index: a session is in it before it has the owner, and as long as it lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use logto_core::PersistKey::{IdToken, Owner};
use logto_core::StorageErrorKind::Corrupt;
use logto_core::{OwnerDigest, SessionId, SessionStore, Storage};

use crate::fixture::{ISSUER, Place, SECOND, assert_kind, found, owner, set, user};
use crate::server::{Reply, eventually};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE: i64 = 60 * 1000;

/// The day of an index: a tenth and an hour longer.
const INDEX_DAY: i64 = 24 * 66 * MINUTE + 60 * MINUTE;

impl Place {
    fn score(&self, sub: &str, id: &SessionId) -> Option<f64> {
        let index = self.index_key(&user(sub));
        let entries = self.command(&index, &["ZRANGE", &index, "0", "-1", "WITHSCORES"]);
        let digest = Reply::Bytes(id.digest().to_vec());
        let mut entries = entries.list().chunks(2);
        let entry = entries.find(|entry| entry[0] == digest)?;
        entry[1].text().parse().ok()
    }

    /// When an entry goes that is over now.
    fn score_of_now(&self) -> f64 {
        let index = self.index_key(&user("Alice"));
        let time = self.command(&index, &["TIME"]);
        time.list()[0].text().parse::<f64>().unwrap() * 1000.0
    }

    /// As if all entries had been made so much earlier.
    fn age_index(&self, sub: &str, millis: i64) {
        let index = self.index_key(&user(sub));
        let script = "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
            redis.call('ZINCRBY', KEYS[1], ARGV[1], name) end";
        let words = ["EVAL", script, "1", &index, &(-millis).to_string()];
        self.command(&index, &words);
    }

    fn age_indexed(&self, id: &SessionId, millis: i64) {
        let at: i64 = self.field(id, "@indexed").unwrap().parse().unwrap();
        self.set_field(id, "@indexed", &(at - millis).to_string());
    }
}

#[test]
fn an_entry_outlives_its_session() {
    for place in Place::both() {
        let store = place.builder().idle_lifetime(DAY).open().unwrap();
        let id = SessionId::random();
        set(&store.session(&id), Owner, &owner("Alice"));
        let of_server = OwnerDigest::of_server_session(ISSUER, "a session");
        for digest in [user("Alice"), of_server] {
            let left = place.left(&place.index_key(&digest));
            assert!((INDEX_DAY - MINUTE..=INDEX_DAY).contains(&left), "{left}");
            assert_eq!(place.indexed(&digest), 1);
        }
        assert!(place.left(&place.key(&id)) <= 24 * 60 * MINUTE);
    }
}

#[test]
fn an_entry_is_renewed_when_the_session_is_written_or_read() {
    for place in Place::both() {
        let store = place.builder().idle_lifetime(DAY).open().unwrap();
        let id = SessionId::random();
        let (session, index) = (store.session(&id), place.index_key(&user("Alice")));
        set(&session, Owner, &owner("Alice"));
        let uses: [&dyn Fn(); 2] = [&|| set(&session, IdToken, "a"), &|| {
            place.set_left(&place.key(&id), DAY / 2);
            session.get(IdToken).unwrap();
        }];
        for used in uses {
            // It is the beginning of the entry's last hour but one.
            place.age_index("Alice", INDEX_DAY - 90 * MINUTE);
            place.set_left(&index, Duration::from_secs(90 * 60));
            place.age_indexed(&id, INDEX_DAY - 90 * MINUTE);
            let before = place.score("Alice", &id).unwrap();
            used();
            let after = place.score("Alice", &id).unwrap();
            assert!(after - before > (INDEX_DAY - 100 * MINUTE) as f64);
            assert!(place.left(&index) > INDEX_DAY - MINUTE);
        }
    }
}

#[test]
fn an_entry_is_not_renewed_each_time() {
    let place = Place::on_one_server();
    let store = place.builder().idle_lifetime(DAY).open().unwrap();
    let id = SessionId::random();
    let session = store.session(&id);
    set(&session, Owner, &owner("Alice"));
    place.age_index("Alice", 60 * MINUTE);
    place.age_indexed(&id, 60 * MINUTE);
    let before = place.score("Alice", &id);
    set(&session, IdToken, "a");
    assert_eq!(place.score("Alice", &id), before);
    place.age_indexed(&id, 20 * MINUTE);
    set(&session, IdToken, "a");
    assert_ne!(place.score("Alice", &id), before);
}

#[test]
fn an_entry_of_a_shorter_lifetime_is_renewed_for_a_longer_one() {
    for place in Place::both() {
        let short = place.builder().idle_lifetime(60 * SECOND).open().unwrap();
        for lifetime in [DAY, Duration::MAX] {
            let id = SessionId::random();
            set(&short.session(&id), Owner, &owner("Alice"));
            let long = place.builder().idle_lifetime(lifetime).open().unwrap();
            set(&long.session(&id), IdToken, "a");
            let (session, index) = (place.key(&id), place.index_key(&user("Alice")));
            let (session, index) = (place.left(&session), place.left(&index));
            assert!(index == -1 || session < index, "{session} {index}");
            let goes = place.score("Alice", &id).unwrap();
            let of_session = place.field(&id, "@indexed").unwrap();
            // It was written a moment after the entry.
            let about: f64 = of_session.parse().unwrap();
            assert!((goes - about).abs() < 30.0 * MINUTE as f64);
            let years = if lifetime == DAY { 0.0 } else { 900.0 };
            let now = place.score_of_now();
            assert!(goes - now > years * 365.0 * DAY.as_millis() as f64 + INDEX_DAY as f64 / 2.0);
        }
    }
}

#[test]
fn a_session_that_is_used_is_found_for_many_lifetimes() {
    for place in Place::both() {
        let store = place.builder().idle_lifetime(DAY).open().unwrap();
        let id = SessionId::random();
        let (session, index) = (store.session(&id), place.index_key(&user("Alice")));
        set(&session, Owner, &owner("Alice"));
        // As if a third of a lifetime passed each time.
        let third = 8 * 60 * MINUTE;
        for round in 0..12 {
            place.age_index("Alice", third);
            place.age_indexed(&id, third);
            let left = place.left(&index) - third;
            place.command(&index, &["PEXPIRE", &index, &left.to_string()]);
            place.set_left(&place.key(&id), DAY * 2 / 3);
            match round % 2 {
                0 => drop(session.get(IdToken).unwrap()),
                _ => set(&session, IdToken, "a"),
            }
            assert_eq!(found(&store, "Alice"), [id.digest()]);
        }
    }
}

#[test]
fn entries_of_nothing_are_dropped_when_they_are_not_young() {
    for place in Place::both() {
        let store = place.builder().idle_lifetime(DAY).open().unwrap();
        let [gone, other, stays] = [(); 3].map(|()| SessionId::random());
        for id in [&gone, &other, &stays] {
            set(&store.session(id), Owner, &owner("Alice"));
        }
        store.remove(&gone).unwrap();
        set(&store.session(&other), Owner, &owner("Bob"));
        assert_eq!(found(&store, "Alice"), [stays.digest()]);
        assert_eq!(place.indexed(&user("Alice")), 3);
        place.age_index("Alice", 11 * MINUTE);
        assert_eq!(found(&store, "Alice"), [stays.digest()]);
        assert_eq!(place.indexed(&user("Alice")), 1);
        assert_eq!(found(&store, "Bob"), [other.digest()]);
    }
}

#[test]
fn entries_whose_time_is_over_go_when_others_come() {
    for place in Place::both() {
        let store = place.builder().idle_lifetime(DAY).open().unwrap();
        for _ in 0..5 {
            let id = SessionId::random();
            set(&store.session(&id), Owner, &owner("Alice"));
            store.remove(&id).unwrap();
        }
        place.age_index("Alice", INDEX_DAY + MINUTE);
        let id = SessionId::random();
        set(&store.session(&id), Owner, &owner("Alice"));
        assert_eq!(place.indexed(&user("Alice")), 1);
        assert_eq!(found(&store, "Alice"), [id.digest()]);
    }
}

#[test]
fn an_endless_session_is_found_for_ever() {
    for place in Place::both() {
        let builder = place.builder().idle_lifetime(Duration::MAX);
        let (endless, id) = (builder.open().unwrap(), SessionId::random());
        set(&endless.session(&id), Owner, &owner("Alice"));
        let index = place.index_key(&user("Alice"));
        assert_eq!(place.left(&index), -1);
        // A century, and stores whose sessions live shorter.
        place.age_index("Alice", 100 * 365 * 24 * 60 * MINUTE);
        let daily = place.builder().idle_lifetime(DAY).open().unwrap();
        let other = SessionId::random();
        set(&daily.session(&other), Owner, &owner("Alice"));
        assert_eq!(place.left(&index), -1);
        daily.remove(&other).unwrap();
        assert_eq!(found(&daily, "Alice"), [id.digest()]);
        assert_eq!(found(&endless, "Alice"), [id.digest()]);
    }
}

#[test]
fn an_owner_that_another_program_stored_is_found_from_the_next_use_on() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        place.set_field(&id, "owner", &owner("Alice"));
        place.set_left(&place.key(&id), 60 * SECOND);
        assert!(found(&store, "Alice").is_empty());
        store.session(&id).get(IdToken).unwrap();
        assert_eq!(found(&store, "Alice"), [id.digest()]);
    }
}

#[test]
fn a_session_of_thousands_is_found() {
    let place = Place::on_one_server();
    let store = place.store();
    let ids: Vec<_> = (0..1_200).map(|_| SessionId::random()).collect();
    for id in &ids {
        set(&store.session(id), Owner, &owner("Alice"));
    }
    let mut expected: Vec<_> = ids.iter().map(SessionId::digest).collect();
    expected.sort_unstable();
    assert_eq!(found(&store, "Alice"), expected);
}

#[test]
fn what_is_no_index_is_told_and_left() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        let index = place.index_key(&user("Alice"));
        place.command(&index, &["SET", &index, "somebody else's"]);
        let value = owner("Alice");
        let session = store.session(&id);
        assert_kind(session.set(Owner, Some(&value)), Corrupt);
        assert!(!place.exists(&place.key(&id)));
        assert_kind(store.sessions_of(&user("Alice")), Corrupt);
        assert_eq!(
            place.command(&index, &["GET", &index]).text(),
            "somebody else's"
        );

        let index = place.index_key(&user("Bob"));
        place.command(&index, &["ZADD", &index, "5", "no digest"]);
        assert!(found(&store, "Bob").is_empty());
    }
}

#[test]
fn a_session_is_found_once_while_it_is_renamed() {
    for place in Place::both() {
        let store = place.store();
        let ids = [(); 2].map(|()| SessionId::random());
        set(&store.session(&ids[0]), Owner, &owner("Alice"));
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..200 {
                    store
                        .rename(&ids[round % 2], &ids[(round + 1) % 2])
                        .unwrap();
                    thread::sleep(Duration::from_millis(1));
                }
                is_over.store(true, Ordering::SeqCst);
            });
            while !is_over.load(Ordering::SeqCst) {
                assert!(!found(&store, "Alice").is_empty());
            }
        });
        eventually("it is found once", || {
            found(&store, "Alice") == [ids[0].digest()]
        });
    }
}
