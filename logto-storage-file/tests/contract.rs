//! The contract of a storage, and a process that is killed while it writes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use logto_core::{EncryptionKey, Storage};
use logto_storage_file::FileStorage;
use logto_testing::TestClock;
use logto_testing::contract::Fixture;
use logto_testing::contract::crash::Moment;
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn path(&self) -> PathBuf {
        self.0.path().join("sessions")
    }

    /// How many files have names that end like this.
    fn count(&self, directory: &str, end: &str) -> usize {
        let entries = std::fs::read_dir(self.path().join(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(end)).count()
    }
}

fn key() -> EncryptionKey {
    EncryptionKey::from_bytes([0x5a; 32])
}

impl Fixture for Files {
    const PERSISTENT: bool = true;
    const REPLACES_IN_ONE_STEP: bool = false;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
        let builder = FileStorage::builder(self.path(), key());
        let builder = builder.idle_lifetime(idle_lifetime).clock(clock);
        Box::new(builder.open().unwrap())
    }

    fn place(&self) -> Option<String> {
        self.path().to_str().map(str::to_owned)
    }

    fn open_place(place: &str) -> Box<dyn Storage> {
        Box::new(FileStorage::open(Path::new(place), key()).unwrap())
    }

    fn lock_recovery() -> Duration {
        Duration::from_secs(5)
    }
}

logto_testing::storage_contract!(Files);

logto_testing::crash_contract!(Files, |files, moment| match moment {
    Moment::Killed if !files.path().exists() => {}
    // One at most for each thread that was killed.
    Moment::Killed => assert!(files.count("", ".tmp") <= 3),
    Moment::Emptied => assert_eq!(files.count("", ".session"), 0),
    _ => assert_eq!(files.count("", ".tmp"), 0),
});
