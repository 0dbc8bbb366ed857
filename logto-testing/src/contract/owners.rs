//! What [`SessionStore::sessions_of`] promises: one check for each promise. A check panics if the
//! promise is not kept. Of a backend without an index ([`Fixture::FINDS_OWNERS`]) each sees that it says
//! so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use logto_core::PersistKey::{IdToken, Owner, RefreshToken};
use logto_core::{
    Change, OwnerDigest, SessionId, SessionOwner, SessionStore, Storage, StorageErrorKind,
};

use super::Fixture;
use super::session_store::{LIFETIME, Stage};
use super::support::{SECOND, assert_busy, assert_value, lock, set, try_lock, while_held};

/// A check of one promise.
pub type Check = fn();

/// Every check, by its name.
pub fn all<F: Fixture>() -> Vec<(&'static str, Check)> {
    crate::__owner_promises!(__list <F> as Check).to_vec()
}

/// Names the checks to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __owner_promises {
    ($then:ident $($arguments:tt)*) => {
        $crate::$then! {
            [$($arguments)*]
            [
                a_session_is_found_by_its_user
                a_session_is_found_by_the_session_of_the_server
                all_sessions_of_a_user_are_found_and_no_other
                what_is_found_is_the_session
                a_session_is_found_until_its_owner_is_removed
                a_session_is_found_by_its_last_owner_only
                what_else_is_written_leaves_the_owner
                a_value_that_is_no_owner_is_kept_and_finds_nothing
                a_renamed_session_is_found_under_its_new_id_only
                a_session_that_a_rename_replaces_is_not_found
                a_replaced_session_is_found_by_its_new_owner_only
                a_session_is_found_while_it_is_renamed
                a_removed_session_is_not_found
                an_idle_session_is_not_found
                finding_a_session_does_not_renew_it
                the_default_session_is_found
                sessions_are_found_after_reopening
                stores_over_one_place_find_the_same_sessions
                many_threads_sign_in_and_out_at_once
            ]
        }
    };
}

const ISSUER: &str = "https://foo.logto.app/oidc";

/// A session with tokens and an owner.
struct User {
    id: SessionId,
    owner: String,
}

impl User {
    fn sign_in(store: &dyn SessionStore, sub: &str) -> Self {
        let id = SessionId::random();
        let owner = owner(sub);
        sign_in(&*store.session(&id), sub);
        Self { id, owner }
    }
}

fn sign_in(session: &dyn Storage, sub: &str) {
    let owner = owner(sub);
    let changes = [
        Change::set(RefreshToken, "a token"),
        Change::set(IdToken, sub),
        Change::set(Owner, &owner),
    ];
    session.update(&changes).unwrap();
}

/// Of a user with one session at the server.
fn owner(sub: &str) -> String {
    let sid = format!("the session of {sub}");
    SessionOwner::of(ISSUER, sub, Some(&sid)).to_string()
}

/// An empty store; `None` if it has no index, and says so.
fn stage<F: Fixture>() -> Option<Stage<F>> {
    let stage = Stage::<F>::new();
    if F::FINDS_OWNERS {
        return Some(stage);
    }
    let alice = OwnerDigest::of_user(ISSUER, "Alice");
    let error = stage.store.sessions_of(&alice);
    let error = error.expect_err("a store without an index finds sessions");
    assert_eq!(error.kind(), StorageErrorKind::Unsupported);
    None
}

/// The digests of the user's sessions.
#[track_caller]
fn found(store: &dyn SessionStore, sub: &str) -> Vec<[u8; 32]> {
    found_by(store, &OwnerDigest::of_user(ISSUER, sub))
}

#[track_caller]
fn found_by(store: &dyn SessionStore, owner: &OwnerDigest) -> Vec<[u8; 32]> {
    let sessions = store.sessions_of(owner).unwrap();
    let mut digests: Vec<_> = sessions.iter().map(|session| session.digest()).collect();
    digests.sort_unstable();
    digests
}

#[track_caller]
fn assert_found<const N: usize>(store: &dyn SessionStore, sub: &str, expected: [&SessionId; N]) {
    let mut expected = expected.map(SessionId::digest);
    expected.sort_unstable();
    assert_eq!(found(store, sub), expected, "the sessions of {sub}");
}

/// The session of a user is found by the issuer and the `sub`, whether or not the server has named a
/// session of its own.
pub fn a_session_is_found_by_its_user<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    assert_found(&stage.store, "Alice", []);
    let alice = User::sign_in(&stage.store, "Alice");
    assert_found(&stage.store, "Alice", [&alice.id]);

    let bob = SessionId::random();
    let owner = SessionOwner::of(ISSUER, "Bob", None).to_string();
    set(&stage.store.session(&bob), Owner, &owner);
    assert_found(&stage.store, "Bob", [&bob]);
}

/// The session of a user is found by the issuer and the `sid`.
pub fn a_session_is_found_by_the_session_of_the_server<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    let sid = OwnerDigest::of_server_session(ISSUER, "the session of Alice");
    assert_eq!(found_by(&stage.store, &sid), [alice.id.digest()]);
    let other = OwnerDigest::of_server_session(ISSUER, "Alice");
    assert!(found_by(&stage.store, &other).is_empty());
}

/// Each session of a user is found, once, and none of somebody else or of nobody.
pub fn all_sessions_of_a_user_are_found_and_no_other<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = [(); 3].map(|()| User::sign_in(&stage.store, "Alice"));
    let bob = User::sign_in(&stage.store, "Bob");
    let nobody = stage.store.session(&SessionId::random());
    set(&nobody, IdToken, "Alice");
    assert_found(&stage.store, "Alice", alice.each_ref().map(|user| &user.id));
    assert_found(&stage.store, "Bob", [&bob.id]);
    assert_found(&stage.store, "Carol", []);
}

/// What is found has the session's values and its lock, and can end it.
pub fn what_is_found_is_the_session<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    let user = OwnerDigest::of_user(ISSUER, "Alice");
    let mut sessions = stage.store.sessions_of(&user).unwrap();
    assert_eq!(sessions.len(), 1);
    let found = sessions.remove(0);
    assert_eq!(found.digest(), alice.id.digest());
    let (found, own) = (found.storage(), stage.store.session(&alice.id));
    assert_value(found, IdToken, Some("Alice"));
    assert_value(found, Owner, Some(&alice.owner));
    assert_busy(while_held(lock(found), || try_lock(&own)));
    found.update(&[Change::remove(IdToken)]).unwrap();
    assert_value(&own, IdToken, None);
    assert_value(&own, RefreshToken, Some("a token"));
}

/// Without the value a session is not found, however it was removed; with it again, it is.
pub fn a_session_is_found_until_its_owner_is_removed<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    let session = stage.store.session(&alice.id);
    session.update(&[Change::remove(Owner)]).unwrap();
    assert_found(&stage.store, "Alice", []);
    set(&session, Owner, &alice.owner);
    assert_found(&stage.store, "Alice", [&alice.id]);
    session.set(Owner, None).unwrap();
    assert_found(&stage.store, "Alice", []);
    set(&session, Owner, &alice.owner);
    let nothing = [Owner, IdToken, RefreshToken].map(Change::remove);
    session.update(&nothing).unwrap();
    assert_found(&stage.store, "Alice", []);
}

/// When another user signs in within a session, it is no longer found by the one before.
pub fn a_session_is_found_by_its_last_owner_only<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let User { id, .. } = User::sign_in(&stage.store, "Alice");
    sign_in(&*stage.store.session(&id), "Bob");
    assert_found(&stage.store, "Alice", []);
    assert_found(&stage.store, "Bob", [&id]);
    let owner = SessionOwner::of(ISSUER, "Bob", Some("another")).to_string();
    set(&stage.store.session(&id), Owner, &owner);
    let before = OwnerDigest::of_server_session(ISSUER, "the session of Bob");
    assert!(found_by(&stage.store, &before).is_empty());
    assert_found(&stage.store, "Bob", [&id]);
}

/// A refresh, which writes the other values, leaves the session where it is found.
pub fn what_else_is_written_leaves_the_owner<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    let session = stage.store.session(&alice.id);
    let long = "refreshed ".repeat(2_000);
    let changes = [Change::set(RefreshToken, &long), Change::remove(IdToken)];
    session.update(&changes).unwrap();
    assert_found(&stage.store, "Alice", [&alice.id]);
    set(&session, Owner, &alice.owner);
    session.set(RefreshToken, None).unwrap();
    assert_found(&stage.store, "Alice", [&alice.id]);
}

/// Any value can be set in the place of an owner.
pub fn a_value_that_is_no_owner_is_kept_and_finds_nothing<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    let session = stage.store.session(&alice.id);
    let cut = &alice.owner[..42];
    let with_rest = format!("{};", alice.owner);
    for other in ["", "Alice", ";", cut, &"ü".repeat(5_000)] {
        set(&session, Owner, other);
        assert_value(&session, Owner, Some(other));
        assert_found(&stage.store, "Alice", []);
    }
    set(&session, Owner, &with_rest);
    assert_value(&session, Owner, Some(&with_rest));
    assert_found(&stage.store, "Alice", [&alice.id]);
}

/// A rename takes the owner along.
pub fn a_renamed_session_is_found_under_its_new_id_only<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    let new = SessionId::random();
    stage.store.rename(&alice.id, &new).unwrap();
    assert_found(&stage.store, "Alice", [&new]);
    stage.store.rename(&new, &new).unwrap();
    assert_found(&stage.store, "Alice", [&new]);
    set(&stage.store.session(&alice.id), IdToken, "somebody else");
    assert_found(&stage.store, "Alice", [&new]);
}

/// Nobody finds the session whose id another one is given.
pub fn a_session_that_a_rename_replaces_is_not_found<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let [alice, bob] = ["Alice", "Bob"].map(|sub| User::sign_in(&stage.store, sub));
    stage.store.rename(&alice.id, &bob.id).unwrap();
    assert_found(&stage.store, "Bob", []);
    assert_found(&stage.store, "Alice", [&bob.id]);
}

/// A replacement is found by the owner that was written with it, and nobody finds what was there before.
pub fn a_replaced_session_is_found_by_its_new_owner_only<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let [alice, bob, carol] = ["Alice", "Bob", "Carol"].map(|sub| User::sign_in(&stage.store, sub));
    let changes = [Change::set(Owner, &carol.owner)];
    stage.store.replace(&alice.id, &bob.id, &changes).unwrap();
    assert_found(&stage.store, "Alice", []);
    assert_found(&stage.store, "Bob", []);
    assert_found(&stage.store, "Carol", [&bob.id, &carol.id]);
    let changes = [Change::set(IdToken, "nobody")];
    stage.store.replace(&bob.id, &bob.id, &changes).unwrap();
    assert_found(&stage.store, "Carol", [&carol.id]);
}

/// Whoever looks while a session is given a new id finds it under the one or the other.
pub fn a_session_is_found_while_it_is_renamed<F: Fixture>() {
    const RENAMES: usize = 60;
    let Some(stage) = stage::<F>() else { return };
    let mut alice = User::sign_in(&stage.store, "Alice");
    let renamed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..RENAMES {
                let new = SessionId::random();
                stage.store.rename(&alice.id, &new).unwrap();
                alice.id = new;
            }
            renamed.store(true, Ordering::SeqCst);
        });
        while !renamed.load(Ordering::SeqCst) {
            let found = found(&stage.store, "Alice");
            assert!(!found.is_empty(), "a session is lost while it is renamed");
        }
    });
    assert_found(&stage.store, "Alice", [&alice.id]);
}

/// A removed session is not found, nor is one that is written under its id.
pub fn a_removed_session_is_not_found<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    stage.store.remove(&alice.id).unwrap();
    assert_found(&stage.store, "Alice", []);
    set(&stage.store.session(&alice.id), IdToken, "anew");
    assert_found(&stage.store, "Alice", []);
}

/// A session that lay idle for too long is not found, with a purge and without, nor is what is
/// written in its place.
pub fn an_idle_session_is_not_found<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let old = User::sign_in(&stage.store, "Alice");
    stage.clock.advance(LIFETIME - SECOND);
    assert_found(&stage.store, "Alice", [&old.id]);
    stage.clock.advance(2 * SECOND);
    assert_found(&stage.store, "Alice", []);
    let new = User::sign_in(&stage.store, "Alice");
    assert_found(&stage.store, "Alice", [&new.id]);
    set(&stage.store.session(&old.id), IdToken, "anew");
    assert_found(&stage.store, "Alice", [&new.id]);
    stage.clock.advance(LIFETIME + SECOND);
    stage.store.purge_expired().unwrap();
    assert_found(&stage.store, "Alice", []);
}

/// Who looks for sessions does not keep them alive.
pub fn finding_a_session_does_not_renew_it<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let alice = User::sign_in(&stage.store, "Alice");
    for _ in 0..2 {
        assert_found(&stage.store, "Alice", [&alice.id]);
        stage.clock.advance(LIFETIME * 9 / 20);
    }
    assert_found(&stage.store, "Alice", [&alice.id]);
    stage.clock.advance(LIFETIME / 10 + SECOND);
    assert_value(&stage.store.session(&alice.id), IdToken, None);
}

/// The one session of a program with one user is found like any other.
pub fn the_default_session_is_found<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let session = stage.store.default_session();
    sign_in(&*session, "Alice");
    let alice = OwnerDigest::of_user(ISSUER, "Alice");
    let found = stage.store.sessions_of(&alice).unwrap();
    assert_eq!(found.len(), 1);
    assert_value(found[0].storage(), IdToken, Some("Alice"));
    found[0].storage().set(Owner, None).unwrap();
    assert_value(&session, Owner, None);
}

/// Sessions are found after all stores were dropped. Not checked unless [`Fixture::PERSISTENT`].
pub fn sessions_are_found_after_reopening<F: Fixture>() {
    let Some(stage) = stage::<F>().filter(|_| F::PERSISTENT) else {
        return;
    };
    let [alice, bob, carol] = ["Alice", "Bob", "Carol"].map(|sub| User::sign_in(&stage.store, sub));
    let renamed = SessionId::random();
    stage.store.rename(&bob.id, &renamed).unwrap();
    stage.store.remove(&carol.id).unwrap();
    let stage = stage.reopen();
    assert_found(&stage.store, "Alice", [&alice.id]);
    assert_found(&stage.store, "Bob", [&renamed]);
    assert_found(&stage.store, "Carol", []);
}

/// A store finds what another one over the same place has written. Not checked of a backend for one
/// process.
pub fn stores_over_one_place_find_the_same_sessions<F: Fixture>() {
    let Some(stage) = stage::<F>() else { return };
    let Some(second) = stage.second_store() else {
        return;
    };
    let alice = User::sign_in(&stage.store, "Alice");
    assert_found(&second, "Alice", [&alice.id]);
    second.session(&alice.id).set(Owner, None).unwrap();
    assert_found(&stage.store, "Alice", []);
}

/// Threads that sign one user in and out at once each find their own session as they left it.
pub fn many_threads_sign_in_and_out_at_once<F: Fixture>() {
    const THREADS: usize = 6;
    let Some(stage) = stage::<F>() else { return };
    let store = &stage.store;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                let id = SessionId::random();
                let session = store.session(&id);
                for _ in 0..8 {
                    sign_in(&*session, "Alice");
                    assert!(found(store, "Alice").contains(&id.digest()));
                    session.update(&[Change::remove(Owner)]).unwrap();
                    assert!(!found(store, "Alice").contains(&id.digest()));
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
    });
    assert_found(store, "Alice", []);
}
