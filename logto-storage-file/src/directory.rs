//! The directory: its marker, its session files, and how a file is replaced.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use logto_core::files::{
    LockFiles, LockedFile, create_private_directory, mode_for_others, sync_directory,
};
use logto_core::{Record, Sealer, SessionId, SessionKey, StorageError, Unsealed};

use crate::error;
use crate::fs::{self, Fs, LONGEST_FILE, PrivateFile};

/// The file with the id of the directory. A directory with it is one of ours.
const MARKER: &str = "marker";

/// The directory of the lock files that are locked while a session is written.
const TURNS: &str = "turns";

const SESSION: &str = ".session";
const TEMPORARY: &str = ".tmp";

const MARKER_CONTEXT: &[u8] = b"logto session directory";
const SESSION_CONTEXT: &[u8] = b"logto session file";

/// The format of the directory, all its files included.
const FORMAT: u8 = 1;

/// How much longer a file may be than its record.
const BOX_OVERHEAD: usize = 1024;

#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The directory of the owner index.
    pub(crate) owners: PathBuf,
    /// Random, and part of what each file is sealed to: the path changes when a backup is restored.
    id: [u8; 32],
    pub(crate) sealer: Sealer,
    pub(crate) fs: Arc<dyn Fs>,
    turns: LockFiles,
    busy_timeout: Duration,
}

/// A record and whether the current key has sealed it.
pub(crate) struct Opened {
    pub(crate) record: Record,
    pub(crate) is_current: bool,
}

impl Directory {
    /// Opens the directory, makes what is missing, and removes temporary files of killed writers.
    pub(crate) fn open(
        path: &Path,
        sealer: Sealer,
        fs: Arc<dyn Fs>,
        busy_timeout: Duration,
    ) -> Result<Self, StorageError> {
        let path = open_private(path)?;
        let mut directory = Self {
            turns: LockFiles::new(path.join(TURNS)),
            owners: path.join("owners"),
            path,
            id: [0; 32],
            sealer,
            fs,
            busy_timeout,
        };
        directory.id = directory.open_marker()?;
        let owners = &directory.owners;
        create(owners).map_err(|e| error::no_directory(owners, e))?;
        directory.sweep()?;
        Ok(directory)
    }

    /// Reads the marker, and writes it if it is missing in an empty directory or an older key has sealed it.
    fn open_marker(&self) -> Result<[u8; 32], StorageError> {
        if let Some((id, true)) = self.read_marker()? {
            return Ok(id);
        }
        let names = fs::names(&self.path)?;
        let is_ours = |name: &OsStr| name == MARKER || name == TURNS || made_for(name).is_some();
        if !names.iter().any(|name| name == MARKER) && !names.iter().all(|name| is_ours(name)) {
            return Err(error::no_marker(&self.path));
        }
        // Two processes may open a new directory at once.
        let _turn = self.turn(&SessionKey::ONLY)?;
        let id = match self.read_marker()? {
            Some((id, true)) => return Ok(id),
            Some((id, false)) => id,
            None => *random().as_bytes(),
        };
        let path = self.path.join(MARKER);
        let plaintext = [&[FORMAT], &id[..]].concat();
        let sealed = self.sealer.seal(&[MARKER_CONTEXT], &plaintext);
        let sealed = sealed.map_err(|e| error::sealed_box("sealed", &path, e))?;
        self.replace(&path, &sealed, None)?;
        Ok(id)
    }

    /// The id, and whether the current key has sealed it.
    fn read_marker(&self) -> Result<Option<([u8; 32], bool)>, StorageError> {
        let path = self.path.join(MARKER);
        let Some(file) = PrivateFile::open(path)? else {
            return Ok(None);
        };
        let (path, opened) = (&file.path, self.unseal(&file, &[MARKER_CONTEXT])?);
        match opened.plaintext() {
            [FORMAT, id @ ..] => match id.try_into() {
                Ok(id) => Ok(Some((id, opened.is_current()))),
                Err(_) => Err(error::malformed(path)),
            },
            [newer, ..] if *newer > FORMAT => Err(error::newer(path, *newer)),
            _ => Err(error::malformed(path)),
        }
    }

    fn unseal(&self, file: &PrivateFile, context: &[&[u8]]) -> Result<Unsealed, StorageError> {
        let opened = self.sealer.open(context, &file.content()?);
        opened.map_err(|e| error::sealed_box("opened", &file.path, e))
    }

    /// The box of a session opens in its own directory under its own key only.
    fn context<'a>(&'a self, session: &'a SessionKey) -> [&'a [u8]; 3] {
        [SESSION_CONTEXT, &self.id, session.as_bytes()]
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn session_path(&self, session: &SessionKey) -> PathBuf {
        self.path.join(session.to_hex() + SESSION)
    }

    /// Waits for the turn to write this session. The holder compares and swaps.
    pub(crate) fn turn(&self, session: &SessionKey) -> Result<LockedFile, StorageError> {
        self.turns.lock(session, self.busy_timeout)
    }

    /// The turns to write two sessions, in the order that all processes keep to.
    pub(crate) fn turns(
        &self,
        mut sessions: [&SessionKey; 2],
    ) -> Result<Vec<LockedFile>, StorageError> {
        sessions.sort();
        let mut turns = vec![self.turn(sessions[0])?];
        // Keys that begin with one byte share a turn.
        if sessions[0].as_bytes()[0] != sessions[1].as_bytes()[0] {
            turns.push(self.turn(sessions[1])?);
        }
        Ok(turns)
    }

    /// The file of this session. An error, not `None`, if the whole directory is gone.
    pub(crate) fn file(&self, session: &SessionKey) -> Result<Option<PrivateFile>, StorageError> {
        let file = PrivateFile::open(self.session_path(session))?;
        if file.is_none() && !self.path.is_dir() {
            let missing = io::ErrorKind::NotFound.into();
            return Err(error::not_read(&self.session_path(session), missing));
        }
        Ok(file)
    }

    /// Opens what [`file`](Self::file) has returned for this session.
    pub(crate) fn read(
        &self,
        session: &SessionKey,
        file: &PrivateFile,
    ) -> Result<Opened, StorageError> {
        let opened = self.unseal(file, &self.context(session))?;
        let record = Record::from_bytes(opened.plaintext());
        Ok(Opened {
            record: record.ok_or_else(|| error::malformed(&file.path))?,
            is_current: opened.is_current(),
        })
    }

    /// Writes a session, in its turn, durably.
    pub(crate) fn write(
        &self,
        session: &SessionKey,
        record: &Record,
        used_at: Option<SystemTime>,
    ) -> Result<(), StorageError> {
        let path = self.session_path(session);
        let plaintext = record.to_bytes();
        let plaintext = plaintext.as_ref();
        if (plaintext.len() + BOX_OVERHEAD) as u64 > LONGEST_FILE {
            return Err(error::record_too_long(&path, LONGEST_FILE));
        }
        let sealed = self.sealer.seal(&self.context(session), plaintext);
        let sealed = sealed.map_err(|e| error::sealed_box("sealed", &path, e))?;
        self.replace(&path, &sealed, used_at)
    }

    /// A new file is written and synced, takes the name in one step, and the directory is synced.
    fn replace(
        &self,
        path: &Path,
        content: &[u8],
        modified: Option<SystemTime>,
    ) -> Result<(), StorageError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}{TEMPORARY}", random().to_hex()));
        let temporary = Path::new(&temporary);
        let written = self
            .fs
            .create(temporary, content, modified)
            .and_then(|file| self.fs.sync_file(&file, temporary))
            .and_then(|()| self.fs.rename(temporary, path));
        if written.is_err() {
            // A file that cannot be removed here is swept later.
            let _ = self.fs.remove(temporary);
        }
        written
            .and_then(|()| self.fs.sync_directory(&self.path))
            .map_err(|e| error::not_written(path, e))
    }

    /// Removes the file of a session, in its turn, whatever is in it.
    pub(crate) fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        let path = self.session_path(session);
        let removed = match self.fs.remove(&path) {
            // An earlier call may have removed it and failed to sync.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        };
        removed
            .and_then(|()| self.fs.sync_directory(&self.path))
            .map_err(|e| error::not_written(&path, e))
    }

    /// The keys of all sessions, expired ones included.
    pub(crate) fn sessions(&self) -> Result<Vec<SessionKey>, StorageError> {
        let names = fs::names(&self.path)?;
        Ok(names.iter().filter_map(|name| session_of(name)).collect())
    }

    /// Removes temporary files of killed writers. The holder of a session's turn is its only writer.
    pub(crate) fn sweep(&self) -> Result<(), StorageError> {
        for name in fs::names(&self.path)? {
            let Some(session) = made_for(&name) else {
                continue;
            };
            let Ok(_turn) = self.turns.lock(&session, Duration::ZERO) else {
                continue;
            };
            match self.fs.remove(&self.path.join(name)) {
                Ok(()) => log::debug!("a temporary file of a killed process is removed"),
                Err(error) => log::debug!("a temporary file is left: {error}"),
            }
        }
        Ok(())
    }
}

/// The session whose file has this name; `None` of another file.
fn session_of(name: &OsStr) -> Option<SessionKey> {
    SessionKey::from_hex(name.to_str()?.strip_suffix(SESSION)?)
}

/// Whose turn it was made in, if this is the name of a temporary file: that of its session, or the first for
/// the marker.
fn made_for(temporary: &OsStr) -> Option<SessionKey> {
    let name = temporary.to_str()?.strip_suffix(TEMPORARY)?;
    let (name, random) = name.rsplit_once('.')?;
    SessionKey::from_hex(random)?;
    match name {
        MARKER => Some(SessionKey::ONLY),
        name => session_of(name.as_ref()),
    }
}

/// 32 random bytes.
fn random() -> SessionKey {
    SessionId::random().key()
}

/// The directory at this path, canonical, private, and created if it is missing.
fn open_private(path: &Path) -> Result<PathBuf, StorageError> {
    let opened = create(path)
        .and_then(|()| path.canonicalize())
        .and_then(|canonical| Ok((canonical.metadata()?, canonical)));
    let (metadata, canonical) = opened.map_err(|e| error::no_directory(path, e))?;
    if !metadata.is_dir() {
        return Err(error::no_directory(
            path,
            io::ErrorKind::NotADirectory.into(),
        ));
    }
    match mode_for_others(&metadata) {
        Some(others) => Err(error::open_directory(path, others)),
        None => Ok(canonical),
    }
}

/// Creates what is missing of this path, private and durable.
fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create(parent)?;
    create_private_directory(path)?;
    sync_directory(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_file_names_tell_their_session() {
        let session = SessionKey::from_bytes([7; 32]);
        let random = random().to_hex();
        let own = format!("{}.session.{random}.tmp", session.to_hex());
        assert_eq!(made_for(own.as_ref()), Some(session));
        let marker = format!("marker.{random}.tmp");
        assert_eq!(made_for(marker.as_ref()), Some(SessionKey::ONLY));
        for other in [
            "a.tmp",
            "marker.tmp",
            &format!("letter.{random}.tmp"),
            &own[1..],
        ] {
            assert_eq!(made_for(other.as_ref()), None, "{other}");
        }
    }
}
