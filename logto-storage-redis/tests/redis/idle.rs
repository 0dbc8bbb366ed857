//! The idle lifetime: by the server's clock, and by one of the caller's too.

use std::time::Duration;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{SessionId, SessionStore, Storage};
use logto_testing::TestClock;

use crate::fixture::{Place, SECOND, assert_value, set};
use crate::server::eventually;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn assert_left(place: &Place, id: &SessionId, expected: Duration) {
    let left = place.left(&place.key(id));
    let expected = expected.as_millis() as i64;
    assert!((expected - 60_000..=expected).contains(&left), "{left}");
}

#[test]
fn the_server_ends_a_session() {
    for place in Place::both() {
        let builder = place.builder().idle_lifetime(SECOND / 5);
        let (store, id) = (builder.open().unwrap(), SessionId::random());
        set(&store.session(&id), IdToken, "a");
        eventually("the session is over", || !place.exists(&place.key(&id)));
        assert_value(&store.session(&id), IdToken, None);
        assert_eq!(store.purge_expired().unwrap(), 0);
    }
}

#[test]
fn writing_and_reading_begin_the_lifetime_anew() {
    for place in Place::both() {
        let store = place.builder().idle_lifetime(DAY).open().unwrap();
        let id = SessionId::random();
        let (session, key) = (store.session(&id), place.key(&id));
        set(&session, IdToken, "a");
        assert_left(&place, &id, DAY);
        for read in [IdToken, RefreshToken] {
            place.set_left(&key, DAY / 20 * 18);
            session.get(read).unwrap();
            assert_left(&place, &id, DAY);
        }
        place.set_left(&key, DAY / 2);
        set(&session, RefreshToken, "a");
        assert_left(&place, &id, DAY);
        place.set_left(&key, DAY / 2);
        session.set(RefreshToken, None).unwrap();
        assert_left(&place, &id, DAY);
    }
}

#[test]
fn reads_are_seldom_noted_and_never_shorten_a_session() {
    for place in Place::both() {
        let store = place.builder().idle_lifetime(DAY).open().unwrap();
        let id = SessionId::random();
        let (session, key) = (store.session(&id), place.key(&id));
        set(&session, IdToken, "a");
        place.set_left(&key, DAY - DAY / 25);
        session.get(IdToken).unwrap();
        assert_left(&place, &id, DAY - DAY / 25);
        place.set_left(&key, 3 * DAY);
        session.get(IdToken).unwrap();
        assert_left(&place, &id, 3 * DAY);
    }
}

#[test]
fn a_session_without_end_has_none() {
    for place in Place::both() {
        let (endless, daily) = (
            place.builder().idle_lifetime(Duration::MAX).open().unwrap(),
            place.builder().idle_lifetime(DAY).open().unwrap(),
        );
        let id = SessionId::random();
        set(&daily.session(&id), IdToken, "a");
        assert_left(&place, &id, DAY);
        assert_value(&endless.session(&id), IdToken, Some("a"));
        assert_eq!(place.left(&place.key(&id)), -1);
        daily.session(&id).get(IdToken).unwrap();
        assert_eq!(place.left(&place.key(&id)), -1);
        set(&daily.session(&id), IdToken, "b");
        assert_left(&place, &id, DAY);
        set(&endless.session(&id), IdToken, "c");
        assert_eq!(place.left(&place.key(&id)), -1);
    }
}

#[test]
fn noting_a_use_creates_nothing() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        let key = place.key(&id);
        store.session(&id).get(IdToken).unwrap();
        store.session(&id).update(&[]).unwrap();
        assert!(!place.exists(&key));
        place.set_field(&id, "@out", "of an earlier rename");
        place.set_left(&key, 100 * SECOND);
        store.session(&id).get(IdToken).unwrap();
        assert!(place.left(&key) <= 100_000);
    }
}

#[test]
fn a_session_without_values_is_gone() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        let session = store.session(&id);
        set(&session, IdToken, "a");
        set(&session, RefreshToken, "a");
        session.set(IdToken, None).unwrap();
        assert!(place.exists(&place.key(&id)));
        session.set(RefreshToken, None).unwrap();
        assert!(!place.exists(&place.key(&id)));
        session.set(RefreshToken, None).unwrap();
        assert!(!place.exists(&place.key(&id)));
    }
}

#[test]
fn stores_with_and_without_a_clock_read_one_another() {
    for place in Place::both() {
        let clock = TestClock::new();
        clock.freeze();
        let builder = || place.builder().idle_lifetime(DAY);
        let with = builder().clock(clock.clone()).open().unwrap();
        let without = builder().open().unwrap();
        let id = SessionId::random();
        let (clocked, plain) = (with.session(&id), without.session(&id));

        set(&plain, IdToken, "plain");
        assert_eq!(place.field(&id, "@used"), None);
        assert_value(&clocked, IdToken, Some("plain"));
        assert!(place.field(&id, "@used").is_some(), "the read is noted");
        clock.advance(DAY + SECOND);
        assert_value(&clocked, IdToken, None);
        assert_value(&plain, IdToken, Some("plain"));

        // What was used without a clock is not over by the clock of before.
        set(&plain, RefreshToken, "plain");
        assert_eq!(place.field(&id, "@used"), None);
        assert_value(&clocked, IdToken, Some("plain"));

        clock.advance(DAY + SECOND);
        set(&clocked, RefreshToken, "clocked");
        assert_value(&plain, IdToken, None);
        assert_value(&plain, RefreshToken, Some("clocked"));
    }
}

#[test]
fn a_time_that_is_no_number_ends_nothing() {
    for place in Place::both() {
        let store = place.builder().clock(TestClock::new()).open().unwrap();
        let id = SessionId::random();
        let session = store.session(&id);
        set(&session, IdToken, "a");
        for bad in ["", "soon", "1e999", "-"] {
            place.set_field(&id, "@used", bad);
            assert_value(&session, IdToken, Some("a"));
            set(&session, RefreshToken, "b");
            assert_value(&session, IdToken, Some("a"));
        }
    }
}
