//! What goes wrong with files, as the storage's errors. Paths tell the digest of a session at most.

use std::io;
use std::path::Path;

use logto_core::{SealError, StorageError, StorageErrorKind};

use crate::fs::{LONGEST_FILE, ReadError};
use crate::record::RecordError;

/// The error of a session that could not be read.
pub(crate) fn not_read(path: &Path, error: ReadError) -> StorageError {
    let (kind, why) = match error {
        ReadError::Io(error) => return io_error("read", path, error),
        ReadError::Link => return link(path),
        ReadError::NotAFile => (
            StorageErrorKind::Corrupt,
            "it is not a regular file".to_owned(),
        ),
        ReadError::Open(mode) => (
            StorageErrorKind::PermissionDenied,
            format!("other users may open it (mode {mode:03o}): chmod 600 it"),
        ),
        ReadError::TooLong => (
            StorageErrorKind::Corrupt,
            format!("it is longer than {} MiB", LONGEST_FILE >> 20),
        ),
        ReadError::Unsteady => (
            StorageErrorKind::Busy,
            "it was replaced each time it was opened".to_owned(),
        ),
    };
    new(kind, "read", path, &why)
}

/// The error of a session file that is none, or another one.
pub(crate) fn not_opened(path: &Path, error: SealError) -> StorageError {
    let kind = StorageError::from(error).kind();
    new(kind, "opened", path, &error.to_string()).with_source(error)
}

/// The error of a box with something else in it than this session.
pub(crate) fn not_a_session(path: &Path, error: RecordError) -> StorageError {
    let (kind, why) = match error {
        RecordError::Malformed => (
            StorageErrorKind::Corrupt,
            "what is in it is no session".into(),
        ),
        RecordError::OfAnotherSession => (
            StorageErrorKind::Corrupt,
            "it belongs to another session".into(),
        ),
        RecordError::NewerVersion(version) => (
            StorageErrorKind::NewerFormat,
            format!("the session in it has version {version}, and this program knows version 1"),
        ),
    };
    new(kind, "opened", path, &why)
}

/// The error of a session that could not be written.
pub(crate) fn not_written(path: &Path, error: io::Error) -> StorageError {
    io_error("written", path, error)
}

/// The error of a session that could not be sealed.
pub(crate) fn not_sealed(path: &Path, error: SealError) -> StorageError {
    let kind = StorageError::from(error).kind();
    new(kind, "written", path, &error.to_string()).with_source(error)
}

/// The error of a session that no file may hold.
pub(crate) fn too_long(path: &Path) -> StorageError {
    let why = format!(
        "all its values together are longer than {} MiB",
        LONGEST_FILE >> 20
    );
    new(StorageErrorKind::Backend, "written", path, &why)
}

/// The error of a lock file.
pub(crate) fn not_locked(path: &Path, error: io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::Unsupported => new(
            StorageErrorKind::Backend,
            "locked",
            path,
            "files cannot be locked on this system or file system",
        )
        .with_source(error),
        _ => io_error("locked", path, error),
    }
}

/// The error of a symbolic link where a file should be.
pub(crate) fn link(path: &Path) -> StorageError {
    new(
        StorageErrorKind::PermissionDenied,
        "opened",
        path,
        "it is a symbolic link, and these are not followed; put the file itself there",
    )
}

/// The error of a directory that is not private.
pub(crate) fn open_directory(path: &Path, mode: u32, chmod: &str) -> StorageError {
    let path = path.display();
    StorageError::new(
        StorageErrorKind::PermissionDenied,
        format!("other users may use the session directory {path} (mode {mode:03o}): {chmod}"),
    )
}

/// The error of a directory that could not be opened or created.
pub(crate) fn no_directory(path: &Path, error: io::Error) -> StorageError {
    let why = match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "it is not a directory",
        kind => why(kind),
    };
    let message = format!(
        "the session directory {} could not be opened: {why}",
        path.display()
    );
    StorageError::new(kind(&error), message).with_source(error)
}

/// The error of a path that names no file.
pub(crate) fn no_file_name(path: &Path) -> StorageError {
    let why = "give the path of a file";
    new(StorageErrorKind::PermissionDenied, "opened", path, why)
}

/// Whether what is stored is the reason, and not the system.
pub(crate) fn is_shut(error: &StorageError) -> bool {
    matches!(
        error.kind(),
        StorageErrorKind::Corrupt | StorageErrorKind::WrongKey | StorageErrorKind::NewerFormat
    )
}

fn io_error(done: &str, path: &Path, error: io::Error) -> StorageError {
    new(kind(&error), done, path, why(error.kind())).with_source(error)
}

fn new(kind: StorageErrorKind, done: &str, path: &Path, why: &str) -> StorageError {
    let path = path.display();
    StorageError::new(
        kind,
        format!("the session file {path} could not be {done}: {why}"),
    )
}

fn kind(error: &io::Error) -> StorageErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory => StorageErrorKind::PermissionDenied,
        _ => StorageErrorKind::Backend,
    }
}

fn why(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
        io::ErrorKind::PermissionDenied => "this process may not; look at its owner and mode",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::NotFound => "its directory is gone",
        _ => "the system reports an error",
    }
}
