//! SQLite's errors as the storage's.

use std::io;
use std::path::Path;

use logto_core::{StorageError, StorageErrorKind};
use rusqlite::{ErrorCode, ffi};

/// The error of a database that could not be `opened`, `read` or `written`. No statement carries a
/// value in its text, so neither does SQLite's message, which is kept as the source.
pub(crate) fn failed(done: &str, path: &Path, error: rusqlite::Error) -> StorageError {
    let kind = kind(&error);
    let why = match kind {
        StorageErrorKind::Busy => "others keep it locked".to_owned(),
        StorageErrorKind::Corrupt => not_a_database(&error).to_owned(),
        StorageErrorKind::PermissionDenied => no_access(path, &error),
        _ if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
            "the disk is full".to_owned()
        }
        _ => "SQLite reports an error".to_owned(),
    };
    new(kind, done, path, &why).with_source(error)
}

/// The error of a file that could not be created.
pub(crate) fn not_created(path: &Path, error: io::Error) -> StorageError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem => StorageErrorKind::PermissionDenied,
        _ => StorageErrorKind::Backend,
    };
    let why = what_is_wrong_with(path).unwrap_or("it cannot be created");
    new(kind, "opened", path, why).with_source(error)
}

/// The error of a thread whose turn to write has not come.
pub(crate) fn busy(path: &Path) -> StorageError {
    new(
        StorageErrorKind::Busy,
        "written",
        path,
        "others keep writing",
    )
}

/// An error that SQLite did not report: the storage does not want this file.
pub(crate) fn refused(kind: StorageErrorKind, path: &Path, why: &str) -> StorageError {
    new(kind, "opened", path, why)
}

fn new(kind: StorageErrorKind, done: &str, path: &Path, why: &str) -> StorageError {
    let path = path.display();
    StorageError::new(
        kind,
        format!("the session database {path} could not be {done}: {why}"),
    )
}

fn kind(error: &rusqlite::Error) -> StorageErrorKind {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    match error {
        FromSqlConversionFailure(..)
        | IntegralValueOutOfRange(..)
        | InvalidColumnType(..)
        | Utf8Error(..) => StorageErrorKind::Corrupt,
        _ => error
            .sqlite_error_code()
            .map_or(StorageErrorKind::Backend, kind_of_code),
    }
}

fn kind_of_code(code: ErrorCode) -> StorageErrorKind {
    match code {
        // SQLite gives up on the log's lock protocol only after seconds of contention.
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => StorageErrorKind::Busy,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StorageErrorKind::Corrupt,
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
            StorageErrorKind::PermissionDenied
        }
        _ => StorageErrorKind::Backend,
    }
}

fn not_a_database(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "the file is not a SQLite database",
        _ => "the database, or this session in it, is damaged",
    }
}

fn no_access(path: &Path, error: &rusqlite::Error) -> String {
    let moved = error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_DBMOVED);
    let why = if moved {
        "the file was moved or deleted while it was open"
    } else {
        what_is_wrong_with(path)
            .unwrap_or("this process must be able to write the file, and to create files beside it")
    };
    why.to_owned()
}

/// What a look at the file system tells that SQLite does not.
fn what_is_wrong_with(path: &Path) -> Option<&'static str> {
    if path.is_dir() {
        Some("it is a directory; give the path of a file in it")
    } else if path.parent().is_some_and(|parent| !parent.is_dir()) {
        Some("its directory does not exist; create it first")
    } else {
        None
    }
}
