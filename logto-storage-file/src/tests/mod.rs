//! What the disk does to a write: each operation fails, or the power does.

mod faults;
mod power;

use std::path::Path;
use std::sync::Arc;

use logto_core::{
    EncryptionKey, Record, SessionKey, SessionOwner, Storage as _, StorageError, StorageErrorKind,
};

use crate::FileStorage;
use crate::fs::Fs;

const SESSIONS: usize = 3;

/// What all sessions hold.
type Sessions = [Option<Record>; SESSIONS];

fn storage(path: &Path, fs: impl Fs + 'static) -> Result<FileStorage, StorageError> {
    let mut builder = FileStorage::builder(path, EncryptionKey::from_bytes([0x5a; 32]));
    builder.fs = Arc::new(fs);
    builder.open()
}

fn session(number: usize) -> SessionKey {
    SessionKey::from_bytes([number as u8; 32])
}

fn record(owner: Option<&str>, data: &str) -> Record {
    let owner = owner.map(|sub| SessionOwner::new("https://foo.logto.app/oidc", sub, None));
    Record::new(owner, data)
}

/// Saves over what is there.
fn save(storage: &FileStorage, number: usize, record: &Record) -> Result<(), StorageError> {
    let found = storage.load(&session(number))?;
    storage.save(
        &session(number),
        record,
        found.map(|record| record.version()),
    )
}

/// Loads all sessions. It is an error if one with an owner is not found by it.
fn read_all(storage: &FileStorage) -> Result<Sessions, StorageError> {
    let mut sessions = Sessions::default();
    for (number, found) in sessions.iter_mut().enumerate() {
        *found = storage.load(&session(number))?;
        if let Some(owner) = found.as_ref().and_then(Record::owner)
            && !storage.find(&owner.user())?.contains(&session(number))
        {
            let lost = "a session is not found by its owner";
            return Err(StorageError::new(StorageErrorKind::Backend, lost));
        }
    }
    Ok(sessions)
}
