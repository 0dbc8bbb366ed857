//! The errors of sled and of the system as [`StorageError`]s.

use std::io;
use std::path::Path;

use logto_core::{StorageError, StorageErrorKind};

/// The error of a database that could not be `opened`, `read` or `written`. sled's own message shows
/// no stored values, and is kept as the source.
pub(crate) fn failed(done: &str, path: &Path, error: sled::Error) -> StorageError {
    let (kind, why) = match &error {
        sled::Error::Io(error) => explain(error),
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => {
            (StorageErrorKind::Corrupt, DAMAGED)
        }
        sled::Error::Unsupported(_) => (
            StorageErrorKind::Corrupt,
            "another version of sled wrote it, or with other settings",
        ),
        _ => (StorageErrorKind::Backend, "sled reports an error"),
    };
    new(kind, done, path, why).with_source(error)
}

/// The error of a file or directory.
pub(crate) fn io(done: &str, path: &Path, error: io::Error) -> StorageError {
    let (kind, why) = explain(&error);
    new(kind, done, path, why).with_source(error)
}

/// An error that neither sled nor the system reported.
pub(crate) fn new(kind: StorageErrorKind, done: &str, path: &Path, why: &str) -> StorageError {
    let path = path.display();
    StorageError::new(
        kind,
        format!("the session database {path} could not be {done}: {why}"),
    )
}

/// The error of files or records that make no sense.
pub(crate) fn damaged(done: &str, path: &Path) -> StorageError {
    new(StorageErrorKind::Corrupt, done, path, DAMAGED)
}

const DAMAGED: &str = "its content is damaged";

fn explain(error: &io::Error) -> (StorageErrorKind, &'static str) {
    use StorageErrorKind::{Backend, Corrupt, PermissionDenied};
    use io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound | Io::NotADirectory => (PermissionDenied, "a file or directory is missing"),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => (
            PermissionDenied,
            "this process must be able to write the directory and all files in it",
        ),
        Io::StorageFull | Io::QuotaExceeded => (Backend, "the disk is full"),
        Io::UnexpectedEof | Io::InvalidData => (Corrupt, DAMAGED),
        _ => (Backend, "the system reports an error"),
    }
}
