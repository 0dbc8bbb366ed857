//! What is stored of one session.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::SessionOwner;
use crate::crypto::random_bytes;

/// One session as a storage keeps it: a version, the owner to find it by, and the data.
///
/// A record is opaque to a backend. The data is JSON with the names of Logto's other SDKs
/// (`idToken`, `refreshToken`, `accessTokenMap`, `signInSession`).
///
/// `Clone` is cheap and shares the data. `Debug` does not show it.
///
/// ```
/// # use logto_core as logto;
/// use logto::{Record, SessionOwner};
///
/// let owner = SessionOwner::new("https://foo.logto.app/oidc", "alice", None);
/// let record = Record::new(Some(owner), r#"{"idToken":"…"}"#);
///
/// // A backend writes these three, and makes the record of them again.
/// let (version, owner, data) = (record.version(), record.owner(), record.data());
/// assert_eq!(Record::stored(version, owner, data), record);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    version: Version,
    owner: Option<SessionOwner>,
    // A string would be overwritten byte by byte, which takes ten times as long.
    data: Arc<Zeroizing<Box<str>>>,
}

impl Record {
    /// A new record, with a version that no other record has.
    pub fn new(owner: Option<SessionOwner>, data: impl Into<String>) -> Self {
        Self::stored(Version::random(), owner, data)
    }

    /// The record that a backend has read.
    pub fn stored(version: Version, owner: Option<SessionOwner>, data: impl Into<String>) -> Self {
        Self {
            version,
            owner,
            data: Arc::new(Zeroizing::new(data.into().into_boxed_str())),
        }
    }

    /// The version. Each save has another one, also that of a session which was removed and made again.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whose session it is, for [`Storage::find`](super::Storage::find); `None` if nobody is signed in.
    pub fn owner(&self) -> Option<SessionOwner> {
        self.owner
    }

    /// The data. It holds tokens.
    pub fn data(&self) -> &str {
        &self.data
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("version", &self.version)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// The version of a [`Record`]: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 16]);

impl Version {
    fn random() -> Self {
        Self(random_bytes())
    }

    /// The version that a backend has read.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The version, for a backend to write.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:032x})", u128::from_be_bytes(self.0))
    }
}
