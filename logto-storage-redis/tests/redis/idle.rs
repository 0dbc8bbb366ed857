//! The idle lifetime: by the server's clock, and by one of the caller's too.

use std::time::Duration;

use logto_core::{SessionKey, Storage as _};
use logto_testing::TestClock;

use crate::fixture::{Place, SECOND, any_key, plain};
use crate::server::eventually;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn assert_left(place: &Place, session: &SessionKey, expected: Duration) {
    let left = place.left(&place.key(session));
    let expected = expected.as_millis() as i64;
    assert!((expected - 60_000..=expected).contains(&left), "{left}");
}

#[test]
fn idle_session_is_ended_by_the_server() {
    for place in Place::both() {
        let storage = place.builder().idle_lifetime(SECOND / 5).open().unwrap();
        let session = any_key();
        storage.save(&session, &plain("a"), None).unwrap();
        eventually("the end", || !place.exists(&place.key(&session)));
        assert!(storage.load(&session).unwrap().is_none());
        assert_eq!(storage.purge_expired().unwrap(), 0);
    }
}

#[test]
fn idle_lifetime_is_renewed_late_and_never_shortened_by_loads() {
    for place in Place::both() {
        let storage = place.builder().idle_lifetime(DAY).open().unwrap();
        let (session, record) = (any_key(), plain("a"));
        let key = place.key(&session);
        storage.save(&session, &record, None).unwrap();
        let (seldom, noted) = (DAY - DAY / 25, DAY / 20 * 18);
        for (left, expected) in [(noted, DAY), (seldom, seldom), (3 * DAY, 3 * DAY)] {
            place.set_left(&key, left);
            storage.load(&session).unwrap();
            assert_left(&place, &session, expected);
        }
        let expected = Some(record.version());
        storage.save(&session, &plain("b"), expected).unwrap();
        assert_left(&place, &session, DAY);
    }
}

#[test]
fn idle_lifetime_may_change_to_the_longest_and_back() {
    for place in Place::both() {
        let daily = place.builder().idle_lifetime(DAY).open().unwrap();
        let endless = place.builder().idle_lifetime(Duration::MAX).open().unwrap();
        let (session, record) = (any_key(), plain("a"));
        daily.save(&session, &record, None).unwrap();
        for storage in [&endless, &daily] {
            storage.load(&session).unwrap();
            assert_left(&place, &session, 100 * 365 * DAY);
        }
        let expected = Some(record.version());
        daily.save(&session, &plain("b"), expected).unwrap();
        assert_left(&place, &session, DAY);
    }
}

#[test]
fn idle_storages_with_and_without_a_clock_share_sessions() {
    for place in Place::both() {
        let clock = TestClock::new();
        clock.freeze();
        let builder = || place.builder().idle_lifetime(DAY);
        let clocked = builder().clock(clock.clone()).open().unwrap();
        let (unclocked, session) = (builder().open().unwrap(), any_key());
        let first = plain("a");
        unclocked.save(&session, &first, None).unwrap();
        assert!(clocked.load(&session).unwrap().is_some());
        clock.advance(DAY + SECOND);
        assert!(clocked.load(&session).unwrap().is_none());
        let second = plain("b");
        let expected = Some(first.version());
        unclocked.save(&session, &second, expected).unwrap();
        assert_eq!(clocked.load(&session).unwrap(), Some(second));
        clock.advance(DAY + SECOND);
        clocked.save(&session, &plain("c"), None).unwrap();
        assert!(unclocked.load(&session).unwrap().is_some());
    }
}

#[test]
fn idle_use_of_nothing_creates_nothing() {
    for place in Place::both() {
        let clocked = place.builder().clock(TestClock::new()).open().unwrap();
        for storage in [&place.store(), &clocked] {
            let session = any_key();
            assert!(storage.load(&session).unwrap().is_none());
            storage.remove(&session).unwrap();
            assert!(!place.exists(&place.key(&session)));
        }
    }
}

#[test]
fn idle_time_that_is_no_number_ends_nothing() {
    for place in Place::both() {
        let storage = place.builder().clock(TestClock::new()).open().unwrap();
        let (session, mut record) = (any_key(), plain("a"));
        storage.save(&session, &record, None).unwrap();
        for bad in ["", "soon", "1e999", "-"] {
            place.set_field(&session, "used", bad);
            assert_eq!(storage.purge_expired().unwrap(), 0);
            assert_eq!(storage.load(&session).unwrap(), Some(record.clone()));
            place.set_field(&session, "used", bad);
            let (next, expected) = (plain("b"), Some(record.version()));
            storage.save(&session, &next, expected).unwrap();
            record = next;
        }
    }
}
