//! The promises of every storage, and those of this one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use logto_core::{
    EncryptedStorage, EncryptionKey, Record, SessionId, SessionKey, SessionOwner, Storage,
};
use logto_storage_sled::SledStorage;
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

use super::{InDirectory, data, new_key, save};

logto_testing::storage_contract!(InDirectory);

mod encrypted {
    use super::*;

    /// The same, with sealed data.
    struct Encrypted(InDirectory);

    impl Fixture for Encrypted {
        const PERSISTENT: bool = true;

        fn new() -> Self {
            Self(InDirectory::new())
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
            let key = EncryptionKey::from_bytes([7; 32]);
            Box::new(EncryptedStorage::new(
                self.0.open(idle_lifetime, clock),
                key,
            ))
        }
    }

    logto_testing::storage_contract!(Encrypted);
}

const MIB: usize = 1024 * 1024;

#[test]
fn record_of_16_mib_is_stored() {
    let directory = InDirectory::new();
    let storage = SledStorage::open(directory.path()).unwrap();
    let long = "é".repeat(8 * MIB);
    save(&storage, &SessionKey::ONLY, &long).unwrap();
    drop(storage);
    let storage = SledStorage::open(directory.path()).unwrap();
    assert!(data(&storage, &SessionKey::ONLY).unwrap() == long);
}

#[test]
fn replace_holds_when_the_storage_is_opened_again() {
    let directory = InDirectory::new();
    let storage = SledStorage::open(directory.path()).unwrap();
    let owner = SessionOwner::new("https://issuer", "alice", None);
    let (from, to) = (new_key(), new_key());
    let record = Record::new(Some(owner), "x".repeat(MIB));
    storage.save(&from, &record, None).unwrap();
    let moved = Record::new(Some(owner), "moved");
    let expected = Some(record.version());
    storage.replace(&from, expected, &to, &moved).unwrap();
    drop(storage);
    let storage = SledStorage::open(directory.path()).unwrap();
    assert_eq!(data(&storage, &from), None);
    assert_eq!(storage.load(&to).unwrap(), Some(moved));
    assert_eq!(storage.find(&owner.user()).unwrap(), [to]);
}

#[test]
fn files_hold_the_key_and_never_the_session_id() {
    let directory = InDirectory::new();
    let storage = SledStorage::open(directory.path()).unwrap();
    let id = SessionId::random();
    save(&storage, &id.key(), "data").unwrap();
    drop(storage);
    let log = fs::read(directory.path().join("db")).unwrap();
    assert!(contains(&log, id.key().as_bytes()));
    for file in files(directory.path()) {
        assert!(!contains(&fs::read(file).unwrap(), id.expose().as_bytes()));
    }
}

#[test]
fn debug_shows_the_path() {
    let directory = InDirectory::new();
    let storage = SledStorage::open(directory.path()).unwrap();
    let shown = format!("{storage:?} {:?}", SledStorage::builder(directory.path()));
    let path = directory.path().display().to_string();
    assert_eq!(shown.matches(&path).count(), 2, "{shown}");
}

#[test]
fn storage_is_send_sync_and_cheaply_cloned() {
    fn assert_shareable<T: Send + Sync + Clone + 'static>() {}
    assert_shareable::<SledStorage>();
    let directory = InDirectory::new();
    let storage = SledStorage::open(directory.path()).unwrap();
    save(&storage.clone(), &SessionKey::ONLY, "data").unwrap();
    assert_eq!(data(&storage, &SessionKey::ONLY).as_deref(), Some("data"));
}

fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
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
