//! What [`Storage::replace`] promises: a new session in the place of another.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use logto_core::{Record, Storage};

use super::Fixture;
use super::support::{Stage, assert_conflict, found, load, new_key, owner, user, visited};

/// The new session is under the new key, and nothing is under the old one.
pub fn replace_moves_the_session_and_its_owner<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (other, other_record) = stage.session("other", None);
    let (from, record) = stage.session("old", Some(owner("alice")));
    let (to, new) = (new_key(), Record::new(Some(owner("bob")), "new"));
    let replaced = stage
        .storage
        .replace(&from, Some(record.version()), &to, &new);
    replaced.expect("a replacement");
    stage.assert_absent(&from);
    stage.assert_holds(&to, &new);
    stage.assert_holds(&other, &other_record);
    if F::FINDS_OWNERS {
        assert_eq!(found(&*stage.storage, &user("alice")), []);
        assert_eq!(found(&*stage.storage, &user("bob")), [to]);
    }
    if F::LISTS_SESSIONS {
        let mut expected = [other, to];
        expected.sort();
        assert_eq!(visited(&*stage.storage), expected);
    }
}

/// Where nothing is replaced, nothing must be there.
pub fn replace_of_an_absent_session_expects_none<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (from, to, new) = (new_key(), new_key(), Record::new(None, "new"));
    let version = Some(new.version());
    assert_conflict(stage.storage.replace(&from, version, &to, &new));
    stage.assert_absent(&to);
    let replaced = stage.storage.replace(&from, None, &to, &new);
    replaced.expect("a replacement of nothing");
    stage.assert_absent(&from);
    stage.assert_holds(&to, &new);
}

/// A replacement that expects another version is refused.
pub fn replace_of_another_version_changes_nothing<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (from, record) = stage.session("old", Some(owner("alice")));
    let (to, new) = (new_key(), Record::new(None, "new"));
    for expected in [None, Some(new.version())] {
        assert_conflict(stage.storage.replace(&from, expected, &to, &new));
    }
    stage.assert_holds(&from, &record);
    stage.assert_absent(&to);
}

/// A replacement overwrites no other session.
pub fn replace_onto_a_session_changes_nothing<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (from, record) = stage.session("old", None);
    let (to, there) = stage.session("there", Some(owner("alice")));
    let new = Record::new(None, "new");
    let version = Some(record.version());
    assert_conflict(stage.storage.replace(&from, version, &to, &new));
    stage.assert_holds(&from, &record);
    stage.assert_holds(&to, &there);
}

/// Of many replacements of one session onto one key, one succeeds.
pub fn replace_lets_one_of_many_win<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    for _ in 0..10 {
        let (from, old) = stage.session("old", None);
        let (to, won, barrier) = (new_key(), AtomicUsize::new(0), Barrier::new(4));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (stage, won, barrier) = (&stage, &won, &barrier);
                let version = Some(old.version());
                scope.spawn(move || {
                    let new = Record::new(None, thread.to_string());
                    barrier.wait();
                    match stage.storage.replace(&from, version, &to, &new) {
                        Ok(()) => _ = won.fetch_add(1, Ordering::SeqCst),
                        Err(error) => assert!(error.is_retryable(), "{error:?}"),
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1, "replacements have succeeded");
        stage.assert_absent(&from);
        assert!(load(&*stage.storage, &to).is_some());
    }
}
