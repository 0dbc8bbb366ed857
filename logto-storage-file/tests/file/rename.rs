//! A session that gets another id.

use std::fs;

use logto_core::PersistKey::{IdToken, RefreshToken};
use logto_core::{Change, SessionId, SessionStore, Storage as _, StorageErrorKind};

use crate::fixture::{Fixture, assert_says, id, names, write};

/// Leaves session 0 as a rename to session 1 does that was killed before its one step.
pub(crate) fn interrupt_rename(fixture: &Fixture, changes: &[Change<'_>]) {
    fixture.store.session(&id(0)).update(changes).unwrap();
    // A directory that is not empty cannot be replaced by a file.
    let in_the_way = fixture.file(&id(1));
    fs::create_dir(&in_the_way).unwrap();
    fs::create_dir(in_the_way.join("more")).unwrap();
    fixture.store.rename(&id(0), &id(1)).unwrap_err();
    fs::remove_dir_all(in_the_way).unwrap();
}

#[test]
fn an_interrupted_rename_leaves_the_session_and_can_be_made_again() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    interrupt_rename(&fixture, &[Change::set(IdToken, "a")]);
    assert_eq!(store.session(&id(0)).get(IdToken).unwrap().unwrap(), "a");
    assert!(store.session(&id(1)).get(IdToken).unwrap().is_none());

    store.rename(&id(0), &id(2)).unwrap();
    assert!(store.session(&id(0)).get(IdToken).unwrap().is_none());
    assert_eq!(store.session(&id(2)).get(IdToken).unwrap().unwrap(), "a");
    assert_eq!(names(&fixture.path(), ".session").len(), 1);
}

#[test]
fn a_renamed_file_opens_under_its_new_name_only() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.session(&id(0)).set(IdToken, Some("a")).unwrap();
    store.rename(&id(0), &id(1)).unwrap();
    fs::copy(fixture.file(&id(1)), fixture.file(&id(0))).unwrap();
    let error = store.session(&id(0)).get(IdToken).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
    assert_says(&error, &["another session"]);
}

#[test]
fn a_write_ends_a_rename_that_was_interrupted() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    interrupt_rename(&fixture, &[Change::set(IdToken, "a")]);
    let for_both = fs::read(fixture.file(&id(0))).unwrap();
    // Killed after the one step.
    write(&fixture.file(&id(1)), &for_both);
    fs::remove_file(fixture.file(&id(0))).unwrap();
    assert_eq!(store.session(&id(1)).get(IdToken).unwrap().unwrap(), "a");

    store.session(&id(1)).set(RefreshToken, Some("b")).unwrap();
    fs::copy(fixture.file(&id(1)), fixture.file(&id(0))).unwrap();
    assert!(store.session(&id(0)).get(IdToken).is_err());
    assert_eq!(store.session(&id(1)).get(IdToken).unwrap().unwrap(), "a");
}

#[test]
fn sessions_renamed_to_each_other_at_once_do_not_wait_for_ever() {
    let fixture = Fixture::new();
    let ids: Vec<_> = (0..2).map(|_| SessionId::random()).collect();
    fixture
        .store
        .session(&ids[0])
        .set(IdToken, Some("a"))
        .unwrap();
    std::thread::scope(|scope| {
        for (from, to) in [(0, 1), (1, 0)] {
            let (store, ids) = (&fixture.store, &ids);
            scope.spawn(move || {
                for _ in 0..50 {
                    store.rename(&ids[from], &ids[to]).unwrap();
                }
            });
        }
    });
    assert_eq!(names(&fixture.path(), ".session").len(), 1);
}
