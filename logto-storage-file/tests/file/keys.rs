//! Keys that change, and passphrases.

use std::fs;

use logto_core::{
    Argon2Cost, EncryptionKey, OwnerDigest, Record, Sealer, SessionOwner, Storage as _,
    StorageErrorKind,
};

use crate::fixture::{Fixture, key, names, session};

#[test]
fn key_rotation_reads_old_sessions_and_saves_with_the_new_key() {
    let fixture = Fixture::new();
    let issuer = "https://foo.logto.app/oidc";
    let owner = Some(SessionOwner::new(issuer, "alice", None));
    for number in [0, 1] {
        let record = Record::new(owner, "a");
        fixture
            .storage
            .save(&session(number), &record, None)
            .unwrap();
    }
    let new = EncryptionKey::from_bytes([1; 32]);
    let sealer = Sealer::new(new.clone()).with_older_key(key());
    let both = fixture.builder(sealer).open().unwrap();
    let before = fs::read(fixture.file(0)).unwrap();
    let found = both.load(&session(0)).unwrap().unwrap();
    assert_eq!(fs::read(fixture.file(0)).unwrap(), before);
    let record = Record::new(owner, "b");
    let version = Some(found.version());
    both.save(&session(0), &record, version).unwrap();
    let mut sessions = both.find(&OwnerDigest::of_user(issuer, "alice")).unwrap();
    sessions.sort();
    assert_eq!(sessions, [session(0), session(1)]);
    assert_eq!(names(&fixture.path().join("owners")).len(), 2);

    // The marker has the new key too.
    let only_new = fixture.builder(new).open().unwrap();
    assert_eq!(only_new.load(&session(0)).unwrap(), Some(record));
    let error = only_new.load(&session(1)).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::WrongKey);
    let error = fixture.builder(key()).open().unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::WrongKey);
}

#[test]
fn passphrase_keeps_its_salt_when_the_storage_is_opened_again() {
    // Where a box of a passphrase has its salt.
    const SALT: std::ops::Range<usize> = 30..46;
    let fixture = Fixture::new();
    let path = fixture.parent.path().join("passphrase");
    let mut salts = Vec::new();
    for number in 0..5 {
        let cost = Argon2Cost::new(64, 1, 1).unwrap();
        let key = EncryptionKey::from_passphrase_with("secret", cost).unwrap();
        let storage = logto_storage_file::FileStorage::open(&path, key).unwrap();
        let record = Record::new(None, "a");
        storage.save(&session(number), &record, None).unwrap();
        let name = session(number).to_hex() + ".session";
        salts.push(fs::read(path.join(name)).unwrap()[SALT].to_vec());
        assert!(storage.load(&session(0)).unwrap().is_some());
    }
    salts.dedup();
    assert_eq!(salts.len(), 1);
}
