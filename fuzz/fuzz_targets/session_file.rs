//! Whatever is sealed in a session file, it gives values or an error with a kind, and an update
//! of what can be read loses nothing. `TMPDIR=/dev/shm cargo +nightly fuzz run session_file`
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use logto_core::PersistKey::{self, IdToken};
use logto_core::{EncryptionKey, Sealer, Storage, StorageError, StorageErrorKind};
use logto_storage_file::FileStorage;
use tempfile::TempDir;

const CONTEXT: &[&[u8]] = &[b"logto session file"];

/// The version, the last use and the owners.
const HEAD: usize = 42;

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(|input: (bool, &[u8])| {
    let (has_head, bytes) = input;
    let record = match has_head {
        true => [&PLACE.head, bytes].concat(),
        false => bytes.to_vec(),
    };
    PLACE.try_record(&record);
});

struct Place {
    _directory: TempDir,
    file: PathBuf,
    sealer: Sealer,
    /// How each record of this session starts.
    head: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("session");
        let sealer = Sealer::new(EncryptionKey::from_bytes([7; 32]));
        let storage = FileStorage::open(&file, sealer.clone()).unwrap();
        storage.set(IdToken, Some("a")).unwrap();
        let opened = sealer.open(CONTEXT, &fs::read(&file).unwrap()).unwrap();
        Self {
            _directory: directory,
            head: opened.plaintext()[..HEAD].to_vec(),
            file,
            sealer,
        }
    }

    fn try_record(&self, record: &[u8]) {
        let sealed = self.sealer.seal(CONTEXT, record).unwrap();
        overwrite(&self.file, &sealed);
        match FileStorage::open(&self.file, self.sealer.clone()) {
            Ok(storage) => try_values(&storage),
            Err(error) => {
                assert_typed(&error);
                assert!(fs::read(&self.file).unwrap() == sealed);
            }
        }
    }
}

/// It keeps its mode.
fn overwrite(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap();
}

fn try_values(storage: &FileStorage) {
    let before = values(storage);
    storage.set(IdToken, Some("b")).unwrap();
    for (key, (before, after)) in PersistKey::ALL
        .iter()
        .zip(before.iter().zip(values(storage)))
    {
        match key {
            IdToken => assert_eq!(after.as_deref(), Some("b")),
            _ => assert_eq!(after, *before),
        }
    }
}

fn values(storage: &FileStorage) -> Vec<Option<String>> {
    let keys = PersistKey::ALL.iter();
    keys.map(|key| storage.get(*key).unwrap()).collect()
}

fn assert_typed(error: &StorageError) {
    let kinds = [StorageErrorKind::Corrupt, StorageErrorKind::NewerFormat];
    assert!(kinds.contains(&error.kind()), "{error}");
}
