//! Modes, and links in the place of files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use logto_core::StorageErrorKind::{Backend, Corrupt, PermissionDenied};
use logto_core::{Record, SessionOwner, Storage as _};
use logto_storage_file::FileStorage;

use crate::fixture::{Fixture, assert_is, key, names, session};

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn all_below(directory: &Path) -> Vec<PathBuf> {
    let paths = names(directory)
        .into_iter()
        .map(|name| directory.join(name));
    paths
        .flat_map(|path| match path.is_dir() {
            true => [vec![path.clone()], all_below(&path)].concat(),
            false => vec![path],
        })
        .collect()
}

#[test]
fn permissions_are_for_the_owner_alone() {
    let fixture = Fixture::new();
    let path = fixture.parent.path().join("new").join("sessions");
    let storage = FileStorage::open(&path, key()).unwrap();
    let _held = storage.lock(&session(0), Duration::ZERO).unwrap();
    let owner = SessionOwner::new("https://foo.logto.app/oidc", "alice", None);
    let record = Record::new(Some(owner), "a");
    storage.save(&session(0), &record, None).unwrap();
    let all = all_below(path.parent().unwrap());
    assert_eq!(all.len(), 10);
    for path in all {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

#[test]
fn permissions_of_a_directory_that_let_others_in_are_refused() {
    let fixture = Fixture::new();
    for open in [0o750, 0o705, 0o777] {
        set_mode(&fixture.path(), open);
        let error = fixture.builder(key()).open().unwrap_err();
        assert_is(&error, PermissionDenied, "chmod 700");
        assert_eq!(mode(&fixture.path()), open);
    }
}

#[test]
fn permissions_of_a_file_that_let_others_in_are_refused() {
    let fixture = Fixture::new();
    let record = fixture.put(0, "a");
    for open in [0o640, 0o604, 0o666] {
        set_mode(&fixture.file(0), open);
        let error = fixture.assert_refused(0);
        assert_is(&error, PermissionDenied, "chmod 600");
        assert_eq!(mode(&fixture.file(0)), open);
    }
    set_mode(&fixture.file(0), 0o600);
    assert_eq!(fixture.load(0).unwrap(), Some(record));
}

#[test]
fn links_in_place_of_a_session_are_not_followed() {
    let fixture = Fixture::new();
    let elsewhere = fixture.parent.path().join("elsewhere");
    fixture.put(0, "a");
    fs::rename(fixture.file(0), &elsewhere).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    for target in [&elsewhere, &fixture.parent.path().join("nowhere")] {
        symlink(target, fixture.file(0)).unwrap();
        let error = fixture.assert_refused(0);
        assert_is(&error, PermissionDenied, "symbolic link");
        assert!(fixture.file(0).is_symlink());
        assert_eq!(fs::read(&elsewhere).unwrap(), before);

        fixture.storage.remove(&session(0)).unwrap();
        assert!(!fixture.file(0).is_symlink() && elsewhere.exists());
    }
}

#[test]
fn links_in_place_of_a_lock_are_not_followed() {
    let fixture = Fixture::new();
    fixture.put(0, "a");
    let target = fixture.parent.path().join("target");
    drop(fixture.storage.lock(&session(0), Duration::ZERO).unwrap());
    for directory in ["locks", "turns"] {
        let lock = fixture.path().join(directory).join("01");
        fs::remove_file(&lock).unwrap();
        symlink(&target, &lock).unwrap();
    }
    let lock = fixture.storage.lock(&session(0), Duration::ZERO);
    assert_eq!(lock.unwrap_err().kind(), Backend);
    assert!(fixture.storage.remove(&session(0)).is_err());
    assert!(!target.exists());
}

#[test]
fn links_to_the_directory_are_followed() {
    let fixture = Fixture::new();
    let link = fixture.parent.path().join("link");
    symlink(fixture.path(), &link).unwrap();
    let there = FileStorage::open(link, key()).unwrap();
    let record = fixture.put(0, "a");
    assert_eq!(there.load(&session(0)).unwrap(), Some(record));
    let _held = fixture.storage.lock(&session(0), Duration::ZERO).unwrap();
    assert!(there.lock(&session(0), Duration::ZERO).is_err());
}

#[test]
fn pipe_in_place_of_a_session_is_not_waited_for() {
    let fixture = Fixture::new();
    let made = Command::new("mkfifo").arg(fixture.file(0)).status();
    assert!(made.unwrap().success());
    set_mode(&fixture.file(0), 0o600);
    assert_is(&fixture.load(0).unwrap_err(), Corrupt, "regular file");
}
