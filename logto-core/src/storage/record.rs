//! What is stored of one session.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{OwnerDigest, SessionOwner};
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

    /// Returns the record as bytes, for a backend that has one value per session: the version (16 bytes), the
    /// number of owner digests (1), the digests (32 each, the user's first) and the data in UTF-8. They are overwritten
    /// when they are dropped.
    pub fn to_bytes(&self) -> impl AsRef<[u8]> + use<> {
        let owner = self.owner.iter().flat_map(SessionOwner::digests);
        let digests: Vec<_> = owner.map(|digest| *digest.as_bytes()).collect();
        let count = [digests.len() as u8]; // at most 2
        // One allocation of the whole length: a growing vector would leave copies of the data behind.
        let parts = [
            &self.version.0[..],
            &count,
            digests.as_flattened(),
            self.data.as_bytes(),
        ];
        Zeroizing::new(parts.concat().into_boxed_slice())
    }

    /// Returns the record that [`to_bytes`](Self::to_bytes) wrote; `None` if the bytes are malformed.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (count, rest) = rest.split_first()?;
        let (digests, data) = rest.split_at_checked(usize::from(*count) * 32)?;
        let digest = OwnerDigest::from_bytes;
        let owner = match *digests.as_chunks().0 {
            [] => None,
            [user] => Some(SessionOwner::from_digests(digest(user), None)),
            [user, server_session] => Some(SessionOwner::from_digests(
                digest(user),
                Some(digest(server_session)),
            )),
            _ => return None,
        };
        let data = str::from_utf8(data).ok()?;
        Some(Self::stored(Version(*version), owner, data))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> [Option<SessionOwner>; 3] {
        let owner = |sid| Some(SessionOwner::new("https://issuer", "alice", sid));
        [None, owner(None), owner(Some("sid"))]
    }

    #[test]
    fn record_goes_through_bytes_of_the_documented_form() {
        for (count, owner) in owners().into_iter().enumerate() {
            let record = Record::stored(Version([7; 16]), owner, "{\"ü\"}");
            let bytes = record.to_bytes();
            let bytes = bytes.as_ref();
            assert_eq!(bytes[..17], [&[7; 16][..], &[count as u8]].concat());
            assert_eq!(bytes[17 + 32 * count..], *"{\"ü\"}".as_bytes());
            assert_eq!(Record::from_bytes(bytes), Some(record));
        }
        let owner = SessionOwner::from_digests(OwnerDigest::from_bytes([8; 32]), None);
        let record = Record::stored(Version([9; 16]), Some(owner), "data");
        let expected = [&[9; 16][..], &[1], &[8; 32], b"data"].concat();
        assert_eq!(record.to_bytes().as_ref(), expected);
    }

    #[test]
    fn record_bytes_that_are_cut_or_overwritten_are_malformed() {
        for owner in owners() {
            let bytes = Record::new(owner, "").to_bytes();
            let bytes = bytes.as_ref();
            for length in 0..bytes.len() {
                assert_eq!(Record::from_bytes(&bytes[..length]), None, "{length}");
            }
            let not_text = [bytes, &[0xff]].concat();
            assert_eq!(Record::from_bytes(&not_text), None);
            let mut three_owners = [bytes, &[0; 96]].concat();
            three_owners[16] = 3;
            assert_eq!(Record::from_bytes(&three_owners), None);
        }
    }
}
