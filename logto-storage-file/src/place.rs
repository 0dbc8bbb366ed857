//! Where the files of a session are.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use logto_core::LastBoxKey;

use crate::owners;

/// The SHA-256 of `default`: the digest of the session of a program with one user.
pub(crate) const ONLY_SESSION: [u8; 32] = [
    0x37, 0xa8, 0xee, 0xc1, 0xce, 0x19, 0x68, 0x7d, 0x13, 0x2f, 0xe2, 0x90, 0x51, 0xdc, 0xa6, 0x29,
    0xd1, 0x64, 0xe2, 0xc4, 0x95, 0x8b, 0xa1, 0x41, 0xd5, 0xf4, 0x13, 0x3a, 0x33, 0xf0, 0x68, 0x8f,
];

const SESSION: &str = ".session";
const TEMPORARY: &str = ".tmp";

/// The files of one session.
pub(crate) struct Place {
    pub(crate) digest: [u8; 32],
    /// What is stored.
    pub(crate) session: PathBuf,
    /// Locked by whoever has sole use of the session.
    pub(crate) lock: PathBuf,
    /// Locked by whoever is writing. The sessions of a store share 256 of them.
    pub(crate) write: PathBuf,
    /// The directory of the marks by which sessions are found; `None` of a session alone.
    pub(crate) owners: Option<PathBuf>,
    /// Of what is stored, when it was read last.
    pub(crate) last_key: LastBoxKey,
}

impl Place {
    /// Of a session among others.
    pub(crate) fn in_store(directory: &Path, digest: [u8; 32]) -> Self {
        let hex = hex(&digest);
        Self {
            digest,
            session: directory.join(format!("{hex}{SESSION}")),
            lock: directory.join(format!("{hex}.lock")),
            write: directory.join(format!("{}.write", &hex[..2])),
            owners: Some(directory.join(owners::DIRECTORY)),
            last_key: LastBoxKey::default(),
        }
    }

    /// Of the only session, in a file of this name.
    pub(crate) fn of_file(directory: &Path, name: &OsStr) -> Self {
        let beside = |extension| {
            let mut name = name.to_owned();
            name.push(extension);
            directory.join(name)
        };
        Self {
            digest: ONLY_SESSION,
            session: directory.join(name),
            lock: beside(".lock"),
            write: beside(".write"),
            owners: None,
            last_key: LastBoxKey::default(),
        }
    }

    /// Of the session that the file of this name in a store's directory holds; `None` of another file.
    pub(crate) fn of_session_file(directory: &Path, name: &OsStr) -> Option<Self> {
        let digest = unhex(name.to_str()?.strip_suffix(SESSION)?)?;
        Some(Self::in_store(directory, digest))
    }

    /// A name beside the session's file that most likely nobody has.
    pub(crate) fn temporary(&self) -> PathBuf {
        let mut name = self.session.clone().into_os_string();
        name.push(format!(
            ".{:016x}{TEMPORARY}",
            RandomState::new().hash_one(0)
        ));
        name.into()
    }

    /// Which of the locks of a process to write under.
    pub(crate) fn writers(&self) -> [u8; 32] {
        [self.digest[0]; 32]
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(***)")
    }
}

/// The name of the session's file that a temporary one of this name was made for; `None` of another file.
pub(crate) fn made_for(temporary: &OsStr) -> Option<OsString> {
    let (name, random) = temporary
        .to_str()?
        .strip_suffix(TEMPORARY)?
        .rsplit_once('.')?;
    let is_ours = random.len() == 16 && random.bytes().all(|byte| is_hex(&byte));
    is_ours.then(|| name.into())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| is_hex(&byte)) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use logto_core::SessionId;

    use super::*;

    #[test]
    fn a_session_is_found_by_the_name_of_its_file() {
        let (directory, id) = (Path::new("sessions"), SessionId::random());
        let place = Place::in_store(directory, id.digest());
        let name = place.session.file_name().unwrap();
        assert_eq!(name.to_str().unwrap(), id.digest_hex() + ".session");
        let found = Place::of_session_file(directory, name).unwrap();
        assert_eq!(found.digest, id.digest());
        for other in ["", ".session", "a.session", "Ab.session"] {
            assert!(Place::of_session_file(directory, other.as_ref()).is_none());
        }
        let upper = name.to_str().unwrap().to_uppercase();
        assert!(Place::of_session_file(directory, upper.as_ref()).is_none());
    }

    #[test]
    fn a_temporary_file_tells_what_it_is_for() {
        let place = Place::of_file(Path::new("directory"), "my session".as_ref());
        let temporary = place.temporary();
        assert_ne!(temporary, place.temporary());
        let name = temporary.file_name().unwrap();
        assert_eq!(made_for(name).unwrap(), "my session");
        for other in [
            "a.tmp",
            "my session.tmp",
            "x.0123456789abcdeg.tmp",
            "0123456789abcdef.tmp",
        ] {
            assert!(made_for(other.as_ref()).is_none(), "{other}");
        }
    }
}
