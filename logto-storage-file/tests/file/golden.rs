//! Directories of format 1, kept: what was stored can be read, and a damaged file is refused.
//!
//! `MAKE_GOLDEN_FILES=1 cargo test -p logto-storage-file --test file make_golden_files` makes them, which a
//! new version of the format must not need.

use std::fs;
use std::path::{Path, PathBuf};

use logto_core::{
    Argon2Cost, EncryptionKey, Record, SessionOwner, Storage as _, StorageErrorKind, Version,
};
use logto_storage_file::FileStorage;
use tempfile::TempDir;

use crate::fixture::{copy, key, session, write};

const DATA: &str = r#"{"refreshToken":"ein Schlüssel"}"#;

fn golden() -> [(PathBuf, EncryptionKey); 2] {
    let cost = Argon2Cost::new(64, 1, 1).unwrap();
    let passphrase = "correct horse battery staple";
    let passphrase = EncryptionKey::from_passphrase_with(passphrase, cost).unwrap();
    let path = |name| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name)
    };
    [(path("bytes"), key()), (path("passphrase"), passphrase)]
}

fn record() -> Record {
    let owner = SessionOwner::new("https://foo.logto.app/oidc", "alice", Some("1"));
    Record::stored(Version::from_bytes([7; 16]), Some(owner), DATA)
}

/// A storage over a copy of a golden directory, and the session's file.
fn copied((golden, key): &(PathBuf, EncryptionKey)) -> (TempDir, FileStorage, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("sessions");
    copy(golden, &path);
    let storage = FileStorage::open(&path, key).unwrap();
    let file = path.join(session(0).to_hex() + ".session");
    (parent, storage, file)
}

#[test]
fn golden_directories_are_read_and_written() {
    for golden in golden() {
        let (_parent, storage, _) = copied(&golden);
        assert_eq!(storage.load(&session(0)).unwrap(), Some(record()));
        let user = record().owner().unwrap().user();
        assert_eq!(storage.find(&user).unwrap(), [session(0)]);
        let (new, version) = (Record::new(None, "new"), record().version());
        storage.save(&session(0), &new, Some(version)).unwrap();
        assert_eq!(storage.load(&session(0)).unwrap(), Some(new));
    }
}

#[test]
fn golden_file_with_any_flipped_bit_or_cut_at_any_length_is_refused_and_left() {
    for golden in golden() {
        let (_parent, storage, file) = copied(&golden);
        let whole = fs::read(&file).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_refused_and_left(&storage, &file, &flipped);
        }
        for length in 0..whole.len() {
            let kind = assert_refused_and_left(&storage, &file, &whole[..length]);
            assert_eq!(kind, StorageErrorKind::Corrupt);
        }
        assert_refused_and_left(&storage, &file, &[&whole[..], b"\0"].concat());
    }
}

fn assert_refused_and_left(storage: &FileStorage, file: &Path, bytes: &[u8]) -> StorageErrorKind {
    use StorageErrorKind::{Corrupt, NewerFormat, WrongKey};
    write(file, bytes);
    let kind = storage.load(&session(0)).unwrap_err().kind();
    assert!(matches!(kind, Corrupt | WrongKey | NewerFormat), "{kind:?}");
    let new = Record::new(None, "new");
    assert!(storage.save(&session(0), &new, None).is_err());
    assert_eq!(fs::read(file).unwrap(), bytes);
    kind
}

/// Writes the golden directories, and does nothing unless it is asked to.
#[test]
fn make_golden_files() {
    if std::env::var_os("MAKE_GOLDEN_FILES").is_none() {
        return;
    }
    for (path, key) in golden() {
        let made = tempfile::tempdir().unwrap();
        let made = made.path().join("sessions");
        let storage = FileStorage::open(&made, key).unwrap();
        storage.save(&session(0), &record(), None).unwrap();
        let _ = fs::remove_dir_all(made.join("turns"));
        let _ = fs::remove_dir_all(&path);
        copy(&made, &path);
    }
}
