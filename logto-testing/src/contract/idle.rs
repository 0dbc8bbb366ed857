//! The idle lifetime. The checks do nothing if the backend has none ([`Fixture::EXPIRES`]).

use std::time::Duration;

use super::Fixture;
use super::support::{
    Stage, assert_absent, assert_conflict, assert_record, create, find, key, load, owned, owner,
    record, remove, save, visited,
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A session that nobody uses is there as long as its lifetime says.
pub fn idle_session_lives_for_its_lifetime<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let saved = create(&storage, &session, "a");
    stage.pass(98);
    assert_record(&storage, &session, &saved);
}

/// A session that was unused for longer is absent, although nobody purged.
pub fn idle_session_is_absent_on_read<F: Fixture>(stage: &Stage<F>) {
    if !F::EXPIRES {
        return;
    }
    let (storage, session) = (stage.open(), key());
    create(&storage, &session, "a");
    stage.pass(101);
    assert_absent(&storage, &session);
    assert_absent(&storage, &session);
    remove(&storage, &session);
}

/// A save takes an expired session for none.
pub fn idle_session_is_absent_to_a_save<F: Fixture>(stage: &Stage<F>) {
    if !F::EXPIRES {
        return;
    }
    let (storage, session) = (stage.open(), key());
    let old = create(&storage, &session, "old");
    stage.pass(101);
    assert_conflict(storage.save(&session, &record("new"), Some(old.version())));
    assert_absent(&storage, &session);
    let new = create(&storage, &session, "new");
    assert_record(&storage, &session, &new);
}

/// A replacement takes an expired session for none, on both sides.
pub fn idle_session_is_absent_to_a_replacement<F: Fixture>(stage: &Stage<F>) {
    if !F::EXPIRES {
        return;
    }
    let (storage, from, to) = (stage.open(), key(), key());
    let old = create(&storage, &from, "old");
    create(&storage, &to, "used");
    stage.pass(101);
    let new = record("new");
    assert_conflict(storage.replace(&from, Some(old.version()), &to, &new));
    assert_absent(&storage, &to);
    let replaced = storage.replace(&from, None, &to, &new);
    replaced.expect("both are absent");
    assert_absent(&storage, &from);
    assert_record(&storage, &to, &new);
}

/// An expired session is found by nobody.
pub fn idle_session_is_not_found<F: Fixture>(stage: &Stage<F>) {
    if !F::EXPIRES || !F::FINDS_OWNERS {
        return;
    }
    let (storage, alice) = (stage.open(), owner("alice", Some("sid")));
    save(&storage, &key(), &owned(alice), None);
    stage.pass(101);
    for digest in alice.digests() {
        assert_eq!(find(&storage, digest), []);
    }
}

/// An expired session is not visited.
pub fn idle_session_is_not_visited<F: Fixture>(stage: &Stage<F>) {
    if !F::EXPIRES || !F::LISTS_SESSIONS {
        return;
    }
    let (storage, living) = (stage.open(), key());
    create(&storage, &key(), "old");
    stage.pass(60);
    create(&storage, &living, "new");
    stage.pass(60);
    assert_eq!(visited(&storage), [living]);
}

/// A load is a use, and changes no version.
pub fn idle_session_is_renewed_by_a_load<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let saved = create(&storage, &session, "a");
    for _ in 0..3 {
        stage.pass(90);
        assert_record(&storage, &session, &saved);
    }
    save(&storage, &session, &record("b"), Some(saved.version()));
}

/// Loads that follow each other closely are uses too.
pub fn idle_session_is_renewed_by_frequent_loads<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let saved = create(&storage, &session, "a");
    for _ in 0..80 {
        stage.pass(2);
        assert_record(&storage, &session, &saved);
    }
    stage.pass(93);
    assert_record(&storage, &session, &saved);
}

/// A save is a use.
pub fn idle_session_is_renewed_by_a_save<F: Fixture>(stage: &Stage<F>) {
    let (storage, session, to) = (stage.open(), key(), key());
    let mut old = create(&storage, &session, "a");
    for _ in 0..3 {
        stage.pass(60);
        let new = record("b");
        save(&storage, &session, &new, Some(old.version()));
        old = new;
    }
    stage.pass(60);
    let new = record("moved");
    let replaced = storage.replace(&session, Some(old.version()), &to, &new);
    replaced.expect("the session has not expired");
    stage.pass(60);
    assert_record(&storage, &to, &new);
}

/// To find or to visit a session is no use of it.
pub fn idle_session_is_not_renewed_by_a_search<F: Fixture>(stage: &Stage<F>) {
    if !F::EXPIRES {
        return;
    }
    let (storage, session) = (stage.open(), key());
    let alice = owner("alice", None);
    save(&storage, &session, &owned(alice), None);
    stage.pass(60);
    if F::FINDS_OWNERS {
        assert_eq!(find(&storage, alice.user()), [session]);
    }
    if F::LISTS_SESSIONS {
        assert_eq!(visited(&storage), [session]);
    }
    stage.pass(41);
    assert_absent(&storage, &session);
}

/// A lifetime of [`Duration::MAX`] does not end.
pub fn idle_lifetime_may_be_endless<F: Fixture>(stage: &Stage<F>) {
    let storage = stage.fixture.open(Duration::MAX, stage.clock.clone());
    let session = key();
    let saved = create(&storage, &session, "a");
    stage.clock.advance(YEAR * 100);
    assert_eq!(storage.purge_expired().expect("a purge"), 0);
    assert_record(&storage, &session, &saved);
}

/// A purge counts what has expired, once, and leaves the living.
pub fn purge_counts_the_expired_and_leaves_the_living<F: Fixture>(stage: &Stage<F>) {
    let (storage, living, read) = (stage.open(), key(), key());
    let old = create(&storage, &read, "read");
    for _ in 0..3 {
        create(&storage, &key(), "old");
    }
    stage.pass(60);
    let new = create(&storage, &living, "new");
    load(&storage, &read);
    stage.pass(60);
    let expired = if F::EXPIRES && F::PURGES { 3 } else { 0 };
    assert_eq!(storage.purge_expired().expect("a purge"), expired);
    assert_eq!(storage.purge_expired().expect("a second purge"), 0);
    assert_record(&storage, &living, &new);
    assert_record(&storage, &read, &old);
}
