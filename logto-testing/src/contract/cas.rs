//! What [`Storage::save`] promises: it compares and swaps.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use logto_core::{Record, Storage, StorageErrorKind};

use super::Fixture;
use super::support::{
    Stage, assert_conflict, assert_holds, count_of, count_up, load, new_key, owner, save,
};

const THREADS: usize = 8;

/// A session that is there is not saved as a new one.
pub fn cas_of_a_new_session_expects_none<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, record) = stage.session("first", None);
    assert_conflict(stage.storage.save(&key, &Record::new(None, "second"), None));
    assert_conflict(stage.storage.save(&key, &record, None));
    stage.assert_holds(&key, &record);
}

/// A save that expects another version than the one that is there is refused.
pub fn cas_of_another_version_is_a_conflict<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, first) = stage.session("same", None);
    let second = Record::new(None, "same");
    save(&*stage.storage, &key, &second, Some(first.version()));
    let (other, other_record) = stage.session("same", None);
    for wrong in [&first, &other_record] {
        let third = Record::new(None, "third");
        let saved = stage.storage.save(&key, &third, Some(wrong.version()));
        assert_conflict(saved);
    }
    stage.assert_holds(&key, &second);
    stage.assert_holds(&other, &other_record);
}

/// A save that expects a version of a session that is not there is refused, and makes none.
pub fn cas_of_an_absent_session_is_a_conflict<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, record) = (new_key(), Record::new(None, "data"));
    assert_conflict(stage.storage.save(&key, &record, Some(record.version())));
    stage.assert_absent(&key);
}

/// A session that was removed and made again is another one.
pub fn cas_tells_a_remade_session_from_the_removed_one<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, old) = stage.session("data", None);
    stage.storage.remove(&key).expect("a removal");
    let next = Record::new(None, "next");
    assert_conflict(stage.storage.save(&key, &next, Some(old.version())));
    stage.assert_absent(&key);
    let new = Record::new(None, "data");
    save(&*stage.storage, &key, &new, None);
    assert_conflict(stage.storage.save(&key, &next, Some(old.version())));
    stage.assert_holds(&key, &new);
}

/// A refused save leaves the record and its owner as they were.
pub fn cas_conflict_changes_nothing<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, record) = stage.session("data", Some(owner("alice")));
    let other = Record::new(Some(owner("bob")), "other");
    assert_conflict(stage.storage.save(&key, &other, None));
    assert_conflict(stage.storage.save(&key, &other, Some(other.version())));
    stage.assert_holds(&key, &record);
    if F::FINDS_OWNERS {
        let by = |name| super::support::found(&*stage.storage, &super::support::user(name));
        assert_eq!((by("alice"), by("bob")), (vec![key], vec![]));
    }
    let next = Record::new(None, "next");
    save(&*stage.storage, &key, &next, Some(record.version()));
    stage.assert_holds(&key, &next);
}

/// Of many threads that expect one version, one saves.
pub fn cas_lets_one_of_many_win<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    for round in 0..20 {
        let (key, first) = stage.session("first", None);
        let expected = (round % 2 == 0).then(|| first.version());
        let key = match expected {
            Some(_) => key,
            None => new_key(),
        };
        let (barrier, won) = (Barrier::new(THREADS), AtomicUsize::new(0));
        let records: Vec<_> = (0..THREADS)
            .map(|thread| Record::new(None, thread.to_string()))
            .collect();
        thread::scope(|scope| {
            for record in &records {
                let (stage, barrier, won) = (&stage, &barrier, &won);
                scope.spawn(move || {
                    barrier.wait();
                    match stage.storage.save(&key, record, expected) {
                        Ok(()) => {
                            won.fetch_add(1, Ordering::SeqCst);
                            // Nobody can have come after it.
                            assert_holds(&*stage.storage, &key, record);
                        }
                        Err(error) => assert!(
                            matches!(
                                error.kind(),
                                StorageErrorKind::Conflict | StorageErrorKind::Busy
                            ),
                            "{error:?}"
                        ),
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1, "saves of one version have succeeded");
    }
}

/// Threads that load, add one and save, again on a conflict, lose no count.
pub fn cas_loses_no_count<F: Fixture>(_: &str) {
    const COUNTS: usize = 10;

    let stage = Stage::<F>::new();
    let key = new_key();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..COUNTS).for_each(|_| count_up(&*stage.storage, &key)));
        }
    });
    let record = load(&*stage.storage, &key).expect("the count");
    assert_eq!(count_of(&record), THREADS * COUNTS);
}

/// Two storages over one place see each other's saves, and compare with them.
pub fn cas_holds_among_storages_over_one_place<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let Some(second) = stage.second_storage() else {
        return;
    };
    let (key, first) = stage.session("first", Some(owner("alice")));
    assert_holds(&*second, &key, &first);
    let next = Record::new(None, "next");
    save(&*second, &key, &next, Some(first.version()));
    stage.assert_holds(&key, &next);
    let late = Record::new(None, "late");
    assert_conflict(stage.storage.save(&key, &late, Some(first.version())));
    second.remove(&key).expect("a removal");
    stage.assert_absent(&key);
    assert_conflict(stage.storage.save(&key, &late, Some(next.version())));
}
