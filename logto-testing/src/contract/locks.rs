//! What [`Storage::lock`] promises. Checks nothing of a backend that does not [lock](Fixture::LOCKS).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{Record, Storage, StorageErrorKind};

use super::Fixture;
use super::support::{PATIENCE, SHORT, Stage, assert_kind, die, load, new_key, save};

fn stage<F: Fixture>() -> Option<Stage<F>> {
    F::LOCKS.then(Stage::new)
}

/// While one has the lock, no other gets it, of this storage or of another one over the place.
pub fn lock_is_held_by_one<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, second) = (new_key(), stage.second_storage());
    let held = stage.storage.lock(&key, PATIENCE).expect("a free lock");
    assert!(held.is_held());
    for storage in [Some(&stage.storage), second.as_ref()]
        .into_iter()
        .flatten()
    {
        let started = Instant::now();
        let outcome = thread::scope(|scope| {
            let other = scope.spawn(|| storage.lock(&key, SHORT).map(drop));
            other.join().expect("a result")
        });
        assert!(started.elapsed() >= SHORT, "it does not wait");
        assert_kind(outcome, StorageErrorKind::Busy);
        let outcome = storage.lock(&key, Duration::ZERO).map(drop);
        assert_kind(outcome, StorageErrorKind::Busy);
    }
    drop(held);
    for storage in [Some(&stage.storage), second.as_ref()]
        .into_iter()
        .flatten()
    {
        drop(storage.lock(&key, PATIENCE).expect("a released lock"));
    }
}

/// A holder that panics releases the lock.
pub fn lock_is_released_by_a_panic<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let key = new_key();
    let died = catch_unwind(AssertUnwindSafe(|| {
        let _held = stage.storage.lock(&key, PATIENCE);
        die()
    }));
    assert!(died.is_err());
    drop(stage.storage.lock(&key, PATIENCE).expect("a released lock"));
}

/// Who loads or saves does not wait for the lock.
pub fn lock_keeps_no_load_and_no_save_waiting<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, record) = stage.session("data", None);
    let held = stage.storage.lock(&key, PATIENCE).expect("a free lock");
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let storage = &*stage.storage;
            let next = Record::new(None, "next");
            save(storage, &key, &next, Some(record.version()));
            assert_eq!(load(storage, &key), Some(next.clone()));
            let (to, moved) = (new_key(), Record::new(None, "moved"));
            let replaced = storage.replace(&key, Some(next.version()), &to, &moved);
            replaced.expect("a replacement");
            storage.remove(&to).expect("a removal");
            sender.send(()).expect("a listener");
        });
        let outcome = done.recv_timeout(PATIENCE);
        drop(held);
        outcome.expect("a call that does not wait for the lock");
    });
}

/// Threads that wait for the lock get it one after the other.
pub fn lock_is_handed_to_each_of_many<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, is_held) = (new_key(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let _lock = stage.storage.lock(&key, PATIENCE).expect("the lock");
                    assert!(!is_held.swap(true, Ordering::SeqCst), "two have the lock");
                    thread::sleep(Duration::from_millis(1));
                    is_held.store(false, Ordering::SeqCst);
                }
            });
        }
    });
}
