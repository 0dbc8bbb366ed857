//! Who may read the files, and what stands in their place.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use logto_core::PersistKey::{IdToken, Owner};
use logto_core::{SessionOwner, SessionStore, Storage, StorageErrorKind::PermissionDenied};
use logto_storage_file::{FileStorage, FileStore};

use crate::fixture::{Fixture, assert_says, id, key, names};

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn directories_and_files_are_for_their_owner_alone() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("new").join("sessions");
    let store = FileStore::open(&path, key()).unwrap();
    let session = store.session(&id(0));
    let _held = session.lock(Duration::ZERO).unwrap();
    session.set(IdToken, Some("a")).unwrap();
    let owner = SessionOwner::of("https://foo.logto.app/oidc", "alice", None);
    session.set(Owner, Some(&owner.to_string())).unwrap();
    let owners = path.join("owners");
    for directory in [&path, path.parent().unwrap(), &owners] {
        assert_eq!(mode(directory), 0o700);
    }
    let mut files = names(&path, "");
    files.retain(|name| name != "owners");
    assert_eq!(files.len(), 3);
    let marks = names(&owners, "");
    assert_eq!(marks.len(), 1);
    files.extend(marks.iter().map(|name| format!("owners/{name}")));
    for name in files {
        assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_directory_that_lets_others_in_is_refused() {
    let fixture = Fixture::new();
    for open in [0o750, 0o705, 0o777] {
        set_mode(&fixture.path(), open);
        let error = FileStore::open(fixture.path(), key()).unwrap_err();
        assert_eq!(error.kind(), PermissionDenied);
        assert_says(&error, &["chmod 700", &format!("{open:03o}")]);
        assert_eq!(mode(&fixture.path()), open);
    }
}

#[test]
fn one_file_may_be_where_others_read_but_not_where_they_write() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("session");
    set_mode(fixture.directory.path(), 0o755);
    FileStorage::open(&path, key()).unwrap();
    set_mode(fixture.directory.path(), 0o775);
    let error = FileStorage::open(&path, key()).unwrap_err();
    assert_eq!(error.kind(), PermissionDenied);
    assert_says(&error, &["chmod go-w"]);
}

#[test]
fn a_file_that_others_may_read_is_refused_and_left() {
    let fixture = Fixture::new();
    let (session, path) = (fixture.store.session(&id(0)), fixture.file(&id(0)));
    session.set(IdToken, Some("a")).unwrap();
    let before = fs::read(&path).unwrap();
    for open in [0o640, 0o604, 0o666] {
        set_mode(&path, open);
        let error = session.get(IdToken).unwrap_err();
        assert_eq!(error.kind(), PermissionDenied);
        assert_says(&error, &["chmod 600", &format!("{open:03o}")]);
        assert!(session.set(IdToken, Some("b")).is_err());
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (before.clone(), open)
        );
    }
    set_mode(&path, 0o600);
    assert_eq!(session.get(IdToken).unwrap().unwrap(), "a");
}

#[test]
fn a_link_in_place_of_a_session_is_not_followed() {
    let fixture = Fixture::new();
    let elsewhere = fixture.directory.path().join("elsewhere");
    let (session, path) = (fixture.store.session(&id(0)), fixture.file(&id(0)));
    session.set(IdToken, Some("a")).unwrap();
    fs::rename(&path, &elsewhere).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    for target in [&elsewhere, &fixture.directory.path().join("nowhere")] {
        symlink(target, &path).unwrap();
        let error = session.get(IdToken).unwrap_err();
        assert_eq!(error.kind(), PermissionDenied);
        assert_says(&error, &["symbolic link"]);
        assert!(session.set(IdToken, Some("b")).is_err());
        assert!(path.is_symlink());
        assert_eq!(fs::read(&elsewhere).unwrap(), before);

        fixture.store.remove(&id(0)).unwrap();
        assert!(!path.is_symlink() && elsewhere.exists());
    }
}

#[test]
fn what_is_no_file_in_place_of_a_session_is_not_waited_for() {
    let fixture = Fixture::new();
    let (session, path) = (fixture.store.session(&id(0)), fixture.file(&id(0)));
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert!(session.get(IdToken).is_err());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(session.get(IdToken).is_err());
    assert!(session.set(IdToken, Some("a")).is_err());
}

#[test]
fn a_link_in_place_of_a_lock_is_not_followed() {
    let fixture = Fixture::new();
    let target = fixture.directory.path().join("target");
    let session = fixture.store.session(&id(0));
    let hex = id(0).digest_hex();
    symlink(&target, fixture.path().join(format!("{hex}.lock"))).unwrap();
    symlink(&target, fixture.path().join(format!("{}.write", &hex[..2]))).unwrap();
    for error in [
        session.lock(Duration::ZERO).unwrap_err(),
        session.set(IdToken, Some("a")).unwrap_err(),
    ] {
        assert_eq!(error.kind(), PermissionDenied);
        assert_says(&error, &["symbolic link"]);
    }
    assert!(!target.exists());
}

#[test]
fn a_directory_may_be_reached_by_a_link() {
    let fixture = Fixture::new();
    let link = fixture.directory.path().join("link");
    symlink(fixture.path(), &link).unwrap();
    let (here, there) = (&fixture.store, FileStore::open(link, key()).unwrap());
    here.session(&id(0)).set(IdToken, Some("a")).unwrap();
    assert!(there.session(&id(0)).get(IdToken).unwrap().is_some());
    let session = here.session(&id(0));
    let _held = session.lock(Duration::ZERO).unwrap();
    assert!(there.session(&id(0)).lock(Duration::ZERO).is_err());
}
