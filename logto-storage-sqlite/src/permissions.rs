//! Who may read the file: what differs between the systems.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

pub(crate) use system::warn_if_others_may_read;

/// Creates the file empty, for this user alone, if it is missing. SQLite gives its `-wal` and
/// `-shm` files the same mode.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    system::private(&mut options);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens a file that belongs to the database, and creates it with the same mode if it is missing.
pub(crate) fn open_beside(database: &Path, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        outcome => return outcome,
    }
    create_private(path)?;
    fs::set_permissions(path, fs::metadata(database)?.permissions())?;
    options.open(path)
}

#[cfg(unix)]
mod system {
    use std::fs::OpenOptions;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    use std::path::Path;

    pub(super) fn private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(crate) fn warn_if_others_may_read(path: &Path) {
        let mode = path.metadata().map_or(0, |file| file.permissions().mode());
        if mode & 0o077 != 0 {
            log::warn!(
                "other users may open the session database {} (mode {:03o}): chmod 600 it",
                path.display(),
                mode & 0o777,
            );
        }
    }
}

/// The access list of the directory applies.
#[cfg(not(unix))]
mod system {
    use std::fs::OpenOptions;
    use std::path::Path;

    pub(super) fn private(_: &mut OpenOptions) {}

    pub(crate) fn warn_if_others_may_read(_: &Path) {}
}
