//! The promises of every storage, and those of this one.

mod common;

use std::fs;
use std::path::Path;
use std::thread;

use logto_core::PersistKey::{AccessTokenMap, IdToken, RefreshToken};
use logto_core::{Change, EncryptedStore, EncryptionKey, SessionId, SessionStore, Storage};
use logto_storage_sled::SledStore;
use tempfile::TempDir;

use common::InDirectory;

logto_testing::session_store_contract!(InDirectory);

mod encrypted {
    use std::time::Duration;

    use logto_testing::TestClock;
    use logto_testing::contract::Fixture;

    use super::*;

    /// The same, with sealed values.
    struct Encrypted(InDirectory);

    impl Fixture for Encrypted {
        const PERSISTENT: bool = true;

        fn new() -> Self {
            Self(InDirectory::new())
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
            let key = EncryptionKey::from_bytes([7; 32]);
            Box::new(EncryptedStore::new(self.0.open(idle_lifetime, clock), key))
        }
    }

    logto_testing::session_store_contract!(Encrypted);
}

const MIB: usize = 1024 * 1024;

fn store() -> (TempDir, SledStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path()).unwrap();
    (directory, store)
}

#[test]
fn nobody_reads_half_of_a_long_value() {
    let (_directory, store) = store();
    let id = SessionId::random();
    let (writer, reader) = (store.session(&id), store.session(&id));
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for round in 0..200_usize {
                let letter = char::from(b'a' + (round % 26) as u8);
                let value = letter.to_string().repeat(20_000 + round * 100);
                writer.set(IdToken, Some(&value)).unwrap();
            }
        });
        while !writing.is_finished() {
            let value = reader.get(IdToken).unwrap().unwrap_or_default();
            let first = value.chars().next();
            assert!(value.chars().all(|letter| Some(letter) == first));
        }
    });
}

#[test]
fn a_long_value_moves_with_its_session_and_goes_with_it() {
    let (directory, store) = store();
    let (from, to) = (SessionId::random(), SessionId::random());
    let long = "é".repeat(MIB / 2);
    let changes = [
        Change::set(AccessTokenMap, &long),
        Change::set(IdToken, "i"),
    ];
    store.session(&from).update(&changes).unwrap();
    store.session(&to).set(RefreshToken, Some(&long)).unwrap();
    store.rename(&from, &to).unwrap();
    let session = store.session(&to);
    assert!(session.get(AccessTokenMap).unwrap().unwrap() == long);
    assert_eq!(session.get(RefreshToken).unwrap(), None);
    assert_eq!(session.get(IdToken).unwrap().unwrap(), "i");

    store.remove(&to).unwrap();
    drop((session, store));
    let store = SledStore::open(directory.path()).unwrap();
    assert_eq!(store.session(&to).get(AccessTokenMap).unwrap(), None);
}

#[test]
fn sled_makes_no_file_for_a_page() {
    let (directory, store) = store();
    let sessions: Vec<_> = (0..30)
        .map(|_| store.session(&SessionId::random()))
        .collect();
    for round in 1..8 {
        for (number, session) in sessions.iter().enumerate() {
            let value = "v".repeat(4_000 * (1 + (number * round) % 30));
            session.set(AccessTokenMap, Some(&value)).unwrap();
            session.set(IdToken, Some(&value[..3_900])).unwrap();
        }
    }
    let blobs = fs::read_dir(directory.path().join("blobs")).unwrap();
    assert_eq!(blobs.count(), 0);
}

#[test]
fn a_value_that_is_too_long_is_refused_and_changes_nothing() {
    let (_directory, store) = store();
    let session = store.default_session();
    session.set(IdToken, Some("a")).unwrap();
    let error = session
        .set(IdToken, Some(&"x".repeat(17 * MIB)))
        .unwrap_err();
    assert!(error.to_string().contains("16 MiB"), "{error}");
    assert_eq!(session.get(IdToken).unwrap().unwrap(), "a");
}

#[test]
fn the_files_hold_the_digest_and_never_the_id() {
    let (directory, store) = store();
    let id = SessionId::random();
    store.session(&id).set(IdToken, Some("a")).unwrap();
    drop(store);
    let log = fs::read(directory.path().join("db")).unwrap();
    assert!(contains(&log, &id.digest()));
    for file in files(directory.path()) {
        assert!(!contains(&fs::read(file).unwrap(), id.expose().as_bytes()));
    }
}

#[test]
fn debug_shows_no_values() {
    let (directory, store) = store();
    let id = SessionId::random();
    let session = store.session(&id);
    session.set(IdToken, Some("precious")).unwrap();
    let builder = SledStore::builder(directory.path());
    let shown = format!("{store:?} {session:?} {builder:?}");
    assert!(shown.contains(&directory.path().display().to_string()));
    for secret in ["precious", id.expose(), &id.digest_hex()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_store_is_send_sync_and_cheaply_cloned() {
    fn assert_shareable<T: Send + Sync + Clone + 'static>() {}
    assert_shareable::<SledStore>();
    assert_eq!(size_of::<SledStore>(), size_of::<usize>());
}

fn files(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
