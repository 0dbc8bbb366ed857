//! What [`Storage`] promises: one check for each promise, given an empty storage. A check panics if
//! the promise is not kept.

use std::thread;

use logto_core::PersistKey::{AccessTokenMap, IdToken, RefreshToken, SignInSession};
use logto_core::{Change, PersistKey, Storage, StorageErrorKind};

use super::support::{
    PATIENCE, SHORT, assert_busy, assert_value, count_up, counted, die, for_a_while, get, lock,
    set, try_lock, while_held,
};

/// A check of one promise.
pub type Check = fn(&dyn Storage);

/// Every check, by its name.
pub const ALL: &[(&str, Check)] = crate::__storage_promises!(__list as Check);

/// Names the checks to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __storage_promises {
    ($then:ident $($arguments:tt)*) => {
        $crate::$then! {
            [$($arguments)*]
            [
                a_value_is_absent_at_first
                every_key_has_its_own_value
                a_value_replaces_the_one_before
                a_removed_value_is_absent
                removing_what_is_absent_is_no_error
                an_empty_value_is_not_absent
                any_unicode_comes_back
                a_mebibyte_comes_back
                an_update_makes_all_its_changes
                the_last_change_of_a_key_counts
                an_empty_update_changes_nothing
                nobody_sees_half_an_update
                an_unsynced_update_is_seen_at_once
                many_threads_set_and_get_at_once
                a_lock_excludes_other_threads
                a_lock_that_is_held_is_busy_in_time
                a_lock_is_waited_for
                a_lock_is_released_on_drop
                a_lock_is_released_when_its_holder_panics
                a_last_write_under_a_lock_is_kept_and_the_lock_is_free_after_it
                a_write_under_a_lock_to_write_is_kept_and_the_lock_is_free_after_it
                a_write_that_is_a_conflict_changes_nothing
                a_lock_blocks_no_reads_and_writes
                nothing_counted_under_the_lock_is_lost
                debug_shows_no_value
            ]
        }
    };
}

/// A value that was never set is `None`, whatever else is set.
pub fn a_value_is_absent_at_first(storage: &dyn Storage) {
    for key in PersistKey::ALL {
        assert_value(storage, key, None);
    }
    set(storage, IdToken, "value");
    assert_value(storage, RefreshToken, None);
}

/// Each key of [`PersistKey::ALL`] is set, read and removed apart from the others.
pub fn every_key_has_its_own_value(storage: &dyn Storage) {
    for key in PersistKey::ALL {
        set(storage, key, key.as_str());
    }
    for key in PersistKey::ALL {
        assert_value(storage, key, Some(key.as_str()));
    }
}

/// A value is there until it is set again, and nothing of it after that.
pub fn a_value_replaces_the_one_before(storage: &dyn Storage) {
    for value in ["first", "the second, which is longer", "third", "third"] {
        set(storage, IdToken, value);
        assert_value(storage, IdToken, Some(value));
    }
}

/// Setting `None` removes the value of the key, and no other.
pub fn a_removed_value_is_absent(storage: &dyn Storage) {
    for removed in PersistKey::ALL {
        for key in PersistKey::ALL {
            set(storage, key, "value");
        }
        storage.set(removed, None).unwrap();
        for key in PersistKey::ALL {
            let expected = (key != removed).then_some("value");
            assert_value(storage, key, expected);
        }
    }
}

/// Removing a value that is not there is no error, and the next one can be set.
pub fn removing_what_is_absent_is_no_error(storage: &dyn Storage) {
    for key in PersistKey::ALL {
        storage.set(key, None).unwrap();
        storage.update(&[Change::remove(key)]).unwrap();
    }
    set(storage, IdToken, "value");
    storage.set(RefreshToken, None).unwrap();
    assert_value(storage, IdToken, Some("value"));
}

/// The empty string is a value.
pub fn an_empty_value_is_not_absent(storage: &dyn Storage) {
    set(storage, IdToken, "");
    assert_value(storage, IdToken, Some(""));
}

/// Values come back byte for byte: NUL, line ends, quotes, what looks like a number, combining and
/// unassigned characters.
pub fn any_unicode_comes_back(storage: &dyn Storage) {
    for value in [
        " ",
        "\0",
        "before\0after\0",
        "\u{feff}mark",
        "\r\n\t\u{1b}\u{7f}\u{85}\u{2028}",
        "\"';--\\{}%00<&>",
        "007",
        "1e5",
        "null",
        "\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}",
        "\u{10000}\u{10ffff}",
        "e\u{301} é 👩‍👩‍👧 \u{202e}",
    ] {
        set(storage, IdToken, value);
        assert_value(storage, IdToken, Some(value));
        storage.update(&[Change::set(RefreshToken, value)]).unwrap();
        assert_value(storage, RefreshToken, Some(value));
    }
}

/// Values of a mebibyte come back byte for byte, whatever characters they are made of.
pub fn a_mebibyte_comes_back(storage: &dyn Storage) {
    for character in ["x", "\0", "é", "\u{10ffff}"] {
        let value = character.repeat((1 << 20) / character.len());
        set(storage, AccessTokenMap, &value);
        assert_value(storage, AccessTokenMap, Some(&value));
    }
}

/// [`Storage::update`] sets and removes whatever it is told to, and nothing else.
pub fn an_update_makes_all_its_changes(storage: &dyn Storage) {
    set(storage, SignInSession, "removed");
    set(storage, AccessTokenMap, "kept");
    set(storage, IdToken, "replaced");
    let changes = [
        Change::set(IdToken, "id"),
        Change::remove(SignInSession),
        Change::set(RefreshToken, "refresh"),
    ];
    storage.update(&changes).unwrap();
    assert_value(storage, IdToken, Some("id"));
    assert_value(storage, RefreshToken, Some("refresh"));
    assert_value(storage, SignInSession, None);
    assert_value(storage, AccessTokenMap, Some("kept"));
}

/// Where an update names a key twice, the last change counts.
pub fn the_last_change_of_a_key_counts(storage: &dyn Storage) {
    let (a, b) = (Change::set(IdToken, "a"), Change::set(IdToken, "b"));
    let remove = Change::remove(IdToken);
    for (changes, expected) in [
        ([a, b], Some("b")),
        ([b, remove], None),
        ([remove, a], Some("a")),
    ] {
        storage.update(&changes).unwrap();
        assert_value(storage, IdToken, expected);
    }
}

/// An update without changes is no error and changes nothing.
pub fn an_empty_update_changes_nothing(storage: &dyn Storage) {
    storage.update(&[]).unwrap();
    assert_value(storage, IdToken, None);
    set(storage, IdToken, "value");
    storage.update(&[]).unwrap();
    assert_value(storage, IdToken, Some("value"));
}

/// Who reads while an update is made sees what was before or what is after.
pub fn nobody_sees_half_an_update(storage: &dyn Storage) {
    thread::scope(|scope| {
        scope.spawn(|| {
            for_a_while(|round| {
                let number = round.to_string();
                let changes = [IdToken, RefreshToken].map(|key| Change::set(key, &number));
                storage.update(&changes).unwrap();
            });
        });
        for_a_while(|_| {
            let before = get(storage, IdToken);
            let other = get(storage, RefreshToken);
            // If it is the same before and after, no update was made in between.
            if get(storage, IdToken) == before {
                assert_eq!(before, other, "half an update was seen");
            }
        });
    });
}

/// [`Storage::update_unsynced`] changes what [`Storage::update`] would, and whoever reads afterwards sees it.
pub fn an_unsynced_update_is_seen_at_once(storage: &dyn Storage) {
    set(storage, SignInSession, "removed");
    set(storage, AccessTokenMap, "kept");
    let changes = [
        Change::set(IdToken, "id"),
        Change::remove(SignInSession),
        Change::set(RefreshToken, "refresh"),
    ];
    storage.update_unsynced(&changes).unwrap();
    assert_value(storage, IdToken, Some("id"));
    assert_value(storage, RefreshToken, Some("refresh"));
    assert_value(storage, SignInSession, None);
    assert_value(storage, AccessTokenMap, Some("kept"));
    storage.update(&[Change::set(IdToken, "later")]).unwrap();
    assert_value(storage, IdToken, Some("later"));
    assert_value(storage, RefreshToken, Some("refresh"));
}

/// Threads that set and get at once see whole values and no errors.
pub fn many_threads_set_and_get_at_once(storage: &dyn Storage) {
    thread::scope(|scope| {
        let threads = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|letter| {
            scope.spawn(move || {
                for round in 1..=20 {
                    let length = 100 * round;
                    set(
                        storage,
                        IdToken,
                        &format!("{length} {}", letter.repeat(length)),
                    );
                    assert_is_whole(&get(storage, IdToken).expect("a value"));
                }
            })
        });
        while threads.iter().any(|thread| !thread.is_finished()) {
            get(storage, IdToken).as_deref().map(assert_is_whole);
        }
    });
}

fn assert_is_whole(value: &str) {
    let (length, letters) = value.split_once(' ').expect("a length");
    assert_eq!(length, letters.len().to_string());
    let first = letters.chars().next();
    assert!(letters.chars().all(|letter| Some(letter) == first));
}

/// While one thread holds the lock, no other has it.
pub fn a_lock_excludes_other_threads(storage: &dyn Storage) {
    let other = while_held(lock(storage), || try_lock(storage));
    assert!(!matches!(other, Some(Ok(()))), "the lock was had twice");
}

/// Who waits for a lock that is held gets [`Busy`](logto_core::StorageErrorKind::Busy) when the
/// timeout is over.
pub fn a_lock_that_is_held_is_busy_in_time(storage: &dyn Storage) {
    assert_busy(while_held(lock(storage), || try_lock(storage)));
}

/// Who waits for a lock has it when it is released.
pub fn a_lock_is_waited_for(storage: &dyn Storage) {
    thread::scope(|scope| {
        let held = lock(storage);
        let waiting = scope.spawn(|| storage.lock(PATIENCE).map(drop));
        thread::sleep(SHORT);
        drop(held);
        let outcome = waiting.join().expect("no panic");
        outcome.expect("the lock, when it was released");
    });
}

/// A lock that was dropped is free.
pub fn a_lock_is_released_on_drop(storage: &dyn Storage) {
    for _ in 0..3 {
        drop(lock(storage));
    }
    let elsewhere = thread::scope(|scope| scope.spawn(|| drop(lock(storage))).join());
    assert!(elsewhere.is_ok(), "the lock was not released");
}

/// The lock of a thread that panicked is free.
pub fn a_lock_is_released_when_its_holder_panics(storage: &dyn Storage) {
    let holder = thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _held = lock(storage);
            die()
        });
        holder.join()
    });
    assert!(holder.is_err());
    drop(lock(storage));
}

/// A write that may end the lock is a write like any other, and the lock is free when it is dropped.
pub fn a_last_write_under_a_lock_is_kept_and_the_lock_is_free_after_it(storage: &dyn Storage) {
    let (durable, unsynced) = ([Change::set(IdToken, "1")], [Change::set(IdToken, "2")]);
    let held = lock(storage);
    held.last_write(|| storage.update(&durable)).unwrap();
    assert_value(storage, IdToken, Some("1"));
    drop(held);

    let held = lock(storage);
    let written = held.last_write(|| storage.update_unsynced(&unsynced));
    written.unwrap();
    assert_value(storage, IdToken, Some("2"));
    drop(held);
    drop(lock(storage));
    assert_value(storage, IdToken, Some("2"));
}

/// The write under a lock to write is a write like any other, and the lock is free when it is dropped, with
/// or without one.
pub fn a_write_under_a_lock_to_write_is_kept_and_the_lock_is_free_after_it(storage: &dyn Storage) {
    for value in ["1", "2"] {
        let changes = [Change::set(IdToken, value), Change::remove(RefreshToken)];
        let held = storage.lock_to_write(PATIENCE).expect("a free lock");
        held.last_write(|| storage.update(&changes)).unwrap();
        drop(held);
        assert_value(storage, IdToken, Some(value));
        drop(storage.lock_to_write(PATIENCE).expect("a free lock"));
        drop(lock(storage));
    }
    let held = storage.lock_to_write(PATIENCE).expect("a free lock");
    let changes = [Change::set(IdToken, "3")];
    let written = held.last_write(|| storage.update_unsynced(&changes));
    written.unwrap();
    assert_value(storage, IdToken, Some("3"));
}

/// A write under a lock to write, before which another thread has written without a lock, is made as a
/// whole; or it is a [`Conflict`](StorageErrorKind::Conflict), and changes nothing.
pub fn a_write_that_is_a_conflict_changes_nothing(storage: &dyn Storage) {
    let held = storage.lock_to_write(PATIENCE).expect("a free lock");
    thread::scope(|scope| {
        let other = scope.spawn(|| set(storage, IdToken, "another thread's"));
        other.join().expect("no panic");
    });
    let changes = [
        Change::set(IdToken, "ours"),
        Change::set(RefreshToken, "too"),
    ];
    match held.last_write(|| storage.update(&changes)) {
        Ok(()) => {
            assert_value(storage, IdToken, Some("ours"));
            assert_value(storage, RefreshToken, Some("too"));
        }
        Err(error) => {
            assert_eq!(error.kind(), StorageErrorKind::Conflict, "{error:?}");
            assert_value(storage, IdToken, Some("another thread's"));
            assert_value(storage, RefreshToken, None);
        }
    }
}

/// Others read and write while the lock is held.
pub fn a_lock_blocks_no_reads_and_writes(storage: &dyn Storage) {
    set(storage, IdToken, "before");
    let done = while_held(lock(storage), || {
        assert_value(storage, IdToken, Some("before"));
        set(storage, IdToken, "meanwhile");
        storage.update(&[Change::remove(IdToken)]).unwrap();
    });
    assert!(done.is_some(), "reads or writes wait for the lock");
}

/// Threads that read, add one and write under the lock, or under one to write, lose no count.
pub fn nothing_counted_under_the_lock_is_lost(storage: &dyn Storage) {
    const THREADS: usize = 8;
    const ROUNDS: usize = 10;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..ROUNDS).for_each(|round| count_up(storage, round)));
        }
    });
    assert_eq!(counted(storage), THREADS * ROUNDS);
}

/// `Debug` does not show values, also while the lock is held.
pub fn debug_shows_no_value(storage: &dyn Storage) {
    set(storage, RefreshToken, "a-secret-value");
    let held = lock(storage);
    let shown = format!("{storage:?} {storage:#?} {held:?}");
    assert!(!shown.contains("a-secret-value"), "{shown}");
}
