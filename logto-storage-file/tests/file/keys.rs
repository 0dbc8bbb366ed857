//! Keys that change, and passphrases.

use std::fs;

use logto_core::PersistKey::IdToken;
use logto_core::{Argon2Cost, EncryptionKey, Sealer, SessionStore, Storage, StorageErrorKind};
use logto_storage_file::{FileStorage, FileStore};

use crate::fixture::{Fixture, id, key, write};

#[test]
fn an_older_key_reads_and_the_next_write_takes_the_new_one() {
    let fixture = Fixture::new();
    for number in [0, 1] {
        let session = fixture.store.session(&id(number));
        session.set(IdToken, Some("a")).unwrap();
    }
    let new = EncryptionKey::from_bytes([1; 32]);
    let sealer = Sealer::new(new.clone()).with_older_key(key());
    let both = fixture.open_with(sealer);
    let before = fs::read(fixture.file(&id(0))).unwrap();
    assert_eq!(both.session(&id(0)).get(IdToken).unwrap().unwrap(), "a");
    assert_eq!(fs::read(fixture.file(&id(0))).unwrap(), before);
    both.session(&id(0)).set(IdToken, Some("b")).unwrap();

    let only_new = fixture.open_with(new);
    assert_eq!(only_new.session(&id(0)).get(IdToken).unwrap().unwrap(), "b");
    let error = only_new.session(&id(1)).get(IdToken).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::WrongKey);
}

#[test]
fn a_passphrase_keeps_its_salt_when_the_store_is_opened_again() {
    // Where a box of a passphrase has its salt.
    const SALT: std::ops::Range<usize> = 30..46;
    let fixture = Fixture::new();
    let mut salts = Vec::new();
    for number in 0..5 {
        let cost = Argon2Cost::new(64, 1, 1).unwrap();
        let key = EncryptionKey::from_passphrase_with("secret", cost).unwrap();
        let store = fixture.open_with(key);
        store.session(&id(number)).set(IdToken, Some("a")).unwrap();
        let file = fs::read(fixture.file(&id(number))).unwrap();
        salts.push(file[SALT].to_vec());
        assert!(store.session(&id(0)).get(IdToken).unwrap().is_some());
    }
    salts.dedup();
    assert_eq!(salts.len(), 1);
}

#[test]
fn a_file_moves_between_a_storage_and_the_default_session_of_a_store() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("session");
    let storage = FileStorage::open(&path, key()).unwrap();
    storage.set(IdToken, Some("a")).unwrap();

    let store = FileStore::open(fixture.path(), key()).unwrap();
    let session = store.default_session();
    session.set(IdToken, Some("b")).unwrap();
    let name = crate::fixture::names(&fixture.path(), ".session").remove(0);
    write(&fixture.path().join(name), &fs::read(path).unwrap());
    assert_eq!(session.get(IdToken).unwrap().unwrap(), "a");
}
