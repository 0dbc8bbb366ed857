//! Many threads at once.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, SessionId, SessionStore, Storage, StorageErrorKind};

use crate::fixture::{Fixture, LIFETIME, assert_value};

#[test]
fn reads_do_not_wait_for_a_writer() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    let raw = fixture.raw();
    raw.execute_batch("BEGIN IMMEDIATE; UPDATE session_values SET value = 'b'")
        .unwrap();
    fixture.clock.advance(LIFETIME / 2);

    let started = Instant::now();
    assert_value(&session, IdToken, Some("a"));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_write_that_cannot_wait_longer_is_busy_and_changes_nothing() {
    let fixture = Fixture::new();
    let store = fixture
        .builder()
        .busy_timeout(Duration::from_millis(20))
        .open()
        .unwrap();
    let session = store.session(&SessionId::random());
    session.set(IdToken, Some("a")).unwrap();
    let raw = fixture.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();

    let error = session.set(IdToken, Some("b")).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Busy);
    assert!(error.is_retryable());
    raw.execute_batch("ROLLBACK").unwrap();
    assert_value(&session, IdToken, Some("a"));
    session.set(IdToken, Some("b")).unwrap();
}

#[test]
fn readers_are_not_starved_by_waiting_writers() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    fixture.store.session(&id).set(IdToken, Some("a")).unwrap();
    let raw = fixture.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                fixture
                    .store
                    .session(&id)
                    .set(RefreshToken, Some("r"))
                    .unwrap()
            });
        }
        thread::sleep(Duration::from_millis(100));
        let started = Instant::now();
        assert_value(&fixture.store.session(&id), IdToken, Some("a"));
        assert!(started.elapsed() < Duration::from_secs(2));
        raw.execute_batch("ROLLBACK").unwrap();
    });
}

#[test]
fn many_threads_over_two_stores_lose_nothing() {
    const THREADS: usize = 32;
    const ROUNDS: usize = 10;
    let fixture = Fixture::new();
    let stores = [fixture.store.clone(), fixture.builder().open().unwrap()];
    let shared = SessionId::random();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, shared, start) = (&stores[thread % 2], &shared, &start);
            scope.spawn(move || {
                start.wait();
                let own = store.session(&SessionId::random());
                for round in 0..ROUNDS {
                    let value = format!("{thread}-{round}");
                    own.set(IdToken, Some(&value)).unwrap();
                    assert_value(&own, IdToken, Some(&value));
                    count_up(&store.session(shared));
                }
            });
        }
    });
    let total = (THREADS * ROUNDS).to_string();
    assert_value(&stores[0].session(&shared), RefreshToken, Some(&total));
}

/// Reads, adds one and writes, under the session's lock.
fn count_up(session: &dyn Storage) {
    let _held = session.lock(Duration::from_secs(60)).unwrap();
    let before = session
        .get(RefreshToken)
        .unwrap()
        .map_or(0, |text| text.parse::<usize>().unwrap());
    session
        .set(RefreshToken, Some(&(before + 1).to_string()))
        .unwrap();
}

/// More writers than connections, and a log that has become long: whoever copies it waits for a turn.
#[test]
fn writers_do_not_keep_all_connections_while_they_wait_for_a_turn() {
    for (length, times) in [(200_000, 10), (4_000, 300)] {
        let fixture = Fixture::new();
        let value = "x".repeat(length);
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    for _ in 0..times {
                        let session = fixture.store.session(&SessionId::random());
                        let changes = [Change::set(IdToken, &value)];
                        session.update_unsynced(&changes).unwrap();
                    }
                });
            }
        });
    }
}
