//! File operations: private reads, and the writes that a test can make fail.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use logto_core::StorageError;
use logto_core::files::{mode_for_others, private, sync_directory};

use crate::error;

/// The longest file that is written, or read at all: 64 MiB.
pub(crate) const LONGEST_FILE: u64 = 64 * 1024 * 1024;

/// The operations that change a directory.
pub(crate) trait Fs: Debug + Send + Sync {
    /// Creates a private file with this content, and this time if one is given; an error if the name is taken.
    fn create(&self, path: &Path, content: &[u8], modified: Option<SystemTime>)
    -> io::Result<File>;

    /// Returns when the file that [`create`](Self::create) made at this path is on the disk.
    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()>;

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's.
#[derive(Debug)]
pub(crate) struct OsFs;

impl Fs for OsFs {
    fn create(
        &self,
        path: &Path,
        content: &[u8],
        modified: Option<SystemTime>,
    ) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        private(&mut options);
        let mut file = options.open(path)?;
        file.write_all(content)?;
        if let Some(modified) = modified {
            file.set_modified(modified)?;
        }
        Ok(file)
    }

    fn sync_file(&self, file: &File, _: &Path) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        sync_directory(path)
    }
}

/// An opened file: regular and private.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    pub(crate) path: PathBuf,
    file: File,
    length: u64,
    pub(crate) modified: SystemTime,
}

impl PrivateFile {
    /// Opens the file itself, no link to it; `None` if there is none.
    pub(crate) fn open(path: PathBuf) -> Result<Option<Self>, StorageError> {
        let opened = match system::open_itself(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.and_then(|file| Ok((file.metadata()?, file))),
        };
        let (metadata, file) = opened.map_err(|error| what_is_at(&path, error))?;
        if !metadata.is_file() {
            return Err(error::not_a_file(&path));
        }
        if let Some(others) = mode_for_others(&metadata) {
            return Err(error::open_file(&path, others));
        }
        let modified = metadata.modified();
        let modified = modified.map_err(|e| error::not_read(&path, e))?;
        Ok(Some(Self {
            path,
            file,
            length: metadata.len(),
            modified,
        }))
    }

    /// The whole content. A file with a name is never changed, so the length holds.
    pub(crate) fn content(&self) -> Result<Vec<u8>, StorageError> {
        if self.length > LONGEST_FILE {
            return Err(error::file_too_long(&self.path, LONGEST_FILE));
        }
        let mut bytes = Vec::with_capacity(self.length as usize);
        let read = (&self.file).take(self.length).read_to_end(&mut bytes);
        read.map_err(|e| error::not_read(&self.path, e))?;
        Ok(bytes)
    }

    pub(crate) fn set_modified(&self, modified: SystemTime) -> io::Result<()> {
        self.file.set_modified(modified)
    }
}

/// The names in a directory.
pub(crate) fn names(directory: &Path) -> Result<Vec<OsString>, StorageError> {
    let names = fs::read_dir(directory).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<_>>()
    });
    names.map_err(|e| error::no_directory(directory, e))
}

/// Why a file was not opened: systems have different errors for a link.
fn what_is_at(path: &Path, error: io::Error) -> StorageError {
    match path.symlink_metadata() {
        Ok(there) if there.is_symlink() => error::link(path),
        Ok(there) if !there.is_file() => error::not_a_file(path),
        _ => error::not_read(path, error),
    }
}

#[cfg(unix)]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::Path;

    /// Follows no link, and does not wait at a pipe.
    pub(super) fn open_itself(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        options.read(true).open(path)
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::path::Path;

    use logto_core::files::is_at;

    /// Looks for a link before and after, because the flag that refuses one is not portable. Windows sets
    /// the time of a file that is open to write only.
    pub(super) fn open_itself(path: &Path) -> io::Result<File> {
        let link = || io::Error::other("it is a symbolic link");
        if path.is_symlink() {
            return Err(link());
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match is_at(&file, path)? {
            true => Ok(file),
            false => Err(link()),
        }
    }
}
