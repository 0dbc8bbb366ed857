//! The lock, and places that are open twice, in one process or in several. A check does nothing if the
//! backend's lock excludes nobody ([`Fixture::LOCKS`]), or if the place is not open to others
//! ([`Fixture::SHARED`], [`Fixture::place`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{Storage, Version};

use super::Fixture;
use super::processes::{COUNTS, Player, SHARED_SESSION};
use super::support::{
    SHORT, Stage, assert_absent, assert_busy, assert_conflict, assert_record, at_once, count,
    count_up, create, die, find, has_won, key, load, lock, owned, owner, record, remove, save,
    try_lock, visited, while_held,
};

/// While a thread holds the lock, no other has it.
pub fn lock_excludes_other_threads<F: Fixture>(stage: &Stage<F>) {
    if !F::LOCKS {
        return;
    }
    let (storage, session) = (stage.open(), key());
    excludes(&storage, &storage, &session);
    create(&storage, &session, "a");
    excludes(&storage, &storage, &session);
    excludes(&storage, &storage, &logto_core::SessionKey::ONLY);
    let is_held = AtomicBool::new(false);
    at_once(6, |_| {
        for _ in 0..5 {
            let held = lock(&storage, &session);
            assert!(held.is_held());
            assert!(!is_held.swap(true, Ordering::SeqCst), "two hold the lock");
            thread::sleep(Duration::from_millis(1));
            is_held.store(false, Ordering::SeqCst);
        }
    });
}

fn excludes(storage: &dyn Storage, other: &dyn Storage, session: &logto_core::SessionKey) {
    let held = lock(storage, session);
    assert_busy(while_held(held, || try_lock(other, session)));
    drop(lock(other, session));
}

/// A lock that is held is waited for, as long as the timeout says.
pub fn lock_is_waited_for_until_the_timeout<F: Fixture>(stage: &Stage<F>) {
    if !F::LOCKS {
        return;
    }
    let (storage, session) = (stage.open(), key());
    let held = lock(&storage, &session);
    let waited = while_held(held, || {
        let started = Instant::now();
        assert_busy(Some(try_lock(&storage, &session)));
        started.elapsed()
    });
    let waited = waited.expect("the lock is waited for long after the timeout");
    assert!(waited >= SHORT / 2, "only {waited:?} were waited");
    thread::scope(|scope| {
        let held = lock(&storage, &session);
        scope.spawn(|| drop(lock(&storage, &session)));
        thread::sleep(SHORT);
        drop(held);
    });
}

/// A lock is free when it was dropped, and when its holder has panicked.
pub fn lock_is_released_on_drop_and_on_panic<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    (0..3).for_each(|_| drop(lock(&storage, &session)));
    for _ in 0..2 {
        let outcome = thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let _held = lock(&storage, &session);
                die();
            });
            holder.join()
        });
        assert!(outcome.is_err());
        drop(lock(&storage, &session));
        create(&storage, &key(), "after a panic");
    }
}

/// Nobody needs the lock, or waits for it, but who wants the lock.
pub fn lock_blocks_no_loads_and_saves<F: Fixture>(stage: &Stage<F>) {
    let (storage, session, other) = (stage.open(), key(), key());
    let alice = owner("alice", None);
    let old = create(&storage, &session, "old");
    let record_of_other = create(&storage, &other, "other");
    let held = lock(&storage, &session);
    let outcome = while_held(held, || {
        assert_record(&storage, &other, &record_of_other);
        assert_record(&storage, &session, &old);
        let new = owned(alice);
        save(&storage, &session, &new, Some(old.version()));
        if F::FINDS_OWNERS {
            assert_eq!(find(&storage, alice.user()), [session]);
        }
        if F::LISTS_SESSIONS {
            assert_eq!(visited(&storage).len(), 2);
        }
        let to = key();
        let replaced = storage.replace(&session, Some(new.version()), &to, &record("b"));
        replaced.expect("a session is replaced while its lock is held");
        storage.purge_expired().expect("a purge");
        remove(&storage, &to);
        remove(&storage, &session);
    });
    assert!(outcome.is_some(), "a call fails, or waits for the lock");
}

/// The lock of one storage excludes another storage over the place.
pub fn lock_excludes_another_storage_over_the_place<F: Fixture>(stage: &Stage<F>) {
    let Some([one, other]) = stage.open_twice().filter(|_| F::LOCKS) else {
        return;
    };
    let session = key();
    excludes(&one, &other, &session);
    excludes(&other, &one, &session);
}

/// Storages over one place have the same sessions.
pub fn shared_place_has_the_same_sessions<F: Fixture>(stage: &Stage<F>) {
    let Some([one, other]) = stage.open_twice() else {
        return;
    };
    let (session, to, alice) = (key(), key(), owner("alice", None));
    assert_absent(&other, &session);
    let old = create(&one, &session, "old");
    assert_record(&other, &session, &old);
    let new = owned(alice);
    save(&other, &session, &new, Some(old.version()));
    assert_record(&one, &session, &new);
    assert_conflict(one.save(&session, &record("late"), Some(old.version())));
    if F::FINDS_OWNERS {
        assert_eq!(find(&one, alice.user()), [session]);
    }
    if F::LISTS_SESSIONS {
        assert_eq!(visited(&one), [session]);
    }
    let replaced = other.replace(&session, Some(new.version()), &to, &record("b"));
    replaced.expect("a session is replaced");
    assert_absent(&one, &session);
    remove(&one, &to);
    assert_absent(&other, &to);
}

/// Of those who save through storages over one place, one wins, and no count is lost.
pub fn shared_place_has_one_winner<F: Fixture>(stage: &Stage<F>) {
    let Some(storages) = stage.open_twice() else {
        return;
    };
    let session = key();
    let mut expected: Option<Version> = None;
    for round in 0..10 {
        let records = [(); 4].map(|()| record("raced for"));
        let won = at_once(4, |number| {
            has_won(storages[number % 2].save(&session, &records[number], expected))
        });
        let winners: Vec<_> = (0..4).filter(|number| won[*number]).collect();
        assert_eq!(winners.len(), 1, "in round {round} {winners:?} have won");
        for storage in &storages {
            assert_record(storage, &session, &records[winners[0]]);
        }
        expected = Some(records[winners[0]].version());
    }
    let counted = key();
    at_once(4, |number| {
        (0..5).for_each(|_| count_up(&storages[number % 2], &counted));
    });
    assert_eq!(count(load(&storages[0], &counted).as_ref()), 20);
}

/// A record that one process saves is loaded by another.
pub fn processes_have_the_same_sessions<F: Fixture>(stage: &Stage<F>) {
    if stage.shared_place().is_none() {
        return;
    }
    let storage = stage.open();
    let question = create(&storage, &SHARED_SESSION, "question");
    let player = stage.start("answer");
    assert_eq!(player.hear(), "question");
    let answer = load(&storage, &SHARED_SESSION).expect("the answer");
    assert_eq!(answer.data(), "answer");
    player.finish();
    assert_conflict(storage.save(&SHARED_SESSION, &record(""), Some(question.version())));
}

/// Processes that load, add one and save lose no count.
pub fn processes_lose_no_count<F: Fixture>(stage: &Stage<F>) {
    if stage.shared_place().is_none() {
        return;
    }
    let storage = stage.open();
    let mut players = [(); 3].map(|()| stage.start("count"));
    for player in &players {
        assert_eq!(player.hear(), "ready");
    }
    players.iter_mut().for_each(Player::end_input);
    players.into_iter().for_each(Player::finish);
    assert_eq!(count(load(&storage, &SHARED_SESSION).as_ref()), 3 * COUNTS);
}

/// While one process holds the lock, no other has it.
pub fn lock_excludes_other_processes<F: Fixture>(stage: &Stage<F>) {
    if !F::LOCKS || stage.shared_place().is_none() {
        return;
    }
    let storage = stage.open();
    let held = lock(&storage, &SHARED_SESSION);
    let player = stage.start("try the lock");
    assert_eq!(player.hear(), "busy");
    player.finish();
    drop(held);

    let holder = stage.start("hold the lock");
    assert_eq!(holder.hear(), "held");
    assert_busy(Some(try_lock(&storage, &SHARED_SESSION)));
    holder.finish();
    drop(lock(&storage, &SHARED_SESSION));
}

/// The lock of a process that is killed is had within [`Fixture::lock_recovery`].
pub fn lock_is_released_when_its_process_is_killed<F: Fixture>(stage: &Stage<F>) {
    if !F::LOCKS || stage.shared_place().is_none() {
        return;
    }
    let storage = stage.open();
    for _ in 0..2 {
        let holder = stage.start("hold the lock");
        assert_eq!(holder.hear(), "held");
        holder.kill();
        let next = storage.lock(&SHARED_SESSION, F::lock_recovery());
        let held = next.expect("the lock of a process that was killed");
        assert_busy(while_held(held, || try_lock(&storage, &SHARED_SESSION)));
    }
}
