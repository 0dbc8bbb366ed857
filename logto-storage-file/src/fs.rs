//! The file operations that a session is written with, as something that a test can make fail.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::Path;

use crate::system;

/// The longest file that is written, or read at all: 64 MiB.
pub(crate) const LONGEST_FILE: u64 = 64 * 1024 * 1024;

pub(crate) trait Fs: Debug + Send + Sync {
    /// The whole file, if there is one: a regular one, and private.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, ReadError>;

    /// A new file, private; an error if there is one.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
}

pub(crate) trait NewFile: Write {
    /// Returns when all that was written has reached the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// Why a file is not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Io(io::Error),
    Link,
    NotAFile,
    /// The mode, which lets others in.
    Open(u32),
    TooLong,
    /// It was replaced each time.
    #[cfg_attr(unix, allow(dead_code))] // where it can be opened and looked at in one step
    Unsteady,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The operating system's.
#[derive(Debug)]
pub(crate) struct OsFs;

impl Fs for OsFs {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
        match open_to_read(path)? {
            Some((file, length)) => read_whole(file, length).map(Some),
            None => Ok(None),
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        system::private_file(&mut options);
        Ok(Box::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        system::sync_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name()))
            .collect()
    }
}

impl NewFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Opens what is there under this name itself, if it is a regular file and private.
fn open_to_read(path: &Path) -> Result<Option<(File, u64)>, ReadError> {
    let file = match system::open_itself(path) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        outcome => outcome?,
    };
    let opened = file.metadata()?;
    if !opened.is_file() {
        return Err(ReadError::NotAFile);
    }
    if let Some(mode) = system::others_may(&opened, 0o077) {
        return Err(ReadError::Open(mode));
    }
    Ok(Some((file, opened.len())))
}

/// A file is not changed once it has its name, so its length holds.
fn read_whole(file: File, length: u64) -> Result<Vec<u8>, ReadError> {
    if length > LONGEST_FILE {
        return Err(ReadError::TooLong);
    }
    let mut bytes = Vec::with_capacity(length as usize);
    if file.take(length).read_to_end(&mut bytes)? as u64 != length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}
