//! What differs between the systems.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

pub(crate) use twin::{mode, private_directory, private_file, same_file, sync_directory};

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

    pub(crate) fn private_file(options: &mut OpenOptions) {
        options.mode(0o600);
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
    use std::fs::{DirBuilder, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(crate) fn private_file(_: &mut OpenOptions) {}

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
