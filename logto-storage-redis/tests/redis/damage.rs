//! Keys that hold something else: an error, and nothing is changed.

use logto_core::PersistKey::{IdToken, Owner, RefreshToken};
use logto_core::StorageErrorKind::Corrupt;
use logto_core::{Change, SessionId, SessionStore, Storage};

use crate::fixture::{Place, assert_kind, assert_value, owner, set};

#[test]
fn a_session_of_another_type_is_told_and_left() {
    for place in Place::both() {
        let (store, id, other) = (place.store(), SessionId::random(), SessionId::random());
        let (session, key) = (store.session(&id), place.key(&id));
        set(&store.session(&other), IdToken, "a");
        place.command(&key, &["SET", &key, "somebody else's"]);
        assert_kind(session.get(IdToken), Corrupt);
        assert_kind(session.set(IdToken, Some("a")), Corrupt);
        assert_kind(session.set(IdToken, None), Corrupt);
        assert_kind(
            session.update(&[Change::set(Owner, &owner("Alice"))]),
            Corrupt,
        );
        assert_kind(store.rename(&id, &other), Corrupt);
        assert_kind(store.rename(&other, &id), Corrupt);
        assert_kind(store.remove(&id), Corrupt);
        assert_eq!(
            place.command(&key, &["GET", &key]).text(),
            "somebody else's"
        );
        assert_value(&store.session(&other), IdToken, Some("a"));
    }
}

#[test]
fn a_value_that_is_no_text_is_told() {
    for place in Place::both() {
        let (store, id) = (place.store(), SessionId::random());
        let (session, key) = (store.session(&id), place.key(&id));
        set(&session, RefreshToken, "a");
        let script = "return redis.call('HSET', KEYS[1], 'idToken', string.char(255, 0))";
        place.command(&key, &["EVAL", script, "1", &key]);
        let message = assert_kind(session.get(IdToken), Corrupt);
        assert!(message.contains("UTF-8"), "{message}");
        assert_value(&session, RefreshToken, Some("a"));
        set(&session, IdToken, "a");
        assert_value(&session, IdToken, Some("a"));
    }
}

#[test]
fn what_a_rename_has_left_may_be_damaged() {
    let place = Place::in_cluster();
    let store = place.store();
    let token = "t".repeat(22);
    let no_digest = format!("{token}{}", "*".repeat(43));
    for damaged in ["", "x", &token, &no_digest, &"é".repeat(40)] {
        let (id, other) = (SessionId::random(), SessionId::random());
        let session = store.session(&id);
        set(&session, IdToken, "a");
        set(&store.session(&other), IdToken, "b");
        place.set_field(&id, "@in", damaged);
        assert_kind(session.get(IdToken), Corrupt);
        assert_kind(session.set(IdToken, Some("c")), Corrupt);
        assert_kind(store.rename(&id, &other), Corrupt);
        assert_kind(store.rename(&other, &id), Corrupt);
        assert_eq!(place.field(&id, "idToken").as_deref(), Some("a"));
        assert_value(&store.session(&other), IdToken, Some("b"));

        store.remove(&id).unwrap();
        assert!(!place.exists(&place.key(&id)));
        set(&session, IdToken, "anew");
        assert_value(&session, IdToken, Some("anew"));
    }
}

#[test]
fn what_a_rename_has_decided_may_be_damaged() {
    let place = Place::in_cluster();
    let store = place.store();
    let token = "t".repeat(22);
    for damaged in ["", "\x01", "x", "\u{92}"] {
        let (from, to) = (SessionId::random(), SessionId::random());
        let names =
            [&from, &to].map(|id| place.key(id).split_once('{').unwrap().1[..43].to_owned());
        let session = store.session(&to);
        set(&session, IdToken, "a");
        place.set_field(&to, "@in", &format!("{token}{}{damaged}", names[0]));
        place.set_field(&from, "@out", &format!("{token}{}", names[1]));
        assert_kind(session.get(IdToken), Corrupt);
        assert_kind(session.set(IdToken, Some("b")), Corrupt);
        assert_eq!(place.field(&to, "idToken").as_deref(), Some("a"));
        store.remove(&to).unwrap();
        assert_value(&session, IdToken, None);
    }
}

#[test]
fn an_undecided_rename_whose_values_are_damaged_does_no_harm() {
    let place = Place::in_cluster();
    let (store, from, to) = (place.store(), SessionId::random(), SessionId::random());
    let session = store.session(&to);
    set(&session, IdToken, "a");
    let name = place.key(&from).split_once('{').unwrap().1[..43].to_owned();
    place.set_field(&to, "@in", &format!("{}{name}x", "t".repeat(22)));
    assert_value(&session, IdToken, Some("a"));
    set(&session, RefreshToken, "b");
    assert_value(&session, IdToken, Some("a"));
    assert_eq!(place.field(&to, "@in"), None);
}
