//! Who may read the directory: what differs between the systems.

pub(crate) use system::{create_private, private, warn_if_others_may_read};

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
    use std::path::Path;

    /// Creates the directory for this user alone, if it is missing.
    pub(crate) fn create_private(path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(crate) fn warn_if_others_may_read(path: &Path) {
        let mode = path.metadata().map_or(0, |file| file.permissions().mode());
        if mode & 0o077 != 0 {
            log::warn!(
                "other users may read the session database {} (mode {:03o}): chmod 700 it",
                path.display(),
                mode & 0o777,
            );
        }
    }
}

/// The access list of the directory above applies.
#[cfg(not(unix))]
mod system {
    use std::fs::{self, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(crate) fn create_private(path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn private(_: &mut OpenOptions) {}

    pub(crate) fn warn_if_others_may_read(_: &Path) {}
}
