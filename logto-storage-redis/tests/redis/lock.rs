//! The lock of a session.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::StorageErrorKind::{Busy, Corrupt, Unsupported};
use logto_core::{SessionKey, Storage as _};
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

/// The URL of a storage, to a process that plays the holder of a lock.
const HOLDER: &str = "LOGTO_TEST_LOCK_HOLDER";

#[test]
fn lock_of_a_stopped_process_is_lost_to_the_next() {
    for place in Place::both() {
        let url = format!("{}?prefix={}", place.url(), place.prefix);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["lock::lock_plays_a_holder", "--exact", "--nocapture"])
            .env(HOLDER, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut hear = || says.find_map(|line| Some(line.ok()?.strip_prefix("says ")?.to_owned()));
        assert_eq!(hear().as_deref(), Some("held"));

        let (storage, session) = (place.store(), SessionKey::ONLY);
        assert_kind(storage.lock(&session, NOW), Busy);
        let pid = child.id().to_string();
        let signal = |name: &str| {
            let sent = Command::new("kill").args([name, &pid]).status().unwrap();
            assert!(sent.success());
        };
        signal("-STOP");
        drop(storage.lock(&session, 60 * SECOND).unwrap());
        storage.save(&session, &plain("next"), None).unwrap();
        signal("-CONT");
        child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
        assert_eq!(
            hear().as_deref(),
            Some("is held: false, saved: Err(Conflict)")
        );
        assert!(child.wait().unwrap().success());
        let found = storage.load(&session).unwrap().unwrap();
        assert_eq!(found.data(), "next");
    }
}

/// Does nothing unless another test started this process.
#[test]
fn lock_plays_a_holder() {
    let Ok(url) = env::var(HOLDER) else {
        return;
    };
    let storage = RedisStorage::builder(&url).lease(2 * SECOND).open();
    let (storage, session) = (storage.unwrap(), SessionKey::ONLY);
    let held = storage.lock(&session, NOW).unwrap();
    println!("\nsays held");
    io::stdin().read_line(&mut String::new()).unwrap();
    let is_held = held.is_held();
    let saved = storage.save(&session, &plain("late"), None);
    let saved = saved.map_err(|error| error.kind());
    println!("\nsays is held: {is_held}, saved: {saved:?}");
}
