//! What [`Storage::find`] promises. If the backend [finds no owners](Fixture::FINDS_OWNERS), that it says so.

use std::thread;

use logto_core::{OwnerDigest, Record, SessionOwner, Storage, StorageErrorKind};

use super::Fixture;
use super::support::{
    LIFETIME, Stage, assert_kind, for_a_while, found, load, new_key, owner, save, user,
};

/// A stage; `None` if the backend finds no owners, and says so.
fn stage<F: Fixture>() -> Option<Stage<F>> {
    let stage = Stage::<F>::new();
    if F::FINDS_OWNERS {
        return Some(stage);
    }
    let outcome = stage.storage.find(&user("alice")).map(drop);
    assert_kind(outcome, StorageErrorKind::Unsupported);
    None
}

/// All sessions of a user are found, and no others.
pub fn find_returns_the_sessions_of_a_user<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    assert_eq!(found(&*stage.storage, &user("alice")), []);
    let mut alices: Vec<_> = (0..20)
        .map(|_| stage.session("data", Some(owner("alice"))).0)
        .collect();
    alices.sort();
    let bobs = stage.session("data", Some(owner("bob"))).0;
    stage.session("data", None);
    assert_eq!(found(&*stage.storage, &user("alice")), alices);
    assert_eq!(found(&*stage.storage, &user("bob")), [bobs]);
    assert_eq!(found(&*stage.storage, &user("carol")), []);
    let elsewhere = OwnerDigest::of_user("https://elsewhere.example.com", "alice");
    assert_eq!(found(&*stage.storage, &elsewhere), []);
}

/// A session is found by that of the server which it came of, and by no other of the user.
pub fn find_returns_the_sessions_of_a_server_session<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let by = |sid: Option<&str>| SessionOwner::new("https://issuer", "alice", sid);
    let one = stage.session("data", Some(by(Some("one")))).0;
    let two = stage.session("data", Some(by(Some("two")))).0;
    let none = stage.session("data", Some(by(None))).0;
    let of = |sid| OwnerDigest::of_server_session("https://issuer", sid);
    assert_eq!(found(&*stage.storage, &of("one")), [one]);
    assert_eq!(found(&*stage.storage, &of("two")), [two]);
    assert_eq!(found(&*stage.storage, &of("alice")), []);
    let mut all = [one, two, none];
    all.sort();
    assert_eq!(found(&*stage.storage, &by(None).user()), all);
}

/// A session is found by the owner that it was saved with last.
pub fn find_follows_the_owner_of_each_save<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, first) = stage.session("visitor", None);
    let mut before = first;
    for name in [
        Some("alice"),
        Some("alice"),
        Some("bob"),
        None,
        Some("alice"),
    ] {
        let next = Record::new(name.map(owner), "data");
        save(&*stage.storage, &key, &next, Some(before.version()));
        for other in ["alice", "bob"] {
            let expected = if name == Some(other) {
                vec![key]
            } else {
                vec![]
            };
            assert_eq!(found(&*stage.storage, &user(other)), expected);
            for digest in owner(other).digests() {
                assert_eq!(found(&*stage.storage, &digest), expected);
            }
        }
        before = next;
    }
}

/// A removed session is not found.
pub fn find_forgets_a_removed_session<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let (key, _) = stage.session("data", Some(owner("alice")));
    let (other, _) = stage.session("data", Some(owner("alice")));
    stage.storage.remove(&key).expect("a removal");
    assert_eq!(found(&*stage.storage, &user("alice")), [other]);
}

/// Finding a session does not renew it.
pub fn find_is_no_use<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    if !F::EXPIRES {
        return;
    }
    let (key, _) = stage.session("data", Some(owner("alice")));
    for _ in 0..3 {
        assert_eq!(found(&*stage.storage, &user("alice")), [key]);
        stage.clock.advance(LIFETIME * 3 / 10);
    }
    stage.clock.advance(LIFETIME * 2 / 10);
    stage.assert_absent(&key);
}

/// While sessions change their owners, each is found by the owner that it has.
pub fn find_agrees_with_records_while_others_save<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    thread::scope(|scope| {
        for thread in 0..3 {
            let storage = &*stage.storage;
            scope.spawn(move || {
                let (key, names) = (new_key(), [format!("a{thread}"), format!("b{thread}")]);
                let mut before = None;
                for_a_while(|round| {
                    let name = &names[(round % 2) as usize];
                    let next = Record::new(Some(owner(name)), "data");
                    save(storage, &key, &next, before);
                    assert_eq!(found(storage, &user(name)), [key]);
                    let other = &names[((round + 1) % 2) as usize];
                    assert_eq!(found(storage, &user(other)), []);
                    before = Some(next.version());
                    if round % 5 == 0 {
                        storage.remove(&key).expect("a removal");
                        assert_eq!(found(storage, &user(name)), []);
                        assert!(load(storage, &key).is_none());
                        before = None;
                    }
                });
            });
        }
    });
}
