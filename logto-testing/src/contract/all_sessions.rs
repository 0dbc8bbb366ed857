//! What [`SessionStore::for_each_session`] and [`SessionStore::session_by_digest`] promise: one check for
//! each promise. A check panics if the promise is not kept. Of a backend that lists no sessions
//! ([`Fixture::LISTS_SESSIONS`]) each sees that it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{
    Change, FoundSession, PersistKey, SessionId, SessionStore, StorageError, StorageErrorKind,
};

use super::Fixture;
use super::session_store::{LIFETIME, Stage};
use super::support::{
    SECOND, SHORT, assert_busy, assert_value, get, lock, set, try_lock, while_held,
};

/// A check of one promise.
pub type Check = fn();

/// Every check, by its name.
pub fn all<F: Fixture>() -> Vec<(&'static str, Check)> {
    crate::__all_sessions_promises!(__list <F> as Check).to_vec()
}

/// Names the checks to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __all_sessions_promises {
    ($then:ident $($arguments:tt)*) => {
        $crate::$then! {
            [$($arguments)*]
            [
                an_empty_store_has_no_session_to_visit
                each_session_is_visited
                more_sessions_than_a_page_are_visited
                what_is_visited_is_the_session
                a_removed_session_is_not_visited
                a_renamed_session_is_visited_under_its_new_id_only
                an_idle_session_is_not_visited
                visiting_a_session_does_not_renew_it
                the_default_session_is_visited
                a_visit_that_fails_is_the_last
                a_visit_may_read_write_and_lock
                a_visit_may_remove_what_it_visits
                a_visit_holds_nobody_up
                sessions_that_stay_are_visited_while_others_come_and_go
                sessions_that_are_written_meanwhile_are_visited
                sessions_are_visited_after_reopening
                stores_over_one_place_visit_the_same_sessions
                a_session_by_its_digest_is_the_session
                a_session_by_its_digest_need_not_exist
                the_default_session_has_a_digest
                a_session_of_one_store_can_be_put_into_another
            ]
        }
    };
}

/// More than any store is likely to look at in one go.
const MANY: usize = 700;

type Digests = BTreeSet<[u8; 32]>;

/// An empty store; `None` if it lists no sessions, and says so.
fn stage<F: Fixture>() -> Option<Stage<F>> {
    let stage = Stage::<F>::new();
    if F::LISTS_SESSIONS {
        return Some(stage);
    }
    let visited = stage.store.for_each_session(&mut |_| Ok(()));
    let errors = [
        visited.expect_err("a store that lists no sessions visits them"),
        match stage.store.session_by_digest(&[1; 32]) {
            Err(error) => error,
            Ok(_) => panic!("a store that lists no sessions gives one by its digest"),
        },
    ];
    for error in errors {
        assert_eq!(error.kind(), StorageErrorKind::Unsupported);
    }
    None
}

fn new_session(store: &dyn SessionStore) -> SessionId {
    let id = SessionId::random();
    set(&store.session(&id), IdToken, "Alice");
    id
}

/// The sessions that are visited, each once.
#[track_caller]
fn visited(store: &dyn SessionStore) -> BTreeMap<[u8; 32], FoundSession> {
    let mut sessions = BTreeMap::new();
    visit(store, |found| drop(sessions.insert(found.digest(), found)));
    sessions
}

#[track_caller]
fn visited_digests(store: &dyn SessionStore) -> Digests {
    visited(store).into_keys().collect()
}

#[track_caller]
fn only_visited(store: &dyn SessionStore) -> FoundSession {
    let mut visited = visited(store);
    assert_eq!(visited.len(), 1);
    visited.pop_first().expect("one").1
}

#[track_caller]
fn visit(store: &dyn SessionStore, mut each: impl FnMut(FoundSession)) {
    let visited = store.for_each_session(&mut |found| {
        each(found);
        Ok(())
    });
    if let Err(error) = visited {
        panic!("the sessions could not be visited: {error:?}");
    }
}

#[track_caller]
fn assert_visited<const N: usize>(store: &dyn SessionStore, expected: [&SessionId; N]) {
    let expected = Digests::from(expected.map(SessionId::digest));
    assert_eq!(visited_digests(store), expected);
}

/// Where there is nothing, nothing is visited, and that is no error.
pub fn an_empty_store_has_no_session_to_visit<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    assert_visited(&stage.store, []);
    // A lock and a read make no session.
    let session = stage.store.session(&SessionId::random());
    drop(lock(&session));
    assert_value(&session, IdToken, None);
    assert_visited(&stage.store, []);
}

/// Every session is visited, and nothing else is.
pub fn each_session_is_visited<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let ids = [(); 5].map(|()| new_session(&stage.store));
    assert_visited(&stage.store, ids.each_ref());
    // What a session holds is no matter.
    set(&stage.store.session(&ids[0]), IdToken, "");
    assert_visited(&stage.store, ids.each_ref());
}

/// However many there are, and if some of them have expired.
pub fn more_sessions_than_a_page_are_visited<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    for _ in 0..MANY {
        new_session(&stage.store);
    }
    stage.clock.advance(LIFETIME - SECOND);
    let new: Digests = (0..MANY / 10)
        .map(|_| new_session(&stage.store).digest())
        .collect();
    assert_eq!(visited(&stage.store).len(), MANY + new.len());
    stage.clock.advance(2 * SECOND);
    assert_eq!(visited_digests(&stage.store), new);
}

/// What is visited has the session's values and its lock, and can change it.
pub fn what_is_visited_is_the_session<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let id = new_session(&stage.store);
    let own = stage.store.session(&id);
    set(&own, RefreshToken, "a token");
    let session = only_visited(&stage.store);
    assert_eq!(session.digest(), id.digest());
    let found = session.storage();
    assert_value(found, IdToken, Some("Alice"));
    assert_value(found, RefreshToken, Some("a token"));
    assert_busy(while_held(lock(found), || try_lock(&own)));
    found.update(&[Change::remove(IdToken)]).unwrap();
    assert_value(&own, IdToken, None);
}

/// A session that was removed, or left without values, is gone.
pub fn a_removed_session_is_not_visited<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let [alice, bob, carol] = [(); 3].map(|()| new_session(&stage.store));
    stage.store.remove(&alice).unwrap();
    stage.store.session(&bob).set(IdToken, None).unwrap();
    assert_visited(&stage.store, [&carol]);
}

/// A rename leaves nothing to visit under the old id, nor of what had the new one.
pub fn a_renamed_session_is_visited_under_its_new_id_only<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let [alice, bob] = [(); 2].map(|()| new_session(&stage.store));
    let new = SessionId::random();
    stage.store.rename(&alice, &new).unwrap();
    assert_visited(&stage.store, [&new, &bob]);
    stage.store.rename(&new, &bob).unwrap();
    assert_visited(&stage.store, [&bob]);
}

/// A session that lay idle for too long is not visited, with a purge and without.
pub fn an_idle_session_is_not_visited<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let old = new_session(&stage.store);
    stage.clock.advance(LIFETIME - SECOND);
    assert_visited(&stage.store, [&old]);
    let new = new_session(&stage.store);
    stage.clock.advance(2 * SECOND);
    assert_visited(&stage.store, [&new]);
    stage.store.purge_expired().unwrap();
    assert_visited(&stage.store, [&new]);
}

/// Who visits sessions does not keep them alive.
pub fn visiting_a_session_does_not_renew_it<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let id = new_session(&stage.store);
    for _ in 0..2 {
        assert_visited(&stage.store, [&id]);
        stage.clock.advance(LIFETIME * 9 / 20);
    }
    assert_visited(&stage.store, [&id]);
    stage.clock.advance(LIFETIME / 10 + SECOND);
    assert_value(&stage.store.session(&id), IdToken, None);
}

/// The one session of a program with one user is visited like any other.
pub fn the_default_session_is_visited<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    set(&stage.store.default_session(), IdToken, "Alice");
    let session = only_visited(&stage.store);
    assert_value(session.storage(), IdToken, Some("Alice"));
}

/// The error of a visit is returned, and no other visit is made.
pub fn a_visit_that_fails_is_the_last<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    for _ in 0..3 {
        new_session(&stage.store);
    }
    let mut visits = 0;
    let outcome = stage.store.for_each_session(&mut |_| {
        visits += 1;
        match visits {
            2 => Err(StorageError::new(StorageErrorKind::Corrupt, "on purpose")),
            _ => Ok(()),
        }
    });
    let error = outcome.expect_err("the error of the visit");
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
    assert_eq!(error.to_string(), "on purpose");
    assert_eq!(visits, 2);
}

/// A visit may do with its session and with others what it likes.
pub fn a_visit_may_read_write_and_lock<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let ids = [(); 4].map(|()| new_session(&stage.store));
    let log = stage.store.session(&SessionId::random());
    set(&log, RefreshToken, "");
    visit(&stage.store, |found| {
        let session = found.storage();
        if get(session, IdToken).as_deref() != Some("Alice") {
            return;
        }
        let _held = lock(session);
        set(session, IdToken, "Alice was visited");
        let _other = lock(&log);
        let visited = get(&log, RefreshToken).unwrap_or_default();
        set(&log, RefreshToken, &format!("{visited}."));
    });
    assert_value(&log, RefreshToken, Some("...."));
    for id in &ids {
        let session = stage.store.session(id);
        assert_value(&session, IdToken, Some("Alice was visited"));
    }
}

/// Sessions can be taken out one after the other, and new ones put in, and it ends.
pub fn a_visit_may_remove_what_it_visits<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let old: Digests = (0..MANY / 2)
        .map(|_| new_session(&stage.store).digest())
        .collect();
    let [mut removed, mut new] = [Digests::new(), Digests::new()];
    visit(&stage.store, |found| {
        if old.contains(&found.digest()) && removed.insert(found.digest()) {
            let nothing = PersistKey::ALL.map(Change::remove);
            found.storage().update(&nothing).unwrap();
            new.insert(new_session(&stage.store).digest());
        }
    });
    assert_eq!(removed, old);
    assert_eq!(visited_digests(&stage.store), new);
}

/// While a visit takes its time, others read, write, rename and remove.
pub fn a_visit_holds_nobody_up<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let [alice, bob] = [(); 2].map(|()| new_session(&stage.store));
    let store = &stage.store;
    let second = stage.second_store();
    let mut visits = 0;
    visit(store, |_| {
        visits += 1;
        let others = || {
            for store in [Some(store), second.as_ref()].into_iter().flatten() {
                assert_value(&store.session(&alice), IdToken, Some("Alice"));
                set(&store.session(&bob), RefreshToken, "a token");
                try_lock(&store.session(&alice)).unwrap();
                let id = new_session(store);
                let renamed = SessionId::random();
                store.rename(&id, &renamed).unwrap();
                store.remove(&renamed).unwrap();
                store.purge_expired().unwrap();
            }
        };
        // On another thread, which the locks and transactions of this one would hold up.
        let done = while_held(logto_core::StorageLock::none(), others);
        done.expect("a visit holds others up");
    });
    assert!(visits >= 2);
}

/// What is there from the beginning to the end is visited, whatever happens to other sessions.
pub fn sessions_that_stay_are_visited_while_others_come_and_go<F: Fixture>() {
    const ROUNDS: usize = 8;
    let Some(stage) = stage::<F>() else { return };
    let store = &stage.store;
    let stay: Digests = (0..MANY / 10)
        .map(|_| new_session(store).digest())
        .collect();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                let id = new_session(store);
                let renamed = SessionId::random();
                store.rename(&id, &renamed).unwrap();
                store.remove(&renamed).unwrap();
            }
        });
        // The other thread ends if this one panics, too.
        let _ended = SetOnDrop(&ended);
        for _ in 0..ROUNDS {
            let visited = visited_digests(store);
            assert!(visited.is_superset(&stay), "a session is missed");
        }
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A session that is used all the time is visited like any other.
pub fn sessions_that_are_written_meanwhile_are_visited<F: Fixture>() {
    const ROUNDS: usize = 8;
    let Some(stage) = stage::<F>() else { return };
    let store = &stage.store;
    let ids: Vec<_> = (0..20).map(|_| new_session(store)).collect();
    let expected: Digests = ids.iter().map(SessionId::digest).collect();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut ids = ids.iter().cycle();
            while !ended.load(Ordering::SeqCst) {
                let session = store.session(ids.next().expect("a circle has no end"));
                let changes = [
                    Change::set(IdToken, "Bob"),
                    Change::set(RefreshToken, "a token"),
                ];
                session.update(&changes).unwrap();
            }
        });
        let _ended = SetOnDrop(&ended);
        for _ in 0..ROUNDS {
            assert_eq!(visited_digests(store), expected);
            thread::sleep(Duration::from_millis(2));
        }
    });
}

/// Sessions are visited after all stores were dropped. Not checked unless [`Fixture::PERSISTENT`].
pub fn sessions_are_visited_after_reopening<F: Fixture>() {
    let Some(stage) = stage::<F>().filter(|_| F::PERSISTENT) else {
        return;
    };
    let [alice, bob, carol] = [(); 3].map(|()| new_session(&stage.store));
    let renamed = SessionId::random();
    stage.store.rename(&bob, &renamed).unwrap();
    stage.store.remove(&carol).unwrap();
    let stage = stage.reopen();
    assert_visited(&stage.store, [&alice, &renamed]);
}

/// A store visits what another one over the same place has written. Not checked of a backend for one
/// process.
pub fn stores_over_one_place_visit_the_same_sessions<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let Some(second) = stage.second_store() else {
        return;
    };
    let [alice, bob] = [(); 2].map(|()| new_session(&stage.store));
    assert_visited(&second, [&alice, &bob]);
    second.remove(&alice).unwrap();
    assert_visited(&stage.store, [&bob]);
}

/// The digest gives the same session as the id: values and lock.
pub fn a_session_by_its_digest_is_the_session<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let id = new_session(&stage.store);
    let own = stage.store.session(&id);
    let found = stage.store.session_by_digest(&id.digest()).unwrap();
    assert_value(&found, IdToken, Some("Alice"));
    set(&found, RefreshToken, "a token");
    assert_value(&own, RefreshToken, Some("a token"));
    assert_busy(while_held(lock(&found), || try_lock(&own)));
    assert_busy(while_held(lock(&own), || found.lock(SHORT).map(drop)));
}

/// A session that is not there is empty by its digest too, and is made by the first write.
pub fn a_session_by_its_digest_need_not_exist<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let id = SessionId::random();
    let found = stage.store.session_by_digest(&id.digest()).unwrap();
    for key in PersistKey::ALL {
        assert_value(&found, key, None);
    }
    assert_visited(&stage.store, []);
    set(&found, IdToken, "Bob");
    assert_value(&stage.store.session(&id), IdToken, Some("Bob"));
    assert_visited(&stage.store, [&id]);
}

/// The digest under which the default session is visited gives that session, in a new place too.
pub fn the_default_session_has_a_digest<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    set(&stage.store.default_session(), IdToken, "Alice");
    let digest = only_visited(&stage.store).digest();
    let other = Stage::<F>::new();
    let session = other.store.session_by_digest(&digest).unwrap();
    set(&session, IdToken, "Bob");
    assert_value(&other.store.default_session(), IdToken, Some("Bob"));
}

/// What is visited in one store and written by its digest into another is there under the same id.
pub fn a_session_of_one_store_can_be_put_into_another<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let other = Stage::<F>::new();
    let id = new_session(&stage.store);
    visit(&stage.store, |found| {
        let copy = other.store.session_by_digest(&found.digest()).unwrap();
        let name = get(found.storage(), IdToken).unwrap_or_default();
        set(&copy, IdToken, &name);
    });
    assert_value(&other.store.session(&id), IdToken, Some("Alice"));
    assert_visited(&other.store, [&id]);
}
