//! The lock of a session.

use std::thread;
use std::time::{Duration, Instant};

use logto_core::Storage as _;
use logto_core::StorageErrorKind::{Busy, Corrupt, Unsupported};
use logto_storage_redis::RedisStorage;

use crate::fixture::{Place, SECOND, any_key, assert_kind, plain};
use crate::server::{RedisServer, eventually};

const NOW: Duration = Duration::ZERO;

#[test]
fn lock_is_a_lease_and_leaves_nothing() {
    for place in Place::both() {
        let (storage, session) = (place.store(), any_key());
        let lock = place.lock_key(&session);
        let held = storage.lock(&session, NOW).unwrap();
        assert!((1..=10_000).contains(&place.left(&lock)));
        drop(held);
        assert!(!place.exists(&lock));
    }
}

#[test]
fn lock_lease_is_renewed_while_held() {
    for place in Place::both() {
        let storage = place.builder().lease(SECOND).open().unwrap();
        let (other, session) = (place.store(), any_key());
        let held = storage.lock(&session, NOW).unwrap();
        let started = Instant::now();
        while started.elapsed() < 3 * SECOND {
            assert_kind(other.lock(&session, NOW), Busy);
            thread::sleep(SECOND / 20);
        }
        assert!(held.is_held());
        drop(held);
        assert!(other.lock(&session, NOW).is_ok());
    }
}

#[test]
fn lock_lost_is_not_held_and_does_not_release_the_next() {
    for place in Place::both() {
        let (storage, other, session) = (place.store(), place.store(), any_key());
        let lock = place.lock_key(&session);
        let held = storage.lock(&session, NOW).unwrap();
        place.command(&lock, &["DEL", &lock]);
        assert!(!held.is_held());
        let theirs = other.lock(&session, NOW).unwrap();
        assert!(!held.is_held());
        drop(held);
        assert!(theirs.is_held());
    }
}

#[test]
fn lock_lets_others_save_and_the_holder_conflicts() {
    for place in Place::both() {
        let (storage, other, session) = (place.store(), place.store(), any_key());
        let held = storage.lock(&session, NOW).unwrap();
        other.save(&session, &plain("theirs"), None).unwrap();
        let late = storage.save(&session, &plain("late"), None);
        assert_kind(late, logto_core::StorageErrorKind::Conflict);
        assert!(held.is_held());
    }
}

#[test]
fn lock_is_not_held_when_the_server_is_gone() {
    let server = RedisServer::start();
    let builder = RedisStorage::builder(&server.url()).timeout(SECOND / 2);
    let storage = builder.open().unwrap();
    let session = any_key();
    let held = storage.lock(&session, NOW).unwrap();
    assert!(held.is_held());
    server.pause();
    assert!(!held.is_held());
    server.resume();
    eventually("the server answers again", || held.is_held());
    server.kill();
    assert!(!held.is_held());
}

#[test]
fn lock_of_another_process_is_busy_in_time() {
    let place = Place::on_one_server();
    let (storage, session) = (place.store(), any_key());
    let lock = place.lock_key(&session);
    place.command(&lock, &["SET", &lock, "another", "PX", "600000"]);
    let started = Instant::now();
    let message = assert_kind(storage.lock(&session, SECOND / 10), Busy);
    assert!(message.contains("another process"), "{message}");
    assert!(started.elapsed() >= SECOND / 10);
    assert!(storage.lock(&any_key(), NOW).is_ok());
}

#[test]
fn lock_lease_may_be_a_century_but_not_too_short() {
    let place = Place::on_one_server();
    let storage = place.builder().lease(Duration::MAX).open().unwrap();
    let session = any_key();
    let held = storage.lock(&session, NOW).unwrap();
    assert!(place.left(&place.lock_key(&session)) > 99 * 365 * 24 * 3_600_000);
    assert!(held.is_held());
    let short = place.builder().lease(Duration::from_millis(99)).open();
    assert_kind(short, Unsupported);
}

#[test]
fn lock_key_of_another_type_is_corrupt() {
    for place in Place::both() {
        let (storage, session) = (place.store(), any_key());
        let lock = place.lock_key(&session);
        place.command(&lock, &["RPUSH", &lock, "a"]);
        assert_kind(storage.lock(&session, NOW), Corrupt);
        assert!(place.exists(&lock));
    }
}
