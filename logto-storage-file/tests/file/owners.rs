//! The marks by which sessions are found.

use std::fs;
use std::path::PathBuf;

use logto_core::PersistKey::{IdToken, Owner};
use logto_core::{
    Change, EncryptionKey, OwnerDigest, Sealer, SessionId, SessionOwner, SessionStore, Storage as _,
};
use logto_storage_file::FileStore;

use crate::fixture::{Fixture, id, key, names, write};

const ISSUER: &str = "https://foo.logto.app/oidc";

fn sign_in(store: &FileStore, id: &SessionId, sub: &str) {
    let sid = format!("the session of {sub}");
    let owner = SessionOwner::of(ISSUER, sub, Some(&sid)).to_string();
    let changes = [Change::set(Owner, &owner), Change::set(IdToken, sub)];
    store.session(id).update(&changes).unwrap();
}

fn found(store: &FileStore, sub: &str) -> Vec<[u8; 32]> {
    let owner = OwnerDigest::of_user(ISSUER, sub);
    let sessions = store.sessions_of(&owner).unwrap();
    sessions.iter().map(|session| session.digest()).collect()
}

fn marks(fixture: &Fixture) -> Vec<PathBuf> {
    let directory = fixture.path().join("owners");
    let names = names(&directory, "");
    names.iter().map(|name| directory.join(name)).collect()
}

fn digits(digest: &OwnerDigest) -> String {
    let bytes = digest.as_bytes().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_mark_goes_with_what_it_marks() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    sign_in(store, &id(0), "alice");
    assert_eq!(marks(&fixture).len(), 2);
    sign_in(store, &id(0), "bob");
    assert_eq!(marks(&fixture).len(), 2);
    store.rename(&id(0), &id(1)).unwrap();
    assert_eq!(marks(&fixture).len(), 2);
    store.session(&id(1)).set(Owner, None).unwrap();
    assert_eq!(marks(&fixture).len(), 0);
    sign_in(store, &id(1), "alice");
    store.remove(&id(1)).unwrap();
    assert_eq!(marks(&fixture).len(), 0);
}

#[test]
fn a_mark_does_not_tell_whose_it_is_without_the_key() {
    let fixture = Fixture::new();
    sign_in(&fixture.store, &id(0), "alice");
    let alice = OwnerDigest::of_user(ISSUER, "alice");
    let [hidden] = alice.hidden_by_each_key(&Sealer::new(key()))[..] else {
        panic!("one key hides in one way");
    };
    let is_there = |digest| !names_with(&fixture, &digits(&digest)).is_empty();
    assert!(is_there(hidden) && !is_there(alice));
}

fn names_with(fixture: &Fixture, words: &str) -> Vec<PathBuf> {
    let mut marks = marks(fixture);
    marks.retain(|mark| mark.to_str().unwrap().contains(words));
    marks
}

#[test]
fn a_mark_that_lies_finds_nothing_and_is_removed() {
    let fixture = Fixture::new();
    sign_in(&fixture.store, &id(0), "alice");
    sign_in(&fixture.store, &id(1), "bob");
    // Of another user's session, and of one that is not there.
    for mark in names_with(&fixture, &id(0).digest_hex()) {
        for other in [id(1), id(2)] {
            let name = mark.file_name().unwrap().to_str().unwrap();
            let name = name.replace(&id(0).digest_hex(), &other.digest_hex());
            write(&mark.with_file_name(name), b"");
        }
    }
    assert_eq!(marks(&fixture).len(), 8);
    assert_eq!(found(&fixture.store, "alice"), [id(0).digest()]);
    assert_eq!(marks(&fixture).len(), 6, "the two that were met are gone");
    assert_eq!(found(&fixture.store, "bob"), [id(1).digest()]);
    fixture.store.purge_expired().unwrap();
    assert!(names_with(&fixture, &id(2).digest_hex()).is_empty());
    assert_eq!(found(&fixture.store, "alice"), [id(0).digest()]);
}

#[test]
fn files_that_are_no_marks_are_left_and_disturb_nobody() {
    let fixture = Fixture::new();
    sign_in(&fixture.store, &id(0), "alice");
    let mark = marks(&fixture).remove(0);
    let name = mark.file_name().unwrap().to_str().unwrap();
    let others = [
        "notes.txt".to_owned(),
        name.to_uppercase(),
        format!("{name}.tmp"),
        name[..64].to_owned(),
        format!("{}.session", &name[..64]),
    ];
    for other in &others {
        write(&mark.with_file_name(other), b"content");
    }
    fs::create_dir(mark.with_file_name("directory")).unwrap();
    assert_eq!(found(&fixture.store, "alice"), [id(0).digest()]);
    fixture.store.purge_expired().unwrap();
    fixture.store.remove(&id(0)).unwrap();
    assert_eq!(found(&fixture.store, "alice"), [[0; 32]; 0]);
    assert_eq!(marks(&fixture).len(), others.len() + 1);
}

#[cfg(unix)]
#[test]
fn a_mark_that_is_a_link_is_not_followed() {
    let fixture = Fixture::new();
    sign_in(&fixture.store, &id(0), "alice");
    let mark = marks(&fixture).remove(0);
    let letter = fixture.directory.path().join("letter");
    write(&letter, b"dear Bob");
    fs::remove_file(&mark).unwrap();
    std::os::unix::fs::symlink(&letter, &mark).unwrap();
    assert_eq!(found(&fixture.store, "alice"), [id(0).digest()]);
    fixture.store.remove(&id(0)).unwrap();
    assert_eq!(marks(&fixture).len(), 0);
    assert_eq!(fs::read(letter).unwrap(), b"dear Bob");
}

#[test]
fn what_an_older_key_sealed_is_found_and_marked_anew_when_it_is_written() {
    let fixture = Fixture::new();
    sign_in(&fixture.store, &id(0), "alice");
    sign_in(&fixture.store, &id(1), "alice");
    let new_key = EncryptionKey::from_bytes([2; 32]);
    let both = Sealer::new(new_key.clone()).with_older_key(key());
    let both = fixture.open_with(both);
    assert_eq!(found(&both, "alice").len(), 2);
    both.session(&id(0)).set(IdToken, Some("b")).unwrap();
    both.rename(&id(1), &id(2)).unwrap();
    assert_eq!(found(&both, "alice").len(), 2);

    let new = fixture.open_with(new_key);
    let mut sessions = found(&new, "alice");
    sessions.sort();
    let mut expected = [id(0).digest(), id(2).digest()];
    expected.sort();
    assert_eq!(sessions, expected);
    both.remove(&id(0)).unwrap();
    both.remove(&id(2)).unwrap();
    assert_eq!(marks(&fixture).len(), 0);
}

#[test]
fn a_session_that_cannot_be_opened_hides_no_other() {
    let fixture = Fixture::new();
    sign_in(&fixture.store, &id(0), "alice");
    sign_in(&fixture.store, &id(1), "alice");
    let damaged = fixture.path().join(id(0).digest_hex() + ".session");
    write(&damaged, b"no box");
    assert_eq!(found(&fixture.store, "alice"), [id(1).digest()]);
    assert_eq!(marks(&fixture).len(), 4, "it may be repaired");
}
