//! What cannot be read or written: an error of its own each.

use std::fs::{self, File};

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{EncryptionKey, SealError, SessionStore, Storage, StorageErrorKind};
use logto_storage_file::{FileStorage, FileStore};

use crate::fixture::{Fixture, assert_says, id, key, write};

#[test]
fn a_wrong_key_is_told_and_leaves_the_file() {
    let fixture = Fixture::new();
    let path = fixture.file(&id(0));
    fixture
        .store
        .session(&id(0))
        .set(IdToken, Some("a"))
        .unwrap();
    let before = fs::read(&path).unwrap();

    for wrong in [
        EncryptionKey::from_bytes([1; 32]),
        EncryptionKey::from_passphrase("secret").unwrap(),
    ] {
        let store = fixture.open_with(wrong);
        let session = store.session(&id(0));
        let error = session.get(IdToken).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::WrongKey);
        assert_says(&error, &["another key", &id(0).digest_hex()]);
        assert!(session.set(IdToken, Some("b")).is_err());
        assert!(session.set(IdToken, None).is_err());
        assert!(store.rename(&id(0), &id(1)).is_err());
        assert_eq!(store.purge_expired().unwrap(), 0);
        assert_eq!(fs::read(&path).unwrap(), before);
        let other = store.session(&id(1));
        other.set(IdToken, Some("c")).unwrap();
        store.remove(&id(1)).unwrap();
    }
    fixture.store.remove(&id(0)).unwrap();
    assert!(!path.exists());
}

#[test]
fn each_kind_of_damage_has_its_own_words() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&id(0));
    session.set(IdToken, Some("a")).unwrap();
    let whole = fs::read(fixture.file(&id(0))).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    for (bytes, kind, cause, words) in [
        (vec![], StorageErrorKind::Corrupt, SealError::Empty, "empty"),
        (
            changed(0),
            StorageErrorKind::Corrupt,
            SealError::NotABox,
            "not a sealed box",
        ),
        (
            whole[..50].to_vec(),
            StorageErrorKind::Corrupt,
            SealError::Truncated,
            "cut off",
        ),
        (
            changed(8),
            StorageErrorKind::NewerFormat,
            SealError::NewerVersion(254),
            "version 254",
        ),
        (
            changed(9),
            StorageErrorKind::WrongKey,
            SealError::WrongKey,
            "another key",
        ),
        (
            changed(100),
            StorageErrorKind::Corrupt,
            SealError::Corrupt,
            "damaged",
        ),
    ] {
        write(&fixture.file(&id(0)), &bytes);
        let error = session.get(IdToken).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_says(&error, &[words]);
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.downcast_ref(), Some(&cause));
    }
}

#[test]
fn the_file_of_another_session_stays_shut() {
    let fixture = Fixture::new();
    let [alice, mallory] = [0, 1].map(|number| fixture.store.session(&id(number)));
    alice.set(RefreshToken, Some("hers")).unwrap();
    fs::copy(fixture.file(&id(0)), fixture.file(&id(1))).unwrap();
    let error = mallory.get(RefreshToken).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
    assert_says(&error, &["another session"]);
}

#[test]
fn what_is_no_file_is_refused() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.file(&id(0))).unwrap();
    let session = fixture.store.session(&id(0));
    let error = session.get(IdToken).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
    assert_says(&error, &["regular file"]);
    assert!(session.set(IdToken, Some("a")).is_err());
}

#[test]
fn a_file_beyond_all_bounds_is_not_read() {
    let fixture = Fixture::new();
    let path = fixture.file(&id(0));
    write(&path, b"");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = fixture.store.session(&id(0)).get(IdToken).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
    assert_says(&error, &["longer than 64 MiB"]);
}

#[test]
fn a_session_beyond_all_bounds_is_not_written() {
    let fixture = Fixture::new();
    let session = fixture.store.session(&id(0));
    session.set(IdToken, Some("a")).unwrap();
    let too_long = "x".repeat(64 << 20);
    let error = session.set(RefreshToken, Some(&too_long)).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Backend);
    assert_says(&error, &["longer than 64 MiB"]);
    assert_eq!(session.get(IdToken).unwrap().unwrap(), "a");

    let just_right = &too_long[..(64 << 20) - 2_000];
    session.set(RefreshToken, Some(just_right)).unwrap();
    assert!(session.get(RefreshToken).unwrap().as_deref() == Some(just_right));
}

#[test]
fn a_directory_that_is_gone_is_no_absent_session() {
    let fixture = Fixture::new();
    fs::remove_dir_all(fixture.path()).unwrap();
    let session = fixture.store.session(&id(0));
    for error in [
        session.get(IdToken).unwrap_err(),
        session.set(IdToken, Some("a")).unwrap_err(),
    ] {
        assert_eq!(error.kind(), StorageErrorKind::Backend);
        assert_says(&error, &["directory is gone"]);
    }
    assert!(fixture.store.purge_expired().is_err());
}

#[test]
fn a_path_that_is_no_place_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.directory.path().join("file");
    write(&file, b"");
    for path in [&file, &file.join("sessions")] {
        let error = FileStore::open(path, key()).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::PermissionDenied);
        assert_says(&error, &["not a directory"]);
    }
    let error = FileStorage::open(fixture.directory.path().join(".."), key()).unwrap_err();
    assert_says(&error, &["the path of a file"]);
    let error = FileStorage::open(fixture.path(), key()).unwrap_err();
    assert_says(&error, &["regular file"]);
}

#[test]
fn one_file_is_opened_to_see_whether_it_can_be() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("session");
    let storage = FileStorage::open(&path, key()).unwrap();
    storage.set(IdToken, Some("a")).unwrap();
    let wrong = EncryptionKey::from_bytes([1; 32]);
    let error = FileStorage::open(&path, wrong).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::WrongKey);
}

#[test]
fn what_cannot_be_opened_is_visited_and_cannot_be_read() {
    let fixture = Fixture::new();
    for n in 0..4 {
        let session = fixture.store.session(&id(n));
        session.set(IdToken, Some("a")).unwrap();
    }
    fs::write(fixture.file(&id(0)), "no box").unwrap();
    let other = fixture.open_with(EncryptionKey::from_bytes([1; 32]));
    fixture.store.remove(&id(1)).unwrap();
    other.session(&id(1)).set(IdToken, Some("b")).unwrap();
    // A copy under another name.
    fs::copy(fixture.file(&id(2)), fixture.file(&id(3))).unwrap();

    let mut kinds = Vec::new();
    let visited = fixture.store.for_each_session(&mut |found| {
        let read = found.storage().get(IdToken);
        kinds.push((found.digest(), read.err().map(|error| error.kind())));
        Ok(())
    });
    visited.unwrap();
    let mut expected = [
        (id(0).digest(), Some(StorageErrorKind::Corrupt)),
        (id(1).digest(), Some(StorageErrorKind::WrongKey)),
        (id(2).digest(), None),
        (id(3).digest(), Some(StorageErrorKind::Corrupt)),
    ];
    expected.sort_by_key(|(digest, _)| *digest);
    assert_eq!(kinds, expected);
}
