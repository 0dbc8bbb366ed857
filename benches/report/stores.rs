//! The stores, and the libraries under them, in one directory.

use std::path::Path;
use std::sync::Arc;

use logto::SessionId;
use logto::storage::{
    EncryptionKey, FileStorage, MemoryStorage, Record, SessionKey, SledStorage, SqliteStorage,
    Storage,
};
use tempfile::TempDir;

use crate::raw::{self, Raw};

/// On the disk that the programs are built on: a temporary directory is often in memory.
const PLACE: &str = env!("CARGO_TARGET_TMPDIR");

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    Sqlite,
    Sled,
    File,
}

impl Backend {
    pub(crate) const ALL: [Self; 4] = [Self::Memory, Self::Sqlite, Self::Sled, Self::File];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Sled => "sled",
            Self::File => "file",
        }
    }

    /// An empty store, in this directory if it is on disk.
    pub(crate) fn store(self, directory: &Path) -> Arc<dyn Storage> {
        match self {
            Self::Memory => Arc::new(MemoryStorage::new()),
            Self::Sqlite => Arc::new(SqliteStorage::open(directory.join("ours.db")).unwrap()),
            Self::Sled => Arc::new(SledStorage::open(directory.join("ours.sled")).unwrap()),
            Self::File => {
                let key = EncryptionKey::from_bytes([7; 32]);
                Arc::new(FileStorage::open(directory.join("ours"), key).unwrap())
            }
        }
    }

    /// What the bare library reads.
    pub(crate) fn floor(self) -> &'static str {
        match self {
            Self::Memory => "a bare read of `MemoryStorage`",
            Self::Sqlite => "a bare read by rusqlite",
            Self::Sled => "a bare read by sled",
            Self::File => "a bare read of the file, opened by ring",
        }
    }
}

/// Saves this data in the place of what is there.
pub(crate) fn put(storage: &dyn Storage, session: &SessionKey, data: &str) {
    let there = storage
        .load(session)
        .unwrap()
        .map(|record| record.version());
    storage
        .save(session, &Record::new(None, data), there)
        .unwrap();
}

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in(Path::new(PLACE)).unwrap()
}

/// A session of ours, and the same bytes in the library under it.
pub(crate) struct Pair {
    pub(crate) store: Arc<dyn Storage>,
    pub(crate) id: SessionId,
    pub(crate) bare: Bare,
}

/// A library without us, and the directory that both are in.
pub(crate) struct Bare {
    library: Box<dyn Library>,
    directory: Arc<TempDir>,
}

/// [`Raw`], whichever it is.
trait Library: Send {
    fn get(&self) -> String;
    fn update(&self, data: &str);
    fn another(&self) -> Box<dyn Library>;
}

impl<R: Raw + 'static> Library for R {
    fn get(&self) -> String {
        Raw::get(self)
    }

    fn update(&self, data: &str) {
        Raw::update(self, data);
    }

    fn another(&self) -> Box<dyn Library> {
        Box::new(Raw::another(self))
    }
}

/// In memory there is nothing below us.
impl Library for Arc<dyn Storage> {
    fn get(&self) -> String {
        self.load(&SessionKey::ONLY)
            .unwrap()
            .unwrap()
            .data()
            .to_owned()
    }

    fn update(&self, data: &str) {
        put(&**self, &SessionKey::ONLY, data);
    }

    fn another(&self) -> Box<dyn Library> {
        Box::new(Arc::clone(self))
    }
}

impl Bare {
    pub(crate) fn get(&self) -> String {
        self.library.get()
    }

    pub(crate) fn update(&self, data: &str) {
        self.library.update(data);
    }

    /// The same place, for another thread.
    pub(crate) fn another(&self) -> Self {
        Self {
            library: self.library.another(),
            directory: Arc::clone(&self.directory),
        }
    }
}

impl Pair {
    /// Both hold these tokens.
    pub(crate) fn with(backend: Backend, data: &str) -> Self {
        let directory = Arc::new(directory());
        let path = |name: &str| directory.path().join(name);
        let library: Box<dyn Library> = match backend {
            Backend::Memory => Box::new(Backend::Memory.store(directory.path())),
            Backend::Sqlite => Box::new(raw::Sqlite::open(&path("raw.db"))),
            Backend::Sled => Box::new(raw::Sled::open(&path("raw.sled"))),
            Backend::File => Box::new(raw::Files::open(&path("raw"))),
        };
        let (store, id) = (backend.store(directory.path()), SessionId::random());
        library.update(data);
        put(&*store, &id.key(), data);
        let bare = Bare { library, directory };
        Self { store, id, bare }
    }
}
