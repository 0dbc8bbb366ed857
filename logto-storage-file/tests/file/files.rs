//! Which files there are: none is left behind.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use logto_core::{OwnerDigest, Record, SessionId, SessionOwner, Storage as _};
use logto_core::{StorageErrorKind, files::LockFiles};

use crate::fixture::{Fixture, LIFETIME, key, names, session, write};

const ISSUER: &str = "https://foo.logto.app/oidc";

fn owned_by(sub: &str) -> Record {
    Record::new(Some(SessionOwner::new(ISSUER, sub, Some(sub))), sub)
}

/// Locks a file as another process would.
fn lock(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(path);
    let file = file.unwrap();
    file.try_lock().unwrap();
    file
}

#[test]
fn locks_are_of_a_fixed_number_and_visitors_leave_nothing() {
    let fixture = Fixture::new();
    let (storage, path) = (&fixture.storage, fixture.path());
    for _ in 0..600 {
        let visitor = SessionId::random().key();
        let record = owned_by("alice");
        drop(storage.lock(&visitor, Duration::ZERO).unwrap());
        storage.save(&visitor, &record, None).unwrap();
        storage.remove(&visitor).unwrap();
    }
    let there = names(&path);
    assert_eq!(there, ["locks", "marker", "owners", "turns"]);
    assert!(names(&path.join("owners")).is_empty());
    for locks in ["locks", "turns"] {
        assert!(names(&path.join(locks)).len() <= LockFiles::COUNT);
    }
}

#[test]
fn lock_of_another_process_makes_busy_and_keeps_no_save_waiting() {
    let fixture = Fixture::new();
    fixture.put(0, "a");
    drop(fixture.storage.lock(&session(0), Duration::ZERO).unwrap());
    let held = lock(&fixture.path().join("locks").join("01"));
    let error = fixture.storage.lock(&session(0), Duration::ZERO);
    assert_eq!(error.unwrap_err().kind(), StorageErrorKind::Busy);
    let version = fixture.load(0).unwrap().unwrap().version();
    let new = Record::new(None, "b");
    let saved = fixture.storage.save(&session(0), &new, Some(version));
    saved.unwrap();
    drop(held);
    assert!(fixture.storage.lock(&session(0), Duration::ZERO).is_ok());
}

#[test]
fn write_turn_of_another_process_makes_busy_and_keeps_no_load_waiting() {
    let fixture = Fixture::new();
    let record = fixture.put(0, "a");
    let turn = lock(&fixture.path().join("turns").join("01"));
    let builder = fixture
        .builder(key())
        .busy_timeout(Duration::from_millis(50));
    let storage = builder.open().unwrap();
    let new = Record::new(None, "b");
    let save = || storage.save(&session(0), &new, Some(record.version()));
    assert_eq!(save().unwrap_err().kind(), StorageErrorKind::Busy);
    fixture.clock.advance(LIFETIME / 2);
    assert_eq!(storage.load(&session(0)).unwrap(), Some(record.clone()));
    drop(turn);
    save().unwrap();
}

#[test]
fn temporary_files_of_killed_writers_are_swept() {
    let fixture = Fixture::new();
    let random = session(9).to_hex();
    let left = [
        format!("{}.session.{random}.tmp", session(0).to_hex()),
        format!("marker.{random}.tmp"),
    ]
    .map(|name| fixture.path().join(name));
    let leave = || left.iter().for_each(|path| write(path, b"half a b"));
    let are_left = || left.each_ref().map(|path| path.exists());

    leave();
    fixture.builder(key()).open().unwrap();
    assert_eq!(are_left(), [false, false]);
    leave();
    // A writer lives.
    let turn = lock(&fixture.path().join("turns").join("01"));
    assert_eq!(fixture.storage.purge_expired().unwrap(), 0);
    assert_eq!(are_left(), [true, false]);
    drop(turn);
    assert_eq!(fixture.storage.purge_expired().unwrap(), 0);
    assert_eq!(are_left(), [false, false]);
}

#[test]
fn other_files_are_not_swept() {
    let fixture = Fixture::new();
    let random = session(9).to_hex();
    let others = ["letter.tmp", &format!("letter.{random}.tmp"), "a.session"];
    others
        .iter()
        .for_each(|name| write(&fixture.path().join(name), b"x"));
    fixture.builder(key()).open().unwrap();
    fixture.storage.purge_expired().unwrap();
    assert!(others.iter().all(|name| fixture.path().join(name).exists()));
}

#[test]
fn owner_marks_follow_the_owner_and_end_with_the_session() {
    let fixture = Fixture::new();
    let (storage, marks) = (&fixture.storage, fixture.path().join("owners"));
    let [alice, bob] = ["alice", "bob"].map(owned_by);
    storage.save(&session(0), &alice, None).unwrap();
    let of_alice = names(&marks);
    assert_eq!(of_alice.len(), 2);
    let version = Some(alice.version());
    storage.save(&session(0), &bob, version).unwrap();
    assert!(names(&marks).iter().all(|mark| !of_alice.contains(mark)));
    assert_eq!(names(&marks).len(), 2);
    fixture.clock.advance(LIFETIME * 2);
    assert_eq!(storage.purge_expired().unwrap(), 1);
    assert!(names(&marks).is_empty());
}

#[test]
fn owner_mark_that_lies_finds_nothing_and_is_swept() {
    let fixture = Fixture::new();
    let (storage, marks) = (&fixture.storage, fixture.path().join("owners"));
    storage.save(&session(0), &owned_by("alice"), None).unwrap();
    let mark = names(&marks).remove(0);
    let owner = mark.split_once('.').unwrap().0;
    fixture.put(1, "of nobody");
    for other in [1, 2] {
        write(
            &marks.join(format!("{owner}.{}", session(other).to_hex())),
            b"",
        );
    }
    for digest in [
        OwnerDigest::of_user(ISSUER, "alice"),
        OwnerDigest::of_server_session(ISSUER, "alice"),
    ] {
        assert_eq!(storage.find(&digest).unwrap(), [session(0)]);
    }
    storage.purge_expired().unwrap();
    assert_eq!(names(&marks).len(), 3);
    for number in [0, 1] {
        storage.remove(&session(number)).unwrap();
    }
    storage.purge_expired().unwrap();
    assert!(names(&marks).is_empty());
}

#[test]
fn find_passes_over_what_cannot_be_read() {
    let fixture = Fixture::new();
    for number in [0, 1] {
        let saved = fixture
            .storage
            .save(&session(number), &owned_by("alice"), None);
        saved.unwrap();
    }
    write(&fixture.file(0), b"no box");
    let found = fixture.storage.find(&OwnerDigest::of_user(ISSUER, "alice"));
    assert_eq!(found.unwrap(), [session(1)]);
}

#[test]
fn idle_use_sets_the_time_of_the_file_only() {
    let fixture = Fixture::new();
    fixture.put(0, "a");
    let look = || {
        let modified = fixture.file(0).metadata().unwrap().modified().unwrap();
        (fs::read(fixture.file(0)).unwrap(), modified)
    };
    let before = look();
    fixture.clock.advance(LIFETIME / 25);
    fixture.load(0).unwrap().unwrap();
    assert_eq!(look(), before);
    fixture.clock.advance(LIFETIME / 25);
    fixture.load(0).unwrap().unwrap();
    assert_eq!(look(), (before.0, before.1 + 2 * LIFETIME / 25));
}

#[test]
fn idle_session_frees_its_space_at_a_purge_though_it_cannot_be_read() {
    let fixture = Fixture::new();
    write(&fixture.file(0), b"no box");
    assert_eq!(fixture.storage.purge_expired().unwrap(), 0);
    fixture.clock.advance(LIFETIME * 2);
    assert!(fixture.load(0).unwrap().is_none());
    assert_eq!(fixture.storage.purge_expired().unwrap(), 1);
    assert!(!fixture.file(0).exists());
}
