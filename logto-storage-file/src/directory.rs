//! What the sessions of one directory share: the key, the clock, and how they are read and replaced.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logto_core::{IdleLifetime, Opened, Sealer, StorageError, StorageErrorKind};

use crate::fs::{Fs, LONGEST_FILE, OsFs, ReadError};
use crate::lock::{FileLock, Wait};
use crate::locks::Locks;
use crate::place::{self, Place};
use crate::record::Record;
use crate::{error, owners, system};

/// What a box is for. It keeps a box of [`EncryptedStore`](logto_core::EncryptedStore) from being
/// taken for a file of ours; the sessions are kept apart by the digests in it.
const CONTEXT: &[&[u8]] = &[b"logto session file"];

/// How much longer a file may be than what is in it.
const BOX_OVERHEAD: u64 = 1024;

pub(crate) struct Directory {
    path: PathBuf,
    fs: Arc<dyn Fs>,
    sealer: Sealer,
    idle: IdleLifetime,
    locks: Arc<Locks>,
    busy_timeout: Duration,
}

/// Whether a write may be forgotten in a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    Yes,
    /// The old content or the new, but one of them.
    Either,
}

impl Directory {
    /// `path` is canonical, and so is `locked_as`: all that have it the same share their locks.
    pub(crate) fn new(
        path: PathBuf,
        locked_as: &Path,
        sealer: Sealer,
        idle: IdleLifetime,
        busy_timeout: Duration,
    ) -> Self {
        Self {
            path,
            fs: Arc::new(OsFs),
            sealer,
            idle,
            locks: Locks::of(locked_as),
            busy_timeout,
        }
    }

    #[cfg(test)]
    pub(crate) fn over(self, fs: impl Fs + 'static) -> Self {
        Self {
            fs: Arc::new(fs),
            ..self
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn idle(&self) -> &IdleLifetime {
        &self.idle
    }

    pub(crate) fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// What is in the file of this session.
    pub(crate) fn read(&self, place: &Place) -> Result<Option<Opened>, StorageError> {
        let path = &place.session;
        match self.fs.read(path) {
            Ok(Some(bytes)) => {
                let opened = self.sealer.open_again(&place.last_key, CONTEXT, bytes);
                opened.map(Some).map_err(|e| error::not_opened(path, e))
            }
            Ok(None) if !self.path.is_dir() => Err(error::not_read(
                path,
                ReadError::Io(io::ErrorKind::NotFound.into()),
            )),
            Ok(None) => Ok(None),
            Err(error) => Err(error::not_read(path, error)),
        }
    }

    /// Sole use of a session.
    pub(crate) fn lock(&self, place: &Place, timeout: Duration) -> Result<FileLock, StorageError> {
        let local = (&self.locks.sessions, place.digest);
        FileLock::acquire(local, &place.lock, Wait::for_session(timeout))
    }

    /// The turn to write to a session. Whoever has it holds no other turn, or one of a lower digest.
    pub(crate) fn turn(&self, place: &Place) -> Result<FileLock, StorageError> {
        self.turn_within(place, self.busy_timeout)
    }

    /// The turn to write if nobody else has it, for what need not be done.
    pub(crate) fn turn_now(&self, place: &Place) -> Result<FileLock, StorageError> {
        self.turn_within(place, Duration::ZERO)
    }

    fn turn_within(&self, place: &Place, timeout: Duration) -> Result<FileLock, StorageError> {
        let local = (&self.locks.writers, place.writers());
        FileLock::acquire(local, &place.write, Wait::to_write(timeout))
    }

    /// The turns to write to two sessions, in the order that all keep to.
    pub(crate) fn turns(
        &self,
        one: &Place,
        other: &Place,
    ) -> Result<[Option<FileLock>; 2], StorageError> {
        let (first, second) = match one.write <= other.write {
            true => (one, other),
            false => (other, one),
        };
        let held = self.turn(first)?;
        let also = (first.write != second.write).then(|| self.turn(second));
        Ok([Some(held), also.transpose()?])
    }

    /// Writes a session, in its turn: a file beside it that takes its place when it is on the disk.
    pub(crate) fn replace(
        &self,
        place: &Place,
        record: &Record<'_>,
        durable: Durable,
    ) -> Result<(), StorageError> {
        let path = &place.session;
        let sealed = self.seal(path, record)?;
        self.write_and_rename(place, &sealed)
            .and_then(|()| match durable {
                Durable::Yes => self.fs.sync_directory(&self.path),
                Durable::Either => Ok(()),
            })
            .map_err(|e| error::not_written(path, e))
    }

    fn seal(&self, path: &Path, record: &Record<'_>) -> Result<Vec<u8>, StorageError> {
        let fits = |length| length as u64 + BOX_OVERHEAD <= LONGEST_FILE;
        let plaintext = record.encode().filter(|bytes| fits(bytes.len()));
        let plaintext = plaintext.ok_or_else(|| error::too_long(path))?;
        let sealed = self.sealer.seal(CONTEXT, &plaintext);
        sealed.map_err(|e| error::not_sealed(path, e))
    }

    fn write_and_rename(&self, place: &Place, sealed: &[u8]) -> io::Result<()> {
        let (temporary, mut file) = loop {
            let temporary = place.temporary();
            match self.fs.create_new(&temporary) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                outcome => break (temporary, outcome?),
            }
        };
        let written = file
            .write_all(sealed)
            .and_then(|()| file.sync())
            .and_then(|()| self.fs.rename(&temporary, &place.session));
        if written.is_err() {
            drop(file);
            // What cannot be removed now is swept up later.
            let _ = self.fs.remove(&temporary);
        }
        written
    }

    /// Removes a session, in its turn. What is in it does not matter.
    pub(crate) fn remove(&self, place: &Place) -> Result<(), StorageError> {
        let removed = match self.fs.remove(&place.session) {
            // It may have been removed by a call that could not sync.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        };
        removed
            .and_then(|()| self.fs.sync_directory(&self.path))
            .map_err(|e| error::not_written(&place.session, e))
    }

    /// Gives the file of a session the name of another, in their turns, in one step.
    pub(crate) fn rename(&self, from: &Place, to: &Place) -> Result<(), StorageError> {
        self.fs
            .rename(&from.session, &to.session)
            .and_then(|()| self.fs.sync_directory(&self.path))
            .map_err(|e| error::not_written(&to.session, e))
    }

    pub(crate) fn names(&self) -> Result<Vec<OsString>, StorageError> {
        let names = self.fs.list(&self.path);
        names.map_err(|e| error::no_directory(&self.path, e))
    }

    /// Removes the temporary files that writers left when they were killed. Whose turn it is to write
    /// to a session knows that nobody else does. `find` tells the session that a file belongs to.
    pub(crate) fn sweep(&self, names: &[OsString], find: impl Fn(&OsStr) -> Option<Place>) {
        for name in names {
            let Some(place) = place::made_for(name).and_then(|name| find(&name)) else {
                continue;
            };
            let swept = self.turn_now(&place).and_then(|_turn| {
                let temporary = self.path.join(name);
                let removed = self.fs.remove(&temporary);
                removed.map_err(|e| error::not_written(&temporary, e))
            });
            match swept {
                Ok(()) => log::debug!("a temporary file of a killed process is removed"),
                Err(error) if error.kind() == StorageErrorKind::Busy => {}
                Err(error) => log::debug!("a temporary file is left: {error}"),
            }
        }
    }
}

/// The directory at this path, canonical, and created if it is missing. Others than the owner have none
/// of the `forbidden` bits of its mode.
pub(crate) fn open(path: &Path, forbidden: u32, chmod: &str) -> Result<PathBuf, StorageError> {
    let opened = create(path)
        .and_then(|()| path.canonicalize())
        .and_then(|canonical| Ok((canonical.metadata()?, canonical)));
    let (metadata, canonical) = opened.map_err(|e| error::no_directory(path, e))?;
    if !metadata.is_dir() {
        let error = io::ErrorKind::NotADirectory.into();
        return Err(error::no_directory(path, error));
    }
    match system::others_may(&metadata, forbidden) {
        Some(mode) => Err(error::open_directory(path, mode, chmod)),
        None => Ok(canonical),
    }
}

/// The directory of a store's marks, created if it is missing.
pub(crate) fn open_owners(path: &Path) -> Result<(), StorageError> {
    let owners = path.join(owners::DIRECTORY);
    create(&owners).map_err(|e| error::no_directory(&owners, e))
}

/// Creates what is missing of this path, private, and durable.
fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create(parent)?;
    let mut builder = DirBuilder::new();
    system::private_directory(&mut builder);
    match builder.create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => system::sync_directory(parent),
    }
}
