//! Temporary files that a killed process left.

use std::path::PathBuf;

use logto_core::PersistKey::IdToken;
use logto_core::{SessionStore, Storage};
use logto_storage_file::FileStorage;

use crate::fixture::{Fixture, id, key, lock, names, write};

fn leave(fixture: &Fixture) -> PathBuf {
    let name = id(0).digest_hex() + ".session.0123456789abcdef.tmp";
    let path = fixture.path().join(name);
    write(&path, b"half a b");
    path
}

#[test]
fn they_are_removed_at_the_next_opening_and_by_a_purge() {
    let fixture = Fixture::new();
    fixture
        .store
        .session(&id(0))
        .set(IdToken, Some("a"))
        .unwrap();
    let left = leave(&fixture);
    fixture.builder().open().unwrap();
    assert!(!left.exists());

    leave(&fixture);
    assert_eq!(fixture.store.purge_expired().unwrap(), 0);
    assert!(!left.exists());
    assert!(
        fixture
            .store
            .session(&id(0))
            .get(IdToken)
            .unwrap()
            .is_some()
    );
}

#[test]
fn those_of_a_living_writer_are_left() {
    let fixture = Fixture::new();
    let left = leave(&fixture);
    let turn = fixture.take_turn(&id(0));
    fixture.builder().open().unwrap();
    fixture.store.purge_expired().unwrap();
    assert!(left.exists());
    drop(turn);
    fixture.store.purge_expired().unwrap();
    assert!(!left.exists());
}

#[test]
fn other_files_are_left() {
    let fixture = Fixture::new();
    let others = [
        "letter.tmp",
        "letter.0123456789abcdef.tmp",
        "letter.session",
        "0123.session.0123456789abcdef.tmp",
    ];
    for name in others {
        write(&fixture.path().join(name), b"x");
    }
    fixture.builder().open().unwrap();
    fixture.store.purge_expired().unwrap();
    for name in others {
        assert!(fixture.path().join(name).exists(), "{name}");
    }
}

#[test]
fn one_file_sweeps_its_own() {
    let fixture = Fixture::new();
    let directory = fixture.directory.path();
    let temporary = |name: &str| directory.join(format!("{name}.0123456789abcdef.tmp"));
    let (own, other) = (temporary("mine"), temporary("yours"));
    write(&own, b"x");
    write(&other, b"x");
    let turn = lock(&directory.join("mine.write"));
    FileStorage::open(directory.join("mine"), key()).unwrap();
    assert!(own.exists());
    drop(turn);
    FileStorage::open(directory.join("mine"), key()).unwrap();
    assert!(!own.exists() && other.exists());
    assert_eq!(names(directory, ".tmp").len(), 1);
}
