//! What differs between the systems.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

pub(crate) use twin::{
    mode, open_itself, private_directory, private_file, same_file, sync_directory,
};

/// Whether `path` is still this very file, and no symbolic link to it.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(there) => Ok(same_file(&there, &file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The bits of the mode that let others than the owner in.
pub(crate) fn others_may(metadata: &Metadata, forbidden: u32) -> Option<u32> {
    mode(metadata).filter(|mode| mode & forbidden != 0)
}

#[cfg(unix)]
mod twin {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    };
    use std::path::Path;

    use crate::fs::ReadError;

    pub(crate) fn private_file(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// Opens what has this name to read it: follows no link, and waits for nobody at a pipe.
    pub(crate) fn open_itself(path: &Path) -> Result<File, ReadError> {
        let mut options = OpenOptions::new();
        let options = options.read(true);
        let opened = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        opened.open(path).map_err(|error| what_is_at(path, error))
    }

    /// Why it was not opened: systems have different errors for a link.
    fn what_is_at(path: &Path, error: io::Error) -> ReadError {
        match path.symlink_metadata() {
            Ok(there) if there.is_symlink() => ReadError::Link,
            Ok(there) if !there.is_file() => ReadError::NotAFile,
            _ => error.into(),
        }
    }

    pub(crate) fn private_directory(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    pub(crate) fn mode(metadata: &Metadata) -> Option<u32> {
        Some(metadata.permissions().mode() & 0o7777)
    }

    pub(crate) fn same_file(one: &Metadata, other: &Metadata) -> bool {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }

    pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// The access list of the directory applies, and a directory cannot be synced.
#[cfg(not(unix))]
mod twin {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    use crate::fs::ReadError;

    /// How often a file may be replaced by another one while it is being opened.
    const TRIES: usize = 100;

    pub(crate) fn private_file(_: &mut OpenOptions) {}

    /// Opens what has this name to read it: looked at before, and held against what was opened, so that
    /// a link put there in between is not followed either.
    pub(crate) fn open_itself(path: &Path) -> Result<File, ReadError> {
        for _ in 0..TRIES {
            let there = path.symlink_metadata()?;
            if there.is_symlink() {
                return Err(ReadError::Link);
            }
            if !there.is_file() {
                return Err(ReadError::NotAFile);
            }
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                outcome => outcome?,
            };
            if same_file(&there, &file.metadata()?) {
                return Ok(file);
            }
        }
        Err(ReadError::Unsteady)
    }

    pub(crate) fn private_directory(_: &mut DirBuilder) {}

    pub(crate) fn mode(_: &Metadata) -> Option<u32> {
        None
    }

    /// No stable name of a file is to be had: a link is what can be told.
    pub(crate) fn same_file(one: &Metadata, other: &Metadata) -> bool {
        one.is_symlink() == other.is_symlink()
    }

    pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
