//! Readers and writers at once.

use std::thread;
use std::time::{Duration, Instant};

use logto_core::{Record, Storage as _, StorageErrorKind};

use crate::fixture::{LIFETIME, Scene};

#[test]
fn busy_writer_keeps_no_reader_waiting() {
    let scene = Scene::new();
    let (key, record) = scene.session("a");
    let raw = scene.sqlite.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Long enough ago for the load to be noted, which cannot be done now.
    scene.clock.advance(LIFETIME / 2);
    let started = Instant::now();
    assert_eq!(scene.storage.load(&key).unwrap(), Some(record));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn busy_timeout_ends_a_write_that_waits_and_nothing_changes() {
    let scene = Scene::new();
    let (key, record) = scene.session("a");
    let short = Duration::from_millis(20);
    let storage = scene.builder().busy_timeout(short).open().unwrap();
    let raw = scene.sqlite.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let next = Record::new(None, "b");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let saved = storage.save(&key, &next, Some(record.version()));
                let error = saved.unwrap_err();
                assert_eq!(error.kind(), StorageErrorKind::Busy);
                assert!(error.is_retryable());
            });
        }
    });
    raw.execute_batch("ROLLBACK").unwrap();
    assert_eq!(storage.load(&key).unwrap(), Some(record.clone()));
    storage.save(&key, &next, Some(record.version())).unwrap();
}

#[test]
fn busy_timeout_of_any_length_is_no_overflow() {
    let scene = Scene::new();
    let builder = scene.builder().busy_timeout(Duration::MAX);
    let (key, _) = scene.session("a");
    builder.open().unwrap().remove(&key).unwrap();
}

#[test]
fn purge_leaves_other_writers_their_turn() {
    let scene = Scene::new();
    for _ in 0..300 {
        scene.session("expired");
    }
    scene.clock.advance(2 * LIFETIME);
    let (key, mut record) = scene.session("living");
    thread::scope(|scope| {
        let purge = scope.spawn(|| scene.storage.purge_expired().unwrap());
        for _ in 0..20 {
            let next = Record::new(None, "next");
            let saved = scene.storage.save(&key, &next, Some(record.version()));
            saved.unwrap();
            record = next;
        }
        assert_eq!(purge.join().unwrap(), 300);
    });
    assert_eq!(scene.storage.load(&key).unwrap(), Some(record));
}

#[test]
fn checkpoints_keep_the_log_short() {
    let scene = Scene::new();
    let data = "x".repeat(400_000);
    let (key, mut record) = scene.session(&data);
    for _ in 0..60 {
        let next = Record::new(None, &*data);
        let saved = scene.storage.save(&key, &next, Some(record.version()));
        saved.unwrap();
        record = next;
    }
    let mut log = scene.sqlite.path().into_os_string();
    log.push("-wal");
    // SQLite copies the log at 1 000 pages of 4 KiB; what was written is five times as long.
    let length = std::fs::metadata(log).unwrap().len();
    assert!(length < 8_000_000, "{length}");
}

#[test]
fn clone_is_shareable_and_outlives_what_it_was_cloned_from() {
    fn shareable<T: Send + Sync + Clone + 'static>(_: &T) {}
    let scene = Scene::new();
    shareable(&scene.storage);
    let (key, record) = scene.session("a");
    let clone = scene.storage.clone();
    drop(scene.storage);
    assert_eq!(clone.load(&key).unwrap(), Some(record));
}
