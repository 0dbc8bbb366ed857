//! Files that are damaged, swapped or of another program.

use std::error::Error as _;
use std::fs::{self, File};

use logto_core::StorageErrorKind::{Backend, Corrupt, NewerFormat, WrongKey};
use logto_core::{EncryptionKey, Record, SealError, Sealer, Storage as _};
use logto_storage_file::FileStorage;

use crate::fixture::{Fixture, assert_is, copy, key, session, write};

#[test]
fn damage_of_each_kind_has_its_own_error() {
    let fixture = Fixture::new();
    fixture.put(0, "a");
    let whole = fs::read(fixture.file(0)).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    for (bytes, kind, cause, words) in [
        (vec![], Corrupt, SealError::Empty, "empty"),
        (changed(0), Corrupt, SealError::NotABox, "not a sealed box"),
        (whole[..50].into(), Corrupt, SealError::Truncated, "cut off"),
        (
            changed(8),
            NewerFormat,
            SealError::NewerVersion(254),
            "version 254",
        ),
        (changed(9), WrongKey, SealError::WrongKey, "another key"),
        (changed(100), Corrupt, SealError::Corrupt, "damaged"),
    ] {
        write(&fixture.file(0), &bytes);
        let error = fixture.assert_refused(0);
        assert_is(&error, kind, words);
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&cause));
    }
    fixture.storage.remove(&session(0)).unwrap();
    assert!(fixture.load(0).unwrap().is_none());
}

#[test]
fn swapped_files_of_two_users_stay_shut() {
    let fixture = Fixture::new();
    let records = [0, 1].map(|number| fixture.put(number, &number.to_string()));
    let swap = || {
        let aside = fixture.path().join("aside");
        fs::rename(fixture.file(0), &aside).unwrap();
        fs::rename(fixture.file(1), fixture.file(0)).unwrap();
        fs::rename(aside, fixture.file(1)).unwrap();
    };
    swap();
    for number in [0, 1] {
        assert_is(&fixture.assert_refused(number), Corrupt, "something else");
    }
    swap();
    for (number, record) in (0..).zip(records) {
        assert_eq!(fixture.load(number).unwrap(), Some(record));
    }
}

#[test]
fn swapped_file_of_another_directory_stays_shut() {
    let [fixture, other] = [Fixture::new(), Fixture::new()];
    fixture.put(0, "a");
    other.put(0, "b");
    write(&fixture.file(0), &fs::read(other.file(0)).unwrap());
    assert_is(&fixture.assert_refused(0), Corrupt, "something else");
}

#[test]
fn backup_of_the_directory_works_elsewhere() {
    let fixture = Fixture::new();
    let record = fixture.put(0, "a");
    let copied = fixture.parent.path().join("restored");
    copy(&fixture.path(), &copied);
    let restored = FileStorage::open(&copied, key()).unwrap();
    assert_eq!(restored.load(&session(0)).unwrap(), Some(record));
}

#[test]
fn marker_that_is_missing_or_damaged_is_told_and_nothing_is_changed() {
    let [fixture, other] = [Fixture::new(), Fixture::new()];
    let record = fixture.put(0, "a");
    let path = fixture.path().join("marker");
    let marker = fs::read(&path).unwrap();
    let sealed = |plaintext: &[u8]| {
        let context: [&[u8]; 1] = [b"logto session directory"];
        Sealer::new(key()).seal(&context, plaintext).unwrap()
    };
    for (bytes, kind, words) in [
        (None, Corrupt, "no marker"),
        (Some(marker[..30].to_vec()), Corrupt, "cut off"),
        (Some(b"a letter".into()), Corrupt, "not a sealed box"),
        (Some(sealed(&[1; 32])), Corrupt, "malformed"),
        (Some(sealed(&[])), Corrupt, "malformed"),
        (Some(sealed(&[2; 33])), NewerFormat, "format 2"),
    ] {
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = &bytes {
            write(&path, bytes);
        }
        let error = fixture.builder(key()).open().unwrap_err();
        assert_is(&error, kind, words);
        assert_eq!(fs::read(&path).ok(), bytes);
        write(&path, &marker);
    }
    let wrong = EncryptionKey::from_bytes([1; 32]);
    let error = fixture.builder(wrong).open().unwrap_err();
    assert_is(&error, WrongKey, "another key");

    // The marker of another directory opens none of these files.
    write(&path, &fs::read(other.path().join("marker")).unwrap());
    let opened = fixture.builder(key()).open().unwrap();
    assert_is(&opened.load(&session(0)).unwrap_err(), Corrupt, "damaged");
    write(&path, &marker);
    let opened = fixture.builder(key()).open().unwrap();
    assert_eq!(opened.load(&session(0)).unwrap(), Some(record));
}

#[test]
fn directory_of_other_files_is_refused_and_left() {
    let fixture = Fixture::new();
    let path = fixture.parent.path().join("home");
    logto_core::files::create_private_directory(&path).unwrap();
    write(&path.join("letter"), b"x");
    let error = FileStorage::open(&path, key()).unwrap_err();
    assert_is(&error, Corrupt, "a directory of its own");
    assert_eq!(crate::fixture::names(&path), ["letter"]);
}

#[test]
fn refused_are_a_file_and_a_path_below_it() {
    let fixture = Fixture::new();
    let file = fixture.parent.path().join("file");
    write(&file, b"");
    for path in [&file, &file.join("sessions")] {
        let error = FileStorage::open(path, key()).unwrap_err();
        assert!(error.to_string().contains("not a directory"), "{error}");
    }
}

#[test]
fn refused_is_a_directory_in_the_place_of_a_session() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.file(0)).unwrap();
    assert_is(&fixture.assert_refused(0), Corrupt, "regular file");
}

#[test]
fn refused_is_a_file_beyond_the_limit() {
    let fixture = Fixture::new();
    write(&fixture.file(0), b"");
    let file = File::options().write(true).open(fixture.file(0)).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = fixture.load(0).unwrap_err();
    assert_is(&error, Corrupt, "longer than 64 MiB");
}

#[test]
fn refused_is_a_record_beyond_the_limit() {
    let fixture = Fixture::new();
    let before = fixture.put(0, "a");
    let save = |length| {
        let record = Record::new(None, "x".repeat(length));
        let version = Some(before.version());
        fixture.storage.save(&session(0), &record, version)
    };
    assert_is(&save(64 << 20).unwrap_err(), Backend, "longer than 64 MiB");
    assert_eq!(fixture.load(0).unwrap(), Some(before.clone()));
    save((64 << 20) - 2_000).unwrap();
    assert!(fixture.load(0).unwrap().is_some());
}

#[test]
fn directory_that_is_gone_is_no_absent_session() {
    let fixture = Fixture::new();
    fs::remove_dir_all(fixture.path()).unwrap();
    let save = fixture
        .storage
        .save(&session(0), &Record::new(None, ""), None);
    for error in [fixture.load(0).unwrap_err(), save.unwrap_err()] {
        assert_eq!(error.kind(), Backend, "{error}");
    }
    assert!(fixture.storage.purge_expired().is_err());
}

#[test]
fn for_each_visits_what_cannot_be_read() {
    let fixture = Fixture::new();
    fixture.put(0, "a");
    write(&fixture.file(1), b"no box");
    fs::create_dir(fixture.file(2)).unwrap();
    let mut visited = Vec::new();
    let visits = fixture.storage.for_each(&mut |session| {
        visited.push(*session);
        Ok(())
    });
    visits.unwrap();
    visited.sort();
    assert_eq!(visited, [session(0), session(1), session(2)]);
}
