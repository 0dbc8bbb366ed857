//! A store in a directory of its own.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use logto_core::{EncryptionKey, Sealer, SessionId, StorageError};
use logto_storage_file::{FileStore, FileStoreBuilder};
use logto_testing::TestClock;
use tempfile::TempDir;

pub(crate) const LIFETIME: Duration = Duration::from_secs(1_000);

/// When the golden files were made.
pub(crate) const MADE_AT: i64 = 1_800_000_000;

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) clock: TestClock,
    pub(crate) store: FileStore,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        clock.freeze();
        clock.set(MADE_AT);
        let store = builder(&directory.path().join("sessions"), key(), &clock)
            .open()
            .unwrap();
        Self {
            directory,
            clock,
            store,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("sessions")
    }

    pub(crate) fn builder(&self) -> FileStoreBuilder {
        builder(&self.path(), key(), &self.clock)
    }

    /// Another store over the same directory.
    pub(crate) fn open_with(&self, sealer: impl Into<Sealer>) -> FileStore {
        builder(&self.path(), sealer, &self.clock).open().unwrap()
    }

    /// The file of a session.
    pub(crate) fn file(&self, id: &SessionId) -> PathBuf {
        self.path().join(id.digest_hex() + ".session")
    }

    /// Locks the file that is locked while the session is written.
    pub(crate) fn take_turn(&self, id: &SessionId) -> File {
        lock(&self.path().join(format!("{}.write", &id.digest_hex()[..2])))
    }
}

fn builder(path: &Path, sealer: impl Into<Sealer>, clock: &TestClock) -> FileStoreBuilder {
    FileStore::builder(path, sealer)
        .idle_lifetime(LIFETIME)
        .clock(clock.clone())
}

pub(crate) fn key() -> EncryptionKey {
    EncryptionKey::from_bytes([0x5a; 32])
}

/// The same session each time.
pub(crate) fn id(number: usize) -> SessionId {
    format!("{number:042}A").parse().unwrap()
}

/// Locks a file as another process would.
pub(crate) fn lock(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(path);
    let file = file.unwrap();
    file.try_lock().unwrap();
    file
}

/// Writes a file that nobody else may read.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).unwrap().write_all(bytes).unwrap();
}

/// The names in a directory that end like this.
pub(crate) fn names(directory: &Path, end: &str) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(end))
        .collect()
}

#[track_caller]
pub(crate) fn assert_says(error: &StorageError, words: &[&str]) {
    for word in words {
        assert!(error.to_string().contains(word), "{error}");
    }
}
