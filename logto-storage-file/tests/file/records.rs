//! Whatever is in the box of a session file: values, or an error with a kind.

use std::fs;
use std::path::PathBuf;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, PersistKey, Sealer, Storage, StorageErrorKind};
use logto_storage_file::FileStorage;
use tempfile::TempDir;

use crate::fixture::{key, write};

const CONTEXT: &[&[u8]] = &[b"logto session file"];

/// Of the version, the last use and the owner.
const HEAD: usize = 42;

/// A storage whose file holds what a test puts there.
struct Stuffed {
    file: PathBuf,
    storage: FileStorage,
    sealer: Sealer,
    _directory: TempDir,
}

impl Stuffed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("session");
        let sealer = Sealer::new(key());
        let storage = FileStorage::open(&file, sealer.clone()).unwrap();
        let changes = [Change::set(IdToken, "ü"), Change::set(RefreshToken, "")];
        storage.update(&changes).unwrap();
        Self {
            file,
            storage,
            sealer,
            _directory: directory,
        }
    }

    fn record(&self) -> Vec<u8> {
        let sealed = fs::read(&self.file).unwrap();
        let opened = self.sealer.open(CONTEXT, &sealed);
        opened.unwrap().into_plaintext()
    }

    /// Whether it could be read.
    fn takes(&self, record: &[u8]) -> bool {
        let sealed = self.sealer.seal(CONTEXT, record).unwrap();
        write(&self.file, &sealed);
        let values = PersistKey::ALL.map(|key| self.storage.get(key).map_err(|e| e.kind()));
        let kinds: Vec<_> = values
            .iter()
            .filter_map(|value| value.as_ref().err())
            .collect();
        if kinds.is_empty() {
            return true;
        }
        assert_eq!(kinds.len(), values.len());
        let expected = [StorageErrorKind::Corrupt, StorageErrorKind::NewerFormat];
        assert!(kinds.iter().all(|kind| expected.contains(*kind)));
        assert!(self.storage.set(IdToken, Some("b")).is_err());
        assert!(fs::read(&self.file).unwrap() == sealed);
        false
    }
}

#[test]
fn any_record_gives_values_or_a_typed_error() {
    let stuffed = Stuffed::new();
    let valid = stuffed.record();
    let mut random = Random(1);
    let mut taken = 0;
    for round in 0..3_000 {
        let record = match round % 3 {
            0 => random.bytes(round % 200),
            1 => [&valid[..HEAD], &random.bytes(round % 20)].concat(),
            _ => random.changed(&valid),
        };
        taken += u32::from(stuffed.takes(&record));
    }
    // Some changes are of a value's text, or of the last use.
    assert!((100..2_000).contains(&taken), "{taken}");
}

/// The same bytes in every run: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// With one byte changed, and one time in four cut off.
    fn changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = self.next() as usize % bytes.len();
        bytes[at] = self.next() as u8;
        if self.next().is_multiple_of(4) {
            bytes.truncate(self.next() as usize % bytes.len());
        }
        bytes
    }
}
