//! What [`SessionStore`] promises, beside what each session does: one check for each promise. A
//! check panics if the promise is not kept.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, PersistKey, SessionId, SessionStore, Storage};

use super::Fixture;
use super::support::{SECOND, assert_busy, assert_value, lock, set, try_lock, while_held};
use crate::TestClock;

/// A check of one promise.
pub type Check = fn();

/// Every check, by its name.
pub fn all<F: Fixture>() -> Vec<(&'static str, Check)> {
    crate::__session_store_promises!(__list <F> as Check).to_vec()
}

/// Names the checks to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __session_store_promises {
    ($then:ident $($arguments:tt)*) => {
        $crate::$then! {
            [$($arguments)*]
            [
                sessions_do_not_see_each_other
                handles_of_one_session_share_it
                stores_over_one_place_share_sessions
                values_are_there_after_reopening
                a_rename_moves_all_values
                a_rename_replaces_what_was_there
                a_rename_from_nothing_changes_nothing
                a_rename_to_itself_changes_nothing
                a_rename_takes_no_lock
                an_expired_session_is_not_renamed
                a_replacement_leaves_what_it_wrote_and_nothing_else
                a_replacement_by_itself_starts_empty
                a_replacement_takes_no_lock
                a_removed_session_is_empty
                removing_an_absent_session_is_no_error
                a_session_lives_for_its_idle_lifetime
                an_idle_session_is_absent_on_read
                reading_renews_a_session
                reading_an_absent_value_renews_a_session
                frequent_reads_renew_a_session
                writing_renews_a_session
                what_expired_does_not_come_back
                an_endless_lifetime_never_ends
                a_purge_counts_what_expired
                a_purge_leaves_the_living
                a_lock_blocks_no_other_session
                a_lock_excludes_other_stores_over_the_place
                many_threads_use_their_sessions_at_once
                the_default_session_is_one
                no_cookie_names_the_default_session
                debug_shows_neither_values_nor_ids
            ]
        }
    };
}

pub(super) const LIFETIME: Duration = Duration::from_secs(2_000);

/// A store in a place of its own, and the clock that it goes by.
pub(super) struct Stage<F> {
    // Dropped before the place is.
    pub(super) store: Box<dyn SessionStore>,
    pub(super) clock: TestClock,
    fixture: F,
}

impl<F: Fixture> Stage<F> {
    pub(super) fn new() -> Self {
        Self::with_lifetime(LIFETIME)
    }

    fn with_lifetime(lifetime: Duration) -> Self {
        let clock = TestClock::new();
        clock.freeze();
        let fixture = F::new();
        let store = fixture.open(lifetime, clock.clone());
        Self {
            store,
            clock,
            fixture,
        }
    }

    /// As when the program starts anew: the old store is gone before the new one is opened.
    pub(super) fn reopen(self) -> Self {
        drop(self.store);
        let store = self.fixture.open(LIFETIME, self.clock.clone());
        Self { store, ..self }
    }

    /// A store that is opened while the first one is open; `None` if the backend is for one process.
    pub(super) fn second_store(&self) -> Option<Box<dyn SessionStore>> {
        self.fixture.place().filter(|_| F::SHARED)?;
        Some(self.fixture.open(LIFETIME, self.clock.clone()))
    }

    /// A session with two values.
    fn user(&self, name: &str) -> User {
        let id = SessionId::random();
        let session = self.store.session(&id);
        let refresh = format!("{name}'s refresh token");
        let changes = [
            Change::set(IdToken, name),
            Change::set(RefreshToken, &refresh),
        ];
        session.update(&changes).unwrap();
        User { id, session }
    }

    fn visitor(&self) -> User {
        let id = SessionId::random();
        let session = self.store.session(&id);
        User { id, session }
    }
}

struct User {
    id: SessionId,
    session: Arc<dyn Storage>,
}

impl User {
    #[track_caller]
    fn assert_is(&self, name: &str) {
        assert_is(&*self.session, name);
    }

    #[track_caller]
    fn assert_is_empty(&self) {
        assert_is_empty(&*self.session);
    }
}

#[track_caller]
fn assert_is(session: &dyn Storage, name: &str) {
    assert_value(session, IdToken, Some(name));
    let refresh = format!("{name}'s refresh token");
    assert_value(session, RefreshToken, Some(&refresh));
}

#[track_caller]
fn assert_is_empty(session: &dyn Storage) {
    for key in PersistKey::ALL {
        assert_value(session, key, None);
    }
}

/// Values of one session are not those of another, and are not changed with them.
pub fn sessions_do_not_see_each_other<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (alice, bob) = (stage.user("Alice"), stage.visitor());
    bob.assert_is_empty();
    set(&bob.session, IdToken, "Bob");
    alice.assert_is("Alice");
    stage.store.remove(&bob.id).unwrap();
    alice.assert_is("Alice");
}

/// Every handle of a session sees and changes the same values.
pub fn handles_of_one_session_share_it<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    let again = stage.store.session(&alice.id);
    assert_is(&again, "Alice");
    set(&again, IdToken, "changed");
    assert_value(&alice.session, IdToken, Some("changed"));
    let held = lock(&again);
    assert_busy(while_held(held, || try_lock(&alice.session)));
}

/// Two stores that are open at once over one place share the sessions in it. Not checked of a
/// backend for one process.
pub fn stores_over_one_place_share_sessions<F: Fixture>() {
    let stage = Stage::<F>::new();
    let Some(second) = stage.second_store() else {
        return;
    };
    let alice = stage.user("Alice");
    let there = second.session(&alice.id);
    assert_is(&there, "Alice");
    set(&there, IdToken, "changed");
    assert_value(&alice.session, IdToken, Some("changed"));
    second.remove(&alice.id).unwrap();
    alice.assert_is_empty();
}

/// Values, renames and removals are there after all stores were dropped. Not checked unless
/// [`Fixture::PERSISTENT`].
pub fn values_are_there_after_reopening<F: Fixture>() {
    if !F::PERSISTENT {
        return;
    }
    let stage = Stage::<F>::new();
    let [alice, bob, carol] = ["Alice", "Bob", "Carol"].map(|name| stage.user(name).id);
    let renamed = SessionId::random();
    stage.store.rename(&bob, &renamed).unwrap();
    stage.store.remove(&carol).unwrap();
    set(&stage.store.default_session(), IdToken, "default");

    let stage = stage.reopen();
    let session = |id| stage.store.session(id);
    assert_is(&session(&alice), "Alice");
    assert_is(&session(&renamed), "Bob");
    assert_is_empty(&session(&bob));
    assert_is_empty(&session(&carol));
    assert_value(&stage.store.default_session(), IdToken, Some("default"));
}

/// A renamed session has all of its values under the new id, and none under the old one.
pub fn a_rename_moves_all_values<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (alice, new) = (stage.user("Alice"), stage.visitor());
    let bob = stage.user("Bob");
    stage.store.rename(&alice.id, &new.id).unwrap();
    new.assert_is("Alice");
    alice.assert_is_empty();
    bob.assert_is("Bob");
}

/// Nothing is left of a session whose id another one is given.
pub fn a_rename_replaces_what_was_there<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (new, old) = (stage.visitor(), stage.user("old"));
    set(&new.session, IdToken, "new");
    stage.store.rename(&new.id, &old.id).unwrap();
    assert_value(&old.session, IdToken, Some("new"));
    assert_value(&old.session, RefreshToken, None);
}

/// A rename of a session that is not there is no error, and leaves the one that has the new id.
pub fn a_rename_from_nothing_changes_nothing<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (nobody, alice) = (stage.visitor(), stage.user("Alice"));
    stage.store.rename(&nobody.id, &alice.id).unwrap();
    alice.assert_is("Alice");
    nobody.assert_is_empty();
}

/// A rename to the id that the session has loses nothing.
pub fn a_rename_to_itself_changes_nothing<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    stage.store.rename(&alice.id, &alice.id).unwrap();
    alice.assert_is("Alice");
}

/// A rename does not wait for the lock of the session, which its caller holds.
pub fn a_rename_takes_no_lock<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (alice, new) = (stage.user("Alice"), stage.visitor());
    let held = lock(&alice.session);
    let renamed = while_held(held, || stage.store.rename(&alice.id, &new.id));
    renamed.expect("no waiting for the lock").unwrap();
    new.assert_is("Alice");
}

/// A session that lay idle for too long is as one that is not there, for a rename too.
pub fn an_expired_session_is_not_renamed<F: Fixture>() {
    let stage = Stage::<F>::new();
    let expired = stage.user("expired");
    stage.clock.advance(LIFETIME + SECOND);
    let (alice, nobody) = (stage.user("Alice"), stage.visitor());
    stage.store.rename(&expired.id, &alice.id).unwrap();
    stage.store.rename(&expired.id, &nobody.id).unwrap();
    alice.assert_is("Alice");
    nobody.assert_is_empty();
}

/// After a replacement there is what it wrote under the new id, and nothing that was under either before;
/// whether anything was does not matter.
pub fn a_replacement_leaves_what_it_wrote_and_nothing_else<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (old, new, nobody) = (stage.user("old"), stage.user("new"), stage.visitor());
    let bob = stage.user("Bob");
    let changes = [
        Change::set(IdToken, "replaced"),
        Change::set(IdToken, "Alice"),
    ];
    stage.store.replace(&old.id, &new.id, &changes).unwrap();
    old.assert_is_empty();
    assert_value(&new.session, IdToken, Some("Alice"));
    assert_value(&new.session, RefreshToken, None);
    stage.store.replace(&nobody.id, &old.id, &changes).unwrap();
    assert_value(&old.session, IdToken, Some("Alice"));
    stage.store.replace(&new.id, &old.id, &[]).unwrap();
    new.assert_is_empty();
    old.assert_is_empty();
    bob.assert_is("Bob");
}

/// A session that replaces itself holds what was written, and nothing of what was there.
pub fn a_replacement_by_itself_starts_empty<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    let changes = [Change::set(IdToken, "anew")];
    stage.store.replace(&alice.id, &alice.id, &changes).unwrap();
    assert_value(&alice.session, IdToken, Some("anew"));
    assert_value(&alice.session, RefreshToken, None);
}

/// A replacement does not wait for the lock of the session, which its caller holds.
pub fn a_replacement_takes_no_lock<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (alice, new) = (stage.user("Alice"), stage.visitor());
    let changes = [Change::set(IdToken, "anew")];
    let held = lock(&alice.session);
    let replaced = while_held(held, || stage.store.replace(&alice.id, &new.id, &changes));
    replaced.expect("no waiting for the lock").unwrap();
    assert_value(&new.session, IdToken, Some("anew"));
}

/// A removed session has no values, and can be written anew.
pub fn a_removed_session_is_empty<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.visitor();
    for key in PersistKey::ALL {
        set(&alice.session, key, "value");
    }
    stage.store.remove(&alice.id).unwrap();
    alice.assert_is_empty();
    set(&alice.session, IdToken, "anew");
    assert_value(&alice.session, IdToken, Some("anew"));
    assert_value(&alice.session, RefreshToken, None);
}

/// Removing a session that is not there is no error.
pub fn removing_an_absent_session_is_no_error<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (alice, nobody) = (stage.user("Alice"), stage.visitor());
    stage.store.remove(&nobody.id).unwrap();
    stage.store.remove(&alice.id).unwrap();
    stage.store.remove(&alice.id).unwrap();
}

/// A session is there until the idle lifetime is over.
pub fn a_session_lives_for_its_idle_lifetime<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    stage.clock.advance(LIFETIME - SECOND);
    alice.assert_is("Alice");
}

/// A session is absent as soon as the idle lifetime is over, without a purge.
pub fn an_idle_session_is_absent_on_read<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    stage.clock.advance(LIFETIME + SECOND);
    alice.assert_is_empty();
    assert_is_empty(&stage.store.session(&alice.id));
}

/// The idle lifetime of a session that is read begins anew.
pub fn reading_renews_a_session<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    for _ in 0..3 {
        stage.clock.advance(LIFETIME * 9 / 10);
        assert_value(&alice.session, IdToken, Some("Alice"));
    }
}

/// It does so too when what is read is not there.
pub fn reading_an_absent_value_renews_a_session<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    stage.clock.advance(LIFETIME * 9 / 10);
    assert_value(&alice.session, PersistKey::SignInSession, None);
    stage.clock.advance(LIFETIME * 9 / 10);
    alice.assert_is("Alice");
}

/// Of reads that follow one another closely, the last counts all but a twentieth of the lifetime.
pub fn frequent_reads_renew_a_session<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    for _ in 0..100 {
        stage.clock.advance(LIFETIME / 70);
        assert_value(&alice.session, IdToken, Some("Alice"));
    }
    stage.clock.advance(LIFETIME - LIFETIME / 20 - SECOND);
    alice.assert_is("Alice");
}

/// The idle lifetime of a session that is written begins anew.
pub fn writing_renews_a_session<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (alice, bob) = (stage.user("Alice"), stage.user("Bob"));
    for _ in 0..3 {
        stage.clock.advance(LIFETIME * 9 / 10);
        // The same value as before: it counts nevertheless.
        set(&alice.session, IdToken, "Alice");
        bob.session.update(&[Change::set(IdToken, "Bob")]).unwrap();
    }
    stage.clock.advance(LIFETIME - SECOND);
    alice.assert_is("Alice");
    bob.assert_is("Bob");
}

/// A session that is written after its lifetime is a new one: what it held is gone.
pub fn what_expired_does_not_come_back<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    stage.clock.advance(LIFETIME + SECOND);
    set(&alice.session, PersistKey::SignInSession, "new");
    assert_value(&alice.session, IdToken, None);
    assert_value(&alice.session, RefreshToken, None);
    assert_value(&alice.session, PersistKey::SignInSession, Some("new"));
}

/// With an idle lifetime of [`Duration::MAX`], no session expires.
pub fn an_endless_lifetime_never_ends<F: Fixture>() {
    let stage = Stage::<F>::with_lifetime(Duration::MAX);
    let alice = stage.user("Alice");
    stage.clock.advance(100 * 365 * 24 * 3600 * SECOND);
    assert_eq!(stage.store.purge_expired().unwrap(), 0);
    alice.assert_is("Alice");
}

/// A purge returns how many sessions it freed, each once.
pub fn a_purge_counts_what_expired<F: Fixture>() {
    let stage = Stage::<F>::new();
    assert_eq!(stage.store.purge_expired().unwrap(), 0);
    for name in ["Alice", "Bob", "Carol"] {
        stage.user(name);
    }
    stage.clock.advance(LIFETIME / 2);
    stage.user("Dave");
    assert_eq!(stage.store.purge_expired().unwrap(), 0);
    stage.clock.advance(LIFETIME / 2 + SECOND);
    assert_eq!(stage.store.purge_expired().unwrap(), 3);
    assert_eq!(stage.store.purge_expired().unwrap(), 0);
}

/// A purge leaves the sessions whose lifetime is not over.
pub fn a_purge_leaves_the_living<F: Fixture>() {
    let stage = Stage::<F>::new();
    stage.user("Alice");
    stage.clock.advance(LIFETIME / 2);
    let bob = stage.user("Bob");
    stage.clock.advance(LIFETIME / 2 + SECOND);
    stage.store.purge_expired().unwrap();
    bob.assert_is("Bob");
}

/// Who locks a session does not wait for the lock of another one.
pub fn a_lock_blocks_no_other_session<F: Fixture>() {
    let stage = Stage::<F>::new();
    let alice = stage.user("Alice");
    let others = (0..20).map(|_| stage.store.session(&SessionId::random()));
    let mut others: Vec<_> = others.collect();
    others.push(stage.store.default_session());
    let held = lock(&alice.session);
    let had = while_held(held, || others.iter().try_for_each(|other| try_lock(other)));
    had.expect("no waiting").expect("the locks of others");
}

/// A lock excludes whoever opened another store over the same place. Not checked of a backend for
/// one process.
pub fn a_lock_excludes_other_stores_over_the_place<F: Fixture>() {
    let stage = Stage::<F>::new();
    let Some(second) = stage.second_store() else {
        return;
    };
    let alice = stage.user("Alice");
    let there = second.session(&alice.id);
    assert_busy(while_held(lock(&alice.session), || try_lock(&there)));
    assert_busy(while_held(lock(&there), || try_lock(&alice.session)));
    drop(lock(&alice.session));
}

/// Threads that use sessions of their own at once disturb neither themselves nor others.
pub fn many_threads_use_their_sessions_at_once<F: Fixture>() {
    const THREADS: usize = 16;
    let stage = Stage::<F>::new();
    let (store, start) = (&stage.store, Barrier::new(THREADS));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let session = store.session(&SessionId::random());
                for round in 0..10 {
                    let value = format!("{thread} {round}");
                    let _held = lock(&session);
                    set(&session, IdToken, &value);
                    assert_value(&session, IdToken, Some(&value));
                }
            });
        }
    });
}

/// [`SessionStore::default_session`] is the same session each time.
pub fn the_default_session_is_one<F: Fixture>() {
    let stage = Stage::<F>::new();
    let (first, second) = (stage.store.default_session(), stage.store.default_session());
    assert_is_empty(&first);
    set(&first, IdToken, "value");
    assert_value(&second, IdToken, Some("value"));
    let held = lock(&first);
    assert_busy(while_held(held, || try_lock(&second)));
}

/// The default session is not that of an id that a cookie may hold, such as one that is all zeros.
pub fn no_cookie_names_the_default_session<F: Fixture>() {
    let stage = Stage::<F>::new();
    set(&stage.store.default_session(), IdToken, "value");
    assert!(SessionId::parse("default").is_err());
    for byte in 0..=u8::MAX {
        let cookie = URL_SAFE_NO_PAD.encode([byte; 32]);
        let id = SessionId::parse(&cookie).expect("the form of an id");
        assert_is_empty(&stage.store.session(&id));
    }
}

/// `Debug` of the store and of a session shows neither a value nor the id nor its digest, also
/// while the lock is held.
pub fn debug_shows_neither_values_nor_ids<F: Fixture>() {
    let stage = Stage::<F>::new();
    let User { id, session } = stage.user("a-secret-value");
    let _held = lock(&session);
    let shown = format!("{:?} {session:?}", stage.store);
    let lines = format!("{:#?} {session:#?}", stage.store);
    let digest = id.digest();
    for secret in [
        "a-secret-value".to_owned(),
        id.expose().to_owned(),
        id.digest_hex(),
        id.digest_hex().to_uppercase(),
        URL_SAFE_NO_PAD.encode(digest),
        format!("{digest:?}"),
    ] {
        assert!(
            !shown.contains(&secret) && !lines.contains(&secret),
            "{shown}"
        );
    }
}
