//! A storage in a directory of its own.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use logto_core::{
    EncryptionKey, Record, Sealer, SessionKey, Storage as _, StorageError, StorageErrorKind,
};
use logto_storage_file::{FileStorage, FileStorageBuilder};
use logto_testing::TestClock;
use tempfile::TempDir;

pub(crate) const LIFETIME: Duration = Duration::from_secs(1_000);

pub(crate) struct Fixture {
    pub(crate) parent: TempDir,
    pub(crate) clock: TestClock,
    pub(crate) storage: FileStorage,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        clock.freeze();
        let path = parent.path().join("sessions");
        let storage = builder(&path, key(), &clock).open().unwrap();
        Self {
            parent,
            clock,
            storage,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.parent.path().join("sessions")
    }

    /// The file of a session.
    pub(crate) fn file(&self, number: u8) -> PathBuf {
        self.path().join(session(number).to_hex() + ".session")
    }

    /// Another storage over the same directory.
    pub(crate) fn builder(&self, sealer: impl Into<Sealer>) -> FileStorageBuilder {
        builder(&self.path(), sealer, &self.clock)
    }

    /// Makes a session with this data.
    pub(crate) fn put(&self, number: u8, data: &str) -> Record {
        let record = Record::new(None, data);
        let saved = self.storage.save(&session(number), &record, None);
        saved.unwrap();
        record
    }

    pub(crate) fn load(&self, number: u8) -> Result<Option<Record>, StorageError> {
        self.storage.load(&session(number))
    }

    /// The session cannot be read, cannot be overwritten, and its file stays as it is.
    #[track_caller]
    pub(crate) fn assert_refused(&self, number: u8) -> StorageError {
        let before = fs::read(self.file(number)).ok();
        let error = self.load(number).unwrap_err();
        let (session, new) = (session(number), Record::new(None, "new"));
        let refused = self.storage.save(&session, &new, None).unwrap_err();
        assert_eq!(refused.kind(), error.kind(), "{refused}");
        let moved = self
            .storage
            .replace(&session, None, &SessionKey::ONLY, &new);
        assert_eq!(moved.unwrap_err().kind(), error.kind());
        assert_eq!(self.storage.purge_expired().unwrap(), 0);
        assert_eq!(fs::read(self.file(number)).ok(), before);
        error
    }
}

fn builder(path: &Path, sealer: impl Into<Sealer>, clock: &TestClock) -> FileStorageBuilder {
    FileStorage::builder(path, sealer)
        .idle_lifetime(LIFETIME)
        .clock(clock.clone())
}

pub(crate) fn key() -> EncryptionKey {
    EncryptionKey::from_bytes([0x5a; 32])
}

/// The same session each time. All have locks of their own.
pub(crate) fn session(number: u8) -> SessionKey {
    SessionKey::from_bytes([number + 1; 32])
}

/// Writes a file that nobody else may read.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    logto_core::files::private(&mut options);
    options.open(path).unwrap().write_all(bytes).unwrap();
}

/// Copies a directory and what is in it, as a backup does.
pub(crate) fn copy(from: &Path, to: &Path) {
    logto_core::files::create_private_directory(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => write(&to, &fs::read(from).unwrap()),
        }
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[track_caller]
pub(crate) fn assert_is(error: &StorageError, kind: StorageErrorKind, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}
