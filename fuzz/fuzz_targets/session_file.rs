//! Any bytes that are sealed as a session file load as a record or fail with a typed error, and a file
//! that cannot be read is not overwritten. `TMPDIR=/dev/shm cargo +nightly fuzz run session_file`
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use logto_core::{EncryptionKey, Record, Sealer, SessionKey, Storage, StorageErrorKind};
use logto_storage_file::FileStorage;
use tempfile::TempDir;

/// A version and the number of owners, which any bytes may follow.
const HEAD: [u8; 17] = [0; 17];

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(|input: (bool, &[u8])| {
    let (has_head, bytes) = input;
    match has_head {
        true => PLACE.try_record(&[&HEAD[..], bytes].concat()),
        false => PLACE.try_record(bytes),
    }
});

struct Place {
    _directory: TempDir,
    file: PathBuf,
    /// The id of the directory, which its files are sealed to.
    id: Vec<u8>,
    sealer: Sealer,
    storage: FileStorage,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sealer = Sealer::new(EncryptionKey::from_bytes([7; 32]));
        let storage = FileStorage::open(directory.path(), sealer.clone()).unwrap();
        let first = Record::new(None, "{}");
        storage.save(&SessionKey::ONLY, &first, None).unwrap();
        let marker = fs::read(directory.path().join("marker")).unwrap();
        let marker = sealer.open(&[b"logto session directory"], &marker).unwrap();
        let name = format!("{}.session", SessionKey::ONLY.to_hex());
        Self {
            file: directory.path().join(name),
            _directory: directory,
            id: marker.plaintext()[1..].to_vec(),
            sealer,
            storage,
        }
    }

    fn try_record(&self, record: &[u8]) {
        let context: [&[u8]; 3] = [b"logto session file", &self.id, SessionKey::ONLY.as_bytes()];
        let sealed = self.sealer.seal(&context, record).unwrap();
        // It keeps its mode.
        fs::write(&self.file, &sealed).unwrap();
        let next = Record::new(None, "next");
        match self.storage.load(&SessionKey::ONLY) {
            Ok(found) => {
                let version = found.map(|record| record.version());
                self.storage
                    .save(&SessionKey::ONLY, &next, version)
                    .unwrap();
                assert_eq!(self.storage.load(&SessionKey::ONLY).unwrap(), Some(next));
            }
            Err(error) => {
                assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{error}");
                assert!(self.storage.save(&SessionKey::ONLY, &next, None).is_err());
                assert!(fs::read(&self.file).unwrap() == sealed);
            }
        }
    }
}
