//! Sole use of a session.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::PersistKey::IdToken;
use logto_core::{Change, SessionId, SessionStore, Storage, StorageErrorKind};
use logto_storage_sqlite::SqliteStore;

use crate::fixture::{Fixture, count};

const SECOND: Duration = Duration::from_secs(1);

impl Fixture {
    /// As another process would that shows no sign of life. Each lease is of another one.
    pub(crate) fn lease_to_another_process(&self, id: &SessionId, lasts: Duration) {
        self.raw()
            .execute(
                "INSERT OR REPLACE INTO leases VALUES (?1, randomblob(32), 0, ?2, NULL)",
                (id.digest(), lasts.as_millis() as i64),
            )
            .unwrap();
    }
}

#[test]
fn a_file_is_the_same_by_another_path() {
    let fixture = Fixture::new();
    let roundabout = fixture.directory.path().join(".").join("sessions.db");
    let other = SqliteStore::open(roundabout).unwrap();
    let id = SessionId::random();
    let (here, there) = (fixture.store.session(&id), other.session(&id));
    let held = here.lock(Duration::ZERO).unwrap();
    assert!(there.lock(Duration::ZERO).is_err());
    drop(held);
    assert!(there.lock(Duration::ZERO).is_ok());
}

#[test]
fn a_lock_is_a_lease_until_it_is_released() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    for _ in 0..3 {
        let held = session.lock(Duration::ZERO).unwrap();
        assert_eq!(count(&fixture.raw(), "leases"), 1);
        drop(held);
        assert_eq!(count(&fixture.raw(), "leases"), 0);
    }
}

#[test]
fn a_session_that_another_process_has_is_busy() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    fixture.lease_to_another_process(&id, 60 * SECOND);
    let started = Instant::now();
    let error = fixture.store.session(&id).lock(SECOND / 10).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Busy);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("another process"), "{error}");
    assert!((SECOND / 10..5 * SECOND).contains(&started.elapsed()));
    let other = fixture.store.session(&SessionId::random());
    assert!(other.lock(Duration::ZERO).is_ok());
}

#[test]
fn a_session_is_had_when_the_other_process_releases_it() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    fixture.lease_to_another_process(&id, 600 * SECOND);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| fixture.store.session(&id).lock(60 * SECOND).is_ok());
        thread::sleep(SECOND / 10);
        let released = Instant::now();
        fixture.raw().execute("DELETE FROM leases", []).unwrap();
        assert!(waiting.join().unwrap());
        assert!(released.elapsed() < 5 * SECOND);
    });
}

#[test]
fn a_lease_that_was_watched_for_as_long_as_it_lasts_is_taken_over() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    fixture.lease_to_another_process(&id, SECOND / 2);
    let started = Instant::now();
    let _held = session.lock(60 * SECOND).unwrap();
    assert!(started.elapsed() >= SECOND / 2);
}

#[test]
fn it_may_be_watched_by_several_calls() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    fixture.lease_to_another_process(&id, SECOND / 2);
    for _ in 0..4 {
        assert!(session.lock(Duration::ZERO).is_err());
        thread::sleep(SECOND / 5);
    }
    assert!(session.lock(Duration::ZERO).is_ok());
}

#[test]
fn the_next_lease_is_watched_from_its_own_beginning() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    for _ in 0..3 {
        fixture.lease_to_another_process(&id, SECOND);
        assert!(session.lock(SECOND / 2).is_err());
    }
}

#[test]
fn no_clock_ends_a_lease() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    fixture.lease_to_another_process(&id, 60 * SECOND);
    for _ in 0..3 {
        fixture.clock.advance(1_000_000 * SECOND);
        assert!(session.lock(SECOND / 100).is_err());
    }
}

#[test]
fn an_endless_lease_fits() {
    let fixture = Fixture::new();
    let endless = fixture.builder().lease(Duration::MAX).open().unwrap();
    let session = endless.session(&SessionId::random());
    let _held = session.lock(Duration::ZERO).unwrap();
    let lasts: i64 = fixture
        .raw()
        .query_row("SELECT lasts FROM leases", [], |row| row.get(0))
        .unwrap();
    assert_eq!(lasts, i64::MAX);
}

#[test]
fn who_held_a_lock_for_too_long_does_not_release_the_next_one() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    let held = session.lock(Duration::ZERO).unwrap();
    fixture.lease_to_another_process(&id, 60 * SECOND);
    drop(held);
    assert_eq!(count(&fixture.raw(), "leases"), 1);
    assert!(session.lock(Duration::ZERO).is_err());
}

#[test]
fn a_process_takes_back_what_it_could_not_release() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    let held = session.lock(Duration::ZERO).unwrap();
    let raw = fixture.raw();
    raw.execute_batch("CREATE TABLE kept AS SELECT * FROM leases")
        .unwrap();
    drop(held);
    raw.execute_batch("INSERT INTO leases SELECT * FROM kept")
        .unwrap();
    drop(session.lock(Duration::ZERO).unwrap());
    assert_eq!(count(&raw, "leases"), 0);
}

#[test]
fn the_leases_of_a_dead_process_go_with_it() {
    let fixture = Fixture::new();
    let (asked_for, forgotten) = (SessionId::random(), SessionId::random());
    let path = fixture.path();
    for id in [&asked_for, &forgotten] {
        drop(fixture.store.session(id).lock(Duration::ZERO).unwrap());
    }
    let id = fs::read(fixture.directory.path().join("sessions.db-alive0")).unwrap();
    drop(fixture.store); // the process of this id is dead now, with two leases
    let raw = rusqlite::Connection::open(&path).unwrap();
    for session in [&asked_for, &forgotten] {
        raw.execute(
            "INSERT INTO leases VALUES (?1, ?2, 7, 60000, 0)",
            (session.digest(), &id),
        )
        .unwrap();
    }
    let store = SqliteStore::open(&path).unwrap();
    let session = store.session(&asked_for);
    let _held = session.lock(Duration::ZERO).unwrap();
    assert_eq!(count(&raw, "leases"), 1);
}

#[test]
fn locks_hold_where_the_files_of_processes_cannot_be_had() {
    let fixture = Fixture::new();
    let slot = fixture.directory.path().join("sessions.db-alive0");
    fs::create_dir(slot).unwrap();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    let held = session.lock(Duration::ZERO).unwrap();
    assert_eq!(count(&fixture.raw(), "leases WHERE slot IS NULL"), 1);
    assert!(session.lock(SECOND / 100).is_err());
    drop(held);
    assert!(session.lock(Duration::ZERO).is_ok());
}

#[test]
fn after_a_panic_in_the_last_write_no_later_one_ends_the_lease() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    let lock = session.lock(Duration::ZERO).unwrap();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        lock.last_write(|| panic::resume_unwind(Box::new("on purpose")))
    }));
    assert!(panicked.is_err());
    session.update(&[Change::set(IdToken, "a")]).unwrap();
    assert!(lock.is_held());
    drop(lock);
    assert_eq!(count(&fixture.raw(), "leases"), 0);
}

#[test]
fn a_last_write_may_be_repeated_and_nested() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&SessionId::random());
    let write = || session.update(&[Change::set(IdToken, "a")]).unwrap();
    let lock = session.lock(Duration::ZERO).unwrap();
    lock.last_write(write);
    lock.last_write(write);
    lock.last_write(|| ());
    drop(lock);

    let lock = session.lock(Duration::ZERO).unwrap();
    lock.last_write(|| {
        lock.last_write(|| ());
        write();
    });
    drop(lock);
    assert_eq!(count(&fixture.raw(), "leases"), 0);
}
