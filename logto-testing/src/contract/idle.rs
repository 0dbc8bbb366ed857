//! What [`Storage`] promises of sessions that lie unused. Checks nothing of a backend whose sessions do not
//! [expire](Fixture::EXPIRES).

use std::time::Duration;

use logto_core::{Record, SessionKey, Storage};

use super::Fixture;
use super::support::{
    LIFETIME, SECOND, Stage, assert_conflict, found, load, new_key, owner, save, user, visited,
};

fn stage<F: Fixture>() -> Option<Stage<F>> {
    F::EXPIRES.then(Stage::new)
}

/// A session that has expired is there for no method, whether or not it was purged.
pub fn idle_session_is_absent_to_every_method<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, record) = stage.session("data", Some(owner("alice")));
    let version = Some(record.version());
    stage.clock.advance(LIFETIME + SECOND);
    if F::FINDS_OWNERS {
        assert_eq!(found(&*stage.storage, &user("alice")), []);
    }
    if F::LISTS_SESSIONS {
        assert_eq!(visited(&*stage.storage), []);
    }
    let (to, new) = (new_key(), Record::new(None, "new"));
    assert_conflict(stage.storage.save(&key, &new, version));
    assert_conflict(stage.storage.replace(&key, version, &to, &new));
    stage.assert_absent(&to);
    stage.assert_absent(&key);
    stage.storage.remove(&key).expect("a removal");
}

/// An expired session does not stand in the way of a new one.
pub fn idle_session_can_be_made_again<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let sessions = [(); 3].map(|()| stage.session("data", Some(owner("alice"))));
    let [saved, replaced, onto] = sessions.map(|(key, _)| key);
    stage.clock.advance(LIFETIME + SECOND);
    let new = Record::new(None, "new");
    save(&*stage.storage, &saved, &new, None);
    stage.assert_holds(&saved, &new);
    let outcome = stage.storage.replace(&replaced, None, &onto, &new);
    outcome.expect("a replacement of and onto expired sessions");
    stage.assert_holds(&onto, &new);
    stage.assert_absent(&replaced);
    if F::FINDS_OWNERS {
        assert_eq!(found(&*stage.storage, &user("alice")), []);
    }
}

/// A session is there until its lifetime is over.
pub fn idle_session_lives_for_its_lifetime<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, record) = stage.session("data", None);
    stage.clock.advance(LIFETIME - SECOND);
    stage.assert_holds(&key, &record);
}

/// To load a session is to use it.
pub fn idle_time_begins_anew_with_each_load<F: Fixture>(_: &str) {
    is_renewed_by::<F>(|stage, key| {
        load(&*stage.storage, key);
    });
}

fn is_renewed_by<F: Fixture>(mut use_it: impl FnMut(&Stage<F>, &SessionKey)) {
    let Some(stage) = stage::<F>() else { return };
    let (key, _) = stage.session("data", Some(owner("alice")));
    let (unused, _) = stage.session("data", None);
    for _ in 0..3 {
        stage.clock.advance(LIFETIME * 9 / 10);
        use_it(&stage, &key);
    }
    assert!(load(&*stage.storage, &key).is_some(), "it was in use");
    stage.assert_absent(&unused);
    stage.clock.advance(LIFETIME + SECOND);
    stage.assert_absent(&key);
}

/// A backend that notes a load late notes it early enough.
pub fn idle_time_begins_anew_with_frequent_loads<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, record) = stage.session("data", None);
    for _ in 0..150 {
        stage.clock.advance(LIFETIME / 100);
        stage.assert_holds(&key, &record);
    }
    // A twentieth late at most.
    stage.clock.advance(LIFETIME * 19 / 20 - SECOND);
    stage.assert_holds(&key, &record);
}

/// To save a session is to use it.
pub fn idle_time_begins_anew_with_a_save<F: Fixture>(_: &str) {
    let mut version = None;
    is_renewed_by::<F>(|stage, key| {
        let before = version.or_else(|| Some(load(&*stage.storage, key)?.version()));
        let record = Record::new(None, "data");
        save(&*stage.storage, key, &record, before);
        version = Some(record.version());
    });
}

/// A noted use is no change: a save that expects the version succeeds.
pub fn idle_use_changes_no_version<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, record) = stage.session("data", None);
    for _ in 0..3 {
        stage.clock.advance(LIFETIME / 2);
        stage.assert_holds(&key, &record);
    }
    let next = Record::new(None, "next");
    save(&*stage.storage, &key, &next, Some(record.version()));
    stage.assert_holds(&key, &next);
}

/// `Duration::MAX` does not end.
pub fn idle_lifetime_without_end_never_ends<F: Fixture>(_: &str) {
    let stage = Stage::<F>::with_lifetime(Duration::MAX);
    let (key, record) = stage.session("data", None);
    stage
        .clock
        .advance(Duration::from_secs(100 * 366 * 24 * 3600));
    assert_eq!(stage.storage.purge_expired().expect("a purge"), 0);
    stage.assert_holds(&key, &record);
}

/// A purge returns how many sessions had expired, and touches no other.
pub fn purge_counts_the_expired_and_leaves_the_living<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    for n in 0..25 {
        stage.session("expired", Some(owner(&n.to_string())));
    }
    stage.clock.advance(LIFETIME / 2);
    let (key, record) = stage.session("living", Some(owner("alice")));
    assert_eq!(stage.storage.purge_expired().expect("a purge"), 0);
    stage.clock.advance(LIFETIME / 2 + SECOND);
    let purged = stage.storage.purge_expired().expect("a purge");
    assert_eq!(purged, 25, "sessions had expired");
    assert_eq!(stage.storage.purge_expired().expect("a purge"), 0);
    stage.assert_holds(&key, &record);
    if F::FINDS_OWNERS {
        assert_eq!(found(&*stage.storage, &user("alice")), [key]);
    }
}
