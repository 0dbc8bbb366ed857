//! Sole use of a session.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::PersistKey::IdToken;
use logto_core::StorageErrorKind::{Busy, Corrupt, Unsupported};
use logto_core::{SessionId, SessionStore, Storage};
use logto_storage_redis::RedisStore;

use crate::fixture::{Place, SECOND, assert_kind, assert_value, set};
use crate::server::{RedisServer, eventually};

const NOW: Duration = Duration::ZERO;

/// Of a process that a test has started.
const URL: &str = "LOGTO_REDIS_TEST_URL";

fn lease(place: &Place, millis: u64) -> RedisStore {
    let builder = place.builder().lease(Duration::from_millis(millis));
    builder.open().unwrap()
}

#[test]
fn a_lock_is_a_lease_and_leaves_a_mark() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        let (session, lock) = (store.session(&id), place.lock_key(&id));
        let held = session.lock(NOW).unwrap();
        let token = place.command(&lock, &["GET", &lock]).text();
        assert!(token.starts_with("held:"), "{token}");
        assert!((1..=10_000).contains(&place.left(&lock)));
        drop(held);
        let mark = place.command(&lock, &["GET", &lock]).text();
        assert_eq!(mark, token.replace("held:", "free:"));
        assert!((60_000..=600_000).contains(&place.left(&lock)));
        drop(session.lock(NOW).unwrap());
    }
}

#[test]
fn a_lock_that_lives_for_several_leases_stays_held() {
    let places = Place::both();
    let id = SessionId::random();
    let stores = places.each_ref().map(|place| lease(place, 2_000));
    let sessions = stores.each_ref().map(|store| store.session(&id));
    let held = sessions
        .each_ref()
        .map(|session| session.lock(NOW).unwrap());
    let others = places.each_ref().map(|place| place.store().session(&id));
    let started = Instant::now();
    while started.elapsed() < 5 * SECOND {
        for other in &others {
            assert_kind(other.lock(NOW), Busy);
        }
        thread::sleep(SECOND / 20);
    }
    assert!(held.iter().all(|held| held.is_held()));
    drop(held);
    assert!(others.iter().all(|other| other.lock(NOW).is_ok()));
}

#[test]
fn who_has_lost_the_lock_to_another_cannot_write() {
    for place in Place::both() {
        let (store, other, id) = (place.store(), place.store(), SessionId::random());
        let (session, lock) = (store.session(&id), place.lock_key(&id));
        let held = session.lock(NOW).unwrap();
        set(&session, IdToken, "first");
        place.command(&lock, &["DEL", &lock]);

        let there = other.session(&id);
        let theirs = there.lock(NOW).unwrap();
        assert!(!held.is_held());
        let message = assert_kind(session.set(IdToken, Some("late")), Busy);
        assert!(message.contains("nothing was written"), "{message}");
        set(&there, IdToken, "theirs");
        // A handle that has no lock is nobody's.
        set(&store.session(&id), IdToken, "nobody's");
        drop(theirs);

        // It was released, and yet the holder of before must not write.
        assert_kind(session.set(IdToken, Some("later")), Busy);
        drop(held);
        assert_value(&session, IdToken, Some("nobody's"));
        set(&session, IdToken, "without the lock");
        assert!(session.lock(NOW).is_ok());
    }
}

#[test]
fn a_lease_that_ran_out_with_nobody_after_it_can_write() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        let (session, lock) = (store.session(&id), place.lock_key(&id));
        let held = session.lock(NOW).unwrap();
        place.command(&lock, &["DEL", &lock]);
        set(&session, IdToken, "alone");
        // But it may not show the server a refresh token: it cannot know.
        assert!(!held.is_held());
        drop(held);
        assert!(!place.exists(&lock));
    }
}

#[test]
fn who_lost_the_lock_does_not_release_the_next_one() {
    for place in Place::both() {
        let (store, other, id) = (place.store(), place.store(), SessionId::random());
        let (session, lock) = (store.session(&id), place.lock_key(&id));
        let held = session.lock(NOW).unwrap();
        place.command(&lock, &["DEL", &lock]);
        let there = other.session(&id);
        let theirs = there.lock(NOW).unwrap();
        drop(held);
        assert!(theirs.is_held());
        assert_kind(session.lock(NOW), Busy);
    }
}

#[test]
fn a_stopped_process_that_lost_its_lock_cannot_write() {
    for place in Place::both() {
        let id = SessionId::parse(&"A".repeat(43)).unwrap();
        let url = format!("{}?prefix={}", place.url(), place.prefix);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["lock::plays_a_holder", "--exact", "--nocapture"])
            .env(URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut hear = || says.find_map(|line| Some(line.ok()?.strip_prefix("says ")?.to_owned()));
        assert_eq!(hear().as_deref(), Some("held"));

        let store = place.store();
        let session = store.session(&id);
        assert_kind(session.lock(NOW), Busy);
        let signal = |name: &str| {
            let pid = child.id().to_string();
            let sent = Command::new("kill")
                .args([name, pid.as_str()])
                .status()
                .unwrap();
            assert!(sent.success());
        };
        signal("-STOP");
        drop(session.lock(60 * SECOND).unwrap());
        set(&session, IdToken, "after it");
        signal("-CONT");
        child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
        assert_eq!(hear().as_deref(), Some("held: false, written: Err(Busy)"));
        assert!(child.wait().unwrap().success());
        assert_value(&session, IdToken, Some("after it"));
    }
}

/// Does nothing unless another test started this process.
#[test]
fn plays_a_holder() {
    let Ok(url) = env::var(URL) else {
        return;
    };
    let builder = RedisStore::builder(&url).lease(3 * SECOND);
    let store = builder.open().unwrap();
    let session = store.session(&SessionId::parse(&"A".repeat(43)).unwrap());
    let held = session.lock(NOW).unwrap();
    println!("\nsays held");
    io::stdin().read_line(&mut String::new()).unwrap();
    let is_held = held.is_held();
    let written = session.set(IdToken, Some("late"));
    let written = written.map_err(|error| error.kind());
    println!("\nsays held: {is_held}, written: {written:?}");
}

#[test]
fn a_lock_is_not_held_when_the_server_is_gone() {
    let server = RedisServer::start();
    let builder = RedisStore::builder(&server.url()).timeout(SECOND / 2);
    let store = builder.open().unwrap();
    let session = store.session(&SessionId::random());
    let held = session.lock(NOW).unwrap();
    assert!(held.is_held());
    server.pause();
    let started = Instant::now();
    assert!(!held.is_held());
    assert!(started.elapsed() < 30 * SECOND);
    server.resume();
    eventually("the server answers again", || held.is_held());
    server.kill();
    assert!(!held.is_held());
}

#[test]
fn a_session_that_another_process_has_is_busy_in_time() {
    let place = Place::on_one_server();
    let (store, id) = (place.store(), SessionId::random());
    let lock = place.lock_key(&id);
    place.command(&lock, &["SET", &lock, "held:another", "PX", "600000"]);
    let started = Instant::now();
    let message = assert_kind(store.session(&id).lock(SECOND / 10), Busy);
    assert!(message.contains("another process"), "{message}");
    assert!(started.elapsed() >= SECOND / 10);
    assert!(store.session(&SessionId::random()).lock(NOW).is_ok());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.session(&id).lock(60 * SECOND).is_ok());
        place.command(&lock, &["SET", &lock, "free:another", "PX", "600000"]);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn an_endless_lease_has_no_end_until_its_release() {
    let place = Place::on_one_server();
    let store = place.builder().lease(Duration::MAX).open().unwrap();
    let id = SessionId::random();
    let (session, lock) = (store.session(&id), place.lock_key(&id));
    let held = session.lock(NOW).unwrap();
    assert_eq!(place.left(&lock), -1);
    assert!(held.is_held());
    drop(held);
    assert!(place.left(&lock) > 0);
}

#[test]
fn a_lease_that_nobody_can_renew_is_refused() {
    let place = Place::on_one_server();
    assert_kind(
        place.builder().lease(Duration::from_millis(99)).open(),
        Unsupported,
    );
}

#[test]
fn what_is_no_lock_is_told() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        let lock = place.lock_key(&id);
        place.command(&lock, &["SET", &lock, "somebody else's"]);
        assert_kind(store.session(&id).lock(SECOND), Corrupt);
        place.command(&lock, &["DEL", &lock]);
        place.command(&lock, &["LPUSH", &lock, "a"]);
        assert_kind(store.session(&id).lock(SECOND), Corrupt);
        assert_eq!(place.number(&lock, &["LLEN", &lock]), 1);
    }
}
