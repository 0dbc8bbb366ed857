//! Locks, as others see them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::PersistKey::IdToken;
use logto_core::{SessionStore, Storage, StorageErrorKind};
use logto_storage_file::FileStorage;

use crate::fixture::{Fixture, id, key, lock};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_session_that_another_process_has_is_busy() {
    let fixture = Fixture::new();
    let path = fixture.file(&id(0)).with_extension("lock");
    let held = lock(&path);
    let session = fixture.store.session(&id(0));
    let started = Instant::now();
    let error = session.lock(SECOND / 10).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Busy);
    assert!((SECOND / 10..5 * SECOND).contains(&started.elapsed()));
    session.set(IdToken, Some("a")).unwrap();
    drop(held);
    assert!(session.lock(Duration::ZERO).is_ok());
}

#[test]
fn a_held_lock_is_one_of_the_system() {
    let fixture = Fixture::new();
    let path = fixture.file(&id(0)).with_extension("lock");
    let session = fixture.store.session(&id(0));
    let held = session.lock(Duration::ZERO).unwrap();
    let file = fs::File::open(&path).unwrap();
    assert!(file.try_lock().is_err());
    drop(held);
    assert!(file.try_lock().is_ok());
    assert_eq!(path.metadata().unwrap().len(), 0);
}

#[test]
fn a_lock_file_that_was_deleted_meanwhile_locks_nobody_out_and_nobody_in() {
    let fixture = Fixture::new();
    let path = fixture.file(&id(0)).with_extension("lock");
    let held = lock(&path);
    thread::scope(|scope| {
        let session = fixture.store.session(&id(0));
        let waiting = scope.spawn(move || {
            let _held = session.lock(60 * SECOND).unwrap();
            // Not the file that was opened first.
            fs::File::open(&path).unwrap().try_lock().is_err()
        });
        thread::sleep(SECOND / 10);
        fs::remove_file(fixture.file(&id(0)).with_extension("lock")).unwrap();
        drop(held);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn one_file_is_locked_beside_it() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("my session");
    let [here, there] = [(); 2].map(|()| FileStorage::open(&path, key()).unwrap());
    here.set(IdToken, Some("a")).unwrap();
    let held = here.lock(Duration::ZERO).unwrap();
    assert!(there.lock(Duration::ZERO).is_err());
    assert!(here.clone().lock(Duration::ZERO).is_err());
    assert_eq!(there.get(IdToken).unwrap().unwrap(), "a");
    drop(held);
    assert!(there.lock(Duration::ZERO).is_ok());

    let mut names = crate::fixture::names(fixture.directory.path(), "");
    names.retain(|name| name != "sessions");
    names.sort();
    assert_eq!(names, ["my session", "my session.lock", "my session.write"]);
}
