//! What the server remembers, and the file that outlives it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::algorithm::SigningAlgorithm;
use crate::grants::Grants;
use crate::keys::KeyRing;
use crate::signing_key::ExportedKey;

/// Keys and grants, kept in a file if there is one.
#[derive(Debug)]
pub(crate) struct Store {
    kept: Mutex<Kept>,
    file: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) keys: KeyRing,
    pub(crate) grants: Grants,
}

#[derive(Deserialize)]
struct Stored {
    keys: Vec<ExportedKey>,
    grants: Grants,
}

#[derive(Serialize)]
struct ToStore<'a> {
    keys: Vec<ExportedKey>,
    grants: &'a Grants,
}

impl Store {
    /// What the file holds, or a new store with a key of this kind if there is no file yet.
    pub(crate) fn open(
        file: Option<PathBuf>,
        algorithm: SigningAlgorithm,
        now: i64,
    ) -> io::Result<Self> {
        let mut kept = match file.as_deref().map(read).transpose()? {
            Some(Some(kept)) => kept,
            _ => Kept {
                keys: KeyRing::generate(algorithm),
                grants: Grants::default(),
            },
        };
        kept.grants.purge(now);
        let store = Self {
            kept: Mutex::new(kept),
            file,
        };
        store.save(&store.read())?;
        Ok(store)
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and writes it to the file before anyone sees it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.read();
        let result = change(&mut kept);
        if let Err(error) = self.save(&kept) {
            log::error!("the state of the fake server can't be saved: {error}");
        }
        result
    }

    fn save(&self, kept: &Kept) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let stored = ToStore {
            keys: kept.keys.export(),
            grants: &kept.grants,
        };
        let mut beside = file.clone().into_os_string();
        beside.push(".new");
        // A reader, or the next server after a crash, sees the old state or the new one whole.
        private_file(&beside)?.write_all(&serde_json::to_vec(&stored)?)?;
        fs::rename(&beside, file)
    }
}

/// The state holds the signing keys and the users' tokens.
fn private_file(path: impl AsRef<Path>) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn read(file: &Path) -> io::Result<Option<Kept>> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let stored: Stored = serde_json::from_slice(&text)?;
    Ok(Some(Kept {
        keys: KeyRing::import(&stored.keys)?,
        grants: stored.grants,
    }))
}
