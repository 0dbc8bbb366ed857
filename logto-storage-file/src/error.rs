//! File failures as storage errors. A path in a message shows at most the key of a session's file, which is
//! a hash.

use std::io;
use std::path::Path;

use logto_core::{SealError, StorageError, StorageErrorKind};

/// The directory has neither a marker nor is it empty.
pub(crate) fn no_marker(directory: &Path) -> StorageError {
    let message = format!(
        "{} is not empty and has no marker of a session directory: give a directory of its own; or restore the marker file; or delete the directory, and all users sign in again",
        directory.display()
    );
    StorageError::new(StorageErrorKind::Corrupt, message)
}

/// The directory, or one above it, could not be opened or created.
pub(crate) fn no_directory(path: &Path, error: io::Error) -> StorageError {
    let why = match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "it is not a directory",
        kind => reason(kind),
    };
    failed("opened", path, kind_of(&error), why).with_source(error)
}

/// Other users may enter the directory.
pub(crate) fn open_directory(path: &Path, others: u32) -> StorageError {
    let why = format!("other users may use it (mode bits {others:03o}): chmod 700 it");
    failed("used", path, StorageErrorKind::PermissionDenied, &why)
}

/// Other users may open the file.
pub(crate) fn open_file(path: &Path, others: u32) -> StorageError {
    let why = format!("other users may open it (mode bits {others:03o}): chmod 600 it");
    failed("read", path, StorageErrorKind::PermissionDenied, &why)
}

/// A symbolic link in the place of a file.
pub(crate) fn link(path: &Path) -> StorageError {
    let why = "it is a symbolic link, and links are not followed: put the file itself there";
    failed("read", path, StorageErrorKind::PermissionDenied, why)
}

/// A directory, a pipe or a device in the place of a file.
pub(crate) fn not_a_file(path: &Path) -> StorageError {
    let why = "it is not a regular file";
    failed("read", path, StorageErrorKind::Corrupt, why)
}

/// The file is longer than any that this crate writes.
pub(crate) fn file_too_long(path: &Path, longest: u64) -> StorageError {
    let why = format!("it is longer than {} MiB", longest >> 20);
    failed("read", path, StorageErrorKind::Corrupt, &why)
}

/// The record would make a longer file than can be read.
pub(crate) fn record_too_long(path: &Path, longest: u64) -> StorageError {
    let why = format!("the session is longer than {} MiB", longest >> 20);
    failed("written", path, StorageErrorKind::Backend, &why)
}

/// The box of the file could not be `opened` or `sealed`.
pub(crate) fn sealed_box(action: &str, path: &Path, error: SealError) -> StorageError {
    let kind = StorageError::from(error).kind();
    failed(action, path, kind, &error.to_string()).with_source(error)
}

/// The box holds something else than expected: it was sealed by another program with the same key.
pub(crate) fn malformed(path: &Path) -> StorageError {
    let why = "its content is malformed";
    failed("opened", path, StorageErrorKind::Corrupt, why)
}

/// A newer version of this crate made the directory.
pub(crate) fn newer(path: &Path, version: u8) -> StorageError {
    let why = format!("the directory has format {version}, and this program knows format 1");
    failed("opened", path, StorageErrorKind::NewerFormat, &why)
}

pub(crate) fn not_read(path: &Path, error: io::Error) -> StorageError {
    failed("read", path, kind_of(&error), reason(error.kind())).with_source(error)
}

pub(crate) fn not_written(path: &Path, error: io::Error) -> StorageError {
    failed("written", path, kind_of(&error), reason(error.kind())).with_source(error)
}

fn failed(action: &str, path: &Path, kind: StorageErrorKind, why: &str) -> StorageError {
    let path = path.display();
    StorageError::new(kind, format!("{path} could not be {action}: {why}"))
}

fn kind_of(error: &io::Error) -> StorageErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory => StorageErrorKind::PermissionDenied,
        _ => StorageErrorKind::Backend,
    }
}

fn reason(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
        io::ErrorKind::PermissionDenied => "permission denied: check its owner and mode",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::NotFound => "its directory is gone",
        _ => "the operating system reports an error",
    }
}
