//! Whose session it is: what a storage finds sessions by.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::sha256;
use crate::seal::Sealer;

/// Between the digests. No base64url has it.
const SEPARATOR: char = '.';

/// The name by which sessions are found: a user of a server, or one session that the user has at the
/// server. It is a SHA-256, so that a database does not show who uses an application;
/// [`EncryptedStorage`](crate::EncryptedStorage) also hides it from guesses.
///
/// ```
/// # use logto_core as logto;
/// use logto::OwnerDigest;
///
/// let issuer = "https://foo.logto.app/oidc";
/// let alice = OwnerDigest::of_user(issuer, "alice");
/// assert_eq!(alice, OwnerDigest::of_user(issuer, "alice"));
/// assert_ne!(alice, OwnerDigest::of_user(issuer, "bob"));
/// assert_ne!(alice, OwnerDigest::of_server_session(issuer, "alice"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerDigest([u8; 32]);

impl OwnerDigest {
    /// All sessions of a user: by the `iss` and `sub` of an ID token or a logout token.
    pub fn of_user(issuer: &str, sub: &str) -> Self {
        Self::of("sub", issuer, sub)
    }

    /// The sessions that came of one session at the server: by the `iss` and `sid` of an ID token or a
    /// logout token.
    pub fn of_server_session(issuer: &str, sid: &str) -> Self {
        Self::of("sid", issuer, sid)
    }

    fn of(claim: &str, issuer: &str, value: &str) -> Self {
        Self(sha256([claim, issuer, value].join("\0").as_bytes()))
    }

    /// The digest that a backend has read.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest, for the index of a backend.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its pseudonyms in a storage that is encrypted with these keys: one for each key, the current
    /// one first. Without the key nobody can tell which user it is. A pseudonym is HKDF-SHA-256 of
    /// the root key, without salt, with `logto sealed box 1: pseudonym` and this digest as the info.
    ///
    /// A passphrase hides nothing, because its key depends on a random salt in each box, and a search has
    /// no box at hand. Its pseudonym is the digest itself.
    pub fn hidden_by_each_key(&self, sealer: &Sealer) -> Vec<Self> {
        sealer.pseudonyms(&self.0).map(Self).collect()
    }
}

impl fmt::Display for OwnerDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for OwnerDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerDigest({self})")
    }
}

impl FromStr for OwnerDigest {
    type Err = InvalidSessionOwner;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) if text.len() == 43 => Ok(Self(bytes)),
            _ => Err(InvalidSessionOwner),
        }
    }
}

/// Whose session it is: a user of a server and, if known, the server session that it came of.
///
/// Its text is the digest of the user in base64url and, if there is one, a dot and the digest of the
/// server session.
///
/// ```
/// # use logto_core as logto;
/// use logto::{OwnerDigest, SessionOwner};
///
/// let issuer = "https://foo.logto.app/oidc";
/// let owner = SessionOwner::new(issuer, "alice", Some("a session of the server"));
/// assert!(owner.matches(&OwnerDigest::of_user(issuer, "alice")));
/// assert!(owner.matches(&OwnerDigest::of_server_session(issuer, "a session of the server")));
/// assert_eq!(owner.to_string().parse(), Ok(owner));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionOwner {
    user: OwnerDigest,
    server_session: Option<OwnerDigest>,
}

impl SessionOwner {
    /// The owner by the `iss`, `sub` and `sid` of an ID token. An empty `sid` is none.
    pub fn new(issuer: &str, sub: &str, sid: Option<&str>) -> Self {
        Self {
            user: OwnerDigest::of_user(issuer, sub),
            server_session: sid
                .filter(|sid| !sid.is_empty())
                .map(|sid| OwnerDigest::of_server_session(issuer, sid)),
        }
    }

    /// The owner that a backend has read in two parts.
    pub fn from_digests(user: OwnerDigest, server_session: Option<OwnerDigest>) -> Self {
        Self {
            user,
            server_session,
        }
    }

    /// The digest of the user.
    pub fn user(&self) -> OwnerDigest {
        self.user
    }

    /// The digest of the server session; `None` if the ID token did not name it.
    pub fn server_session(&self) -> Option<OwnerDigest> {
        self.server_session
    }

    /// One or two digests: those by which [`Storage::find`](super::Storage::find) finds the session.
    pub fn digests(&self) -> impl Iterator<Item = OwnerDigest> {
        [Some(self.user), self.server_session].into_iter().flatten()
    }

    /// Whether this digest finds the session.
    pub fn matches(&self, owner: &OwnerDigest) -> bool {
        self.digests().any(|digest| digest == *owner)
    }

    /// The pseudonym of the owner under the current key of this sealer; see
    /// [`OwnerDigest::hidden_by_each_key`].
    pub fn hidden(&self, sealer: &Sealer) -> Self {
        let hide = |digest: OwnerDigest| {
            let hidden = sealer.pseudonyms(&digest.0).next();
            hidden.map_or(digest, OwnerDigest)
        };
        Self {
            user: hide(self.user),
            server_session: self.server_session.map(hide),
        }
    }

    /// This owner, with the server session of `other` if this one has none and the user is the same.
    pub(crate) fn or_session_of(self, other: &Self) -> Self {
        let known = other.server_session.filter(|_| other.user == self.user);
        Self {
            user: self.user,
            server_session: self.server_session.or(known),
        }
    }
}

impl fmt::Display for SessionOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.fmt(f)?;
        match &self.server_session {
            Some(digest) => {
                f.write_char(SEPARATOR)?;
                digest.fmt(f)
            }
            None => Ok(()),
        }
    }
}

impl FromStr for SessionOwner {
    type Err = InvalidSessionOwner;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, server_session) = match text.split_once(SEPARATOR) {
            Some((user, server_session)) => (user, Some(server_session.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            user: user.parse()?,
            server_session,
        })
    }
}

/// The text is not that of a session's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the owner of a session: one or two digests in base64url are expected")]
pub struct InvalidSessionOwner;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::EncryptionKey;

    #[test]
    fn a_claim_of_one_kind_or_server_is_none_of_another() {
        let digests = [
            OwnerDigest::of_user("https://a", "1"),
            OwnerDigest::of_user("https://b", "1"),
            OwnerDigest::of_user("https://a", "2"),
            OwnerDigest::of_server_session("https://a", "1"),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[at + 1..].contains(digest));
        }
    }

    #[test]
    fn the_digest_is_this() {
        let digest = OwnerDigest::of_user("https://foo.logto.app/oidc", "alice");
        let bytes = sha256(b"sub\0https://foo.logto.app/oidc\0alice");
        assert_eq!(*digest.as_bytes(), bytes);
        let digest = OwnerDigest::of_server_session("https://foo.logto.app/oidc", "s");
        let bytes = sha256(b"sid\0https://foo.logto.app/oidc\0s");
        assert_eq!(*digest.as_bytes(), bytes);
    }

    #[test]
    fn an_empty_session_of_the_server_is_none() {
        let owner = SessionOwner::new("https://a", "1", Some(""));
        assert_eq!(owner, SessionOwner::new("https://a", "1", None));
        assert!(owner.server_session().is_none());
    }

    #[test]
    fn the_session_of_the_server_is_kept_for_the_same_user_only() {
        let owner = |sub, sid| SessionOwner::new("https://a", sub, sid);
        let (old, new) = (owner("1", Some("2")), owner("1", Some("3")));
        assert_eq!(owner("1", None).or_session_of(&old), old);
        assert_eq!(new.or_session_of(&old), new);
        let other = owner("4", None);
        assert_eq!(other.or_session_of(&old), other);
    }

    #[test]
    fn what_is_no_owner_is_told() {
        let owner = SessionOwner::new("https://a", "1", Some("2")).to_string();
        for text in ["", ";", ".", &owner[..42], &owner[1..], &owner[..44], "é"] {
            assert_eq!(text.parse::<SessionOwner>(), Err(InvalidSessionOwner));
        }
        let three = format!("{owner}.{}", &owner[..43]);
        assert_eq!(three.parse::<SessionOwner>(), Err(InvalidSessionOwner));
        assert!(format!(" {owner}").parse::<SessionOwner>().is_err());
    }

    #[test]
    fn each_random_key_hides_in_its_own_way() {
        let digest = OwnerDigest::of_user("https://a", "1");
        let [one, two] = [1, 2].map(|byte| EncryptionKey::from_bytes([byte; 32]));
        let sealer = Sealer::new(one).with_older_key(two.clone());
        let hidden = digest.hidden_by_each_key(&sealer);
        assert_eq!(hidden.len(), 2);
        assert!(!hidden.contains(&digest));
        assert_eq!(digest.hidden_by_each_key(&Sealer::new(two)), hidden[1..]);
    }

    #[test]
    fn a_passphrase_hides_nothing_and_is_not_derived() {
        let digest = OwnerDigest::of_user("https://a", "1");
        let key = EncryptionKey::from_passphrase("correct horse").unwrap();
        assert_eq!(digest.hidden_by_each_key(&Sealer::from(&key)), [digest]);
        assert_eq!(key.derivations(), 0);
    }
}
