//! Files of version 1, kept: what was stored can be read, and what is damaged is refused.
//!
//! `cargo test -p logto-storage-file --test file make_golden_files -- --ignored` makes them anew, which a
//! new version of the format must not need.

use std::fs;
use std::path::{Path, PathBuf};

use logto_core::PersistKey::{AccessTokenMap, IdToken, RefreshToken};
use logto_core::{
    Argon2Cost, Change, EncryptionKey, Sealer, SessionStore, Storage, StorageError,
    StorageErrorKind,
};
use logto_storage_file::FileStore;
use logto_testing::TestClock;

use crate::fixture::{Fixture, LIFETIME, MADE_AT, id, key, write};

const OF_BYTES: &str = "bytes.session";
const OF_A_PASSPHRASE: &str = "passphrase.session";
const RENAMING: &str = "renaming.session";

const CHANGES: [Change<'_>; 3] = [
    Change::set(IdToken, "an ID token"),
    Change::set(RefreshToken, "ein Schlüssel"),
    Change::set(AccessTokenMap, "{}"),
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn passphrase() -> EncryptionKey {
    let cost = Argon2Cost::new(64, 1, 1).unwrap();
    EncryptionKey::from_passphrase_with("correct horse battery staple", cost).unwrap()
}

fn either() -> Sealer {
    Sealer::new(key()).with_older_key(passphrase())
}

/// A store with this golden file as session 0.
fn store_with(fixture: &Fixture, name: &str) -> FileStore {
    write(&fixture.file(&id(0)), &fs::read(golden(name)).unwrap());
    fixture.open_with(either())
}

fn assert_holds_all(session: &dyn Storage) {
    for change in CHANGES {
        let found = session.get(change.key).unwrap();
        assert_eq!(found.as_deref(), change.value);
    }
}

#[test]
fn golden_files_are_read_and_written() {
    for name in [OF_BYTES, OF_A_PASSPHRASE, RENAMING] {
        let fixture = Fixture::new();
        let session = store_with(&fixture, name).session(&id(0));
        assert_holds_all(&session);
        session.set(IdToken, Some("new")).unwrap();
        assert_eq!(session.get(IdToken).unwrap().unwrap(), "new");
    }
}

#[test]
fn the_golden_file_has_its_last_use_in_it() {
    let fixture = Fixture::new();
    let store = store_with(&fixture, OF_BYTES);
    fixture.clock.set(MADE_AT + LIFETIME.as_secs() as i64);
    assert_holds_all(&store.session(&id(0)));

    let fixture = Fixture::new();
    let store = store_with(&fixture, OF_BYTES);
    fixture.clock.set(MADE_AT + LIFETIME.as_secs() as i64 + 1);
    assert!(store.session(&id(0)).get(IdToken).unwrap().is_none());
    assert_eq!(store.purge_expired().unwrap(), 1);
}

#[test]
fn every_flipped_bit_is_refused_and_left() {
    for name in [OF_BYTES, OF_A_PASSPHRASE] {
        let fixture = Fixture::new();
        let store = store_with(&fixture, name);
        let whole = fs::read(golden(name)).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_refused_and_left(&fixture, &store, &flipped);
        }
    }
}

#[test]
fn every_truncation_is_refused_and_left() {
    for name in [OF_BYTES, OF_A_PASSPHRASE, RENAMING] {
        let fixture = Fixture::new();
        let store = store_with(&fixture, name);
        let whole = fs::read(golden(name)).unwrap();
        for length in 0..whole.len() {
            let kind = assert_refused_and_left(&fixture, &store, &whole[..length]);
            assert_eq!(kind, StorageErrorKind::Corrupt);
        }
        let longer = [&whole[..], b"\0"].concat();
        assert_refused_and_left(&fixture, &store, &longer);
    }
}

fn assert_refused_and_left(fixture: &Fixture, store: &FileStore, bytes: &[u8]) -> StorageErrorKind {
    let path = fixture.file(&id(0));
    write(&path, bytes);
    let session = store.session(&id(0));
    let kind = kind(session.get(IdToken));
    assert!(session.set(IdToken, Some("new")).is_err());
    assert!(store.rename(&id(0), &id(1)).is_err());
    assert_eq!(store.purge_expired().unwrap(), 0);
    assert_eq!(fs::read(path).unwrap(), bytes);
    kind
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, StorageError>) -> StorageErrorKind {
    let kind = outcome.unwrap_err().kind();
    assert!(matches!(
        kind,
        StorageErrorKind::Corrupt | StorageErrorKind::WrongKey | StorageErrorKind::NewerFormat
    ));
    kind
}

/// Writes the golden files, and does nothing unless it is asked to.
#[test]
fn make_golden_files() {
    if std::env::var_os("MAKE_GOLDEN_FILES").is_none() {
        return;
    }
    let fixture = Fixture::new();
    for (name, key) in [(OF_BYTES, key()), (OF_A_PASSPHRASE, passphrase())] {
        let clock = TestClock::new();
        clock.freeze();
        clock.set(MADE_AT);
        let store = FileStore::builder(fixture.directory.path().join(name), key);
        let store = store.clock(clock).open().unwrap();
        store.session(&id(0)).update(&CHANGES).unwrap();
        let made = fixture.directory.path().join(name);
        let made = made.join(id(0).digest_hex() + ".session");
        fs::copy(made, golden(name)).unwrap();
    }
    crate::rename::interrupt_rename(&fixture, &CHANGES);
    fs::copy(fixture.file(&id(0)), golden(RENAMING)).unwrap();
}
