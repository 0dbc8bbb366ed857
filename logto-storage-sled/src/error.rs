//! The errors of sled and of the system as [`StorageError`]s.

use std::io;
use std::path::Path;

use logto_core::{StorageError, StorageErrorKind};

/// The error of a database that could not be `opened`, `read` or `written`. sled's own message shows
/// no stored values, and is kept as the source.
pub(crate) fn failed(done: &str, path: &Path, error: sled::Error) -> StorageError {
    let (kind, why) = match &error {
        sled::Error::Io(error) => (kind_of_io(error), why_io(error)),
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
    new(kind_of_io(&error), done, path, why_io(&error)).with_source(error)
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

fn kind_of_io(error: &io::Error) -> StorageErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem => StorageErrorKind::PermissionDenied,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => StorageErrorKind::Corrupt,
        _ => StorageErrorKind::Backend,
    }
}

fn why_io(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "a file or directory is missing",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "this process must be able to write the directory and all files in it"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => DAMAGED,
        _ => "the system reports an error",
    }
}
