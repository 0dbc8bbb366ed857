//! The sealed box: how stored sessions are encrypted.

mod key;
mod passphrase;
mod sealed_box;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use self::key::{Argon2Cost, EncryptionKey, EncryptionKeyError};
use self::sealed_box::{Fresh, Header};
use crate::crypto::random_bytes;
use crate::error::{StorageError, StorageErrorKind};

/// Seals bytes into boxes and opens them: with one key, and older ones for reading.
///
/// A box is encrypted and authenticated, and bound to its *context*: the names of where it belongs,
/// such as the session and the key. It opens with the same names in the same order only, so a box
/// that somebody moves elsewhere stays shut.
///
/// `Clone` is cheap and shares the keys.
///
/// ```
/// # use logto_core as logto;
/// use logto::{EncryptionKey, SealError, Sealer};
///
/// let old = EncryptionKey::from_base64(EncryptionKey::generate_base64().expose())?;
/// let new = EncryptionKey::from_base64(EncryptionKey::generate_base64().expose())?;
///
/// let sealed = Sealer::new(old.clone()).seal(&[b"my app", b"alice"], b"a token")?;
///
/// let sealer = Sealer::new(new).with_older_key(old);
/// let opened = sealer.open(&[b"my app", b"alice"], &sealed)?;
/// assert_eq!(opened.plaintext(), b"a token");
/// assert!(!opened.is_current()); // to be sealed anew at the next write
///
/// let moved = sealer.open(&[b"my app", b"mallory"], &sealed);
/// assert_eq!(moved.unwrap_err(), SealError::Corrupt);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The format
///
/// Version 1. Numbers are unsigned and big-endian.
///
/// | bytes | what |
/// | --- | --- |
/// | 8 | magic: `LogtoBox` in ASCII |
/// | 1 | version: 1 |
/// | 8 | key id: HKDF-SHA-256 of the root key, without salt, info `logto sealed box 1: key id` |
/// | 1 | where the root key comes from: 1 = the 32 bytes themselves, 2 = Argon2id |
/// | 4 | only with Argon2id: its memory in KiB |
/// | 4 | only with Argon2id: its passes |
/// | 4 | only with Argon2id: its lanes |
/// | 16 | only with Argon2id: its salt |
/// | 32 | box salt, random |
/// | 12 | nonce, random |
/// | 8 | n, the length of the plaintext |
/// | n | ciphertext |
/// | 16 | tag |
///
/// A box is 86 bytes longer than what is in it, or 114 with a passphrase.
///
/// The *root key* is the 32 bytes, or Argon2id (version 0x13, 32 bytes of output, no secret, no
/// associated data) of the passphrase in UTF-8. The *box key* is HKDF-SHA-256 of the root key with the
/// box salt, info `logto sealed box 1: box key`, 32 bytes. Ciphertext and tag are AES-256-GCM with the
/// box key and the nonce. Authenticated with them is everything before the ciphertext, followed
/// by each part of the context as its length in 8 bytes and the part itself.
///
/// # Why it is so
///
/// - *Why a salt for each box?* AES-GCM breaks if a nonce comes twice under one key, and random nonces
///   of 96 bits are safe for 2³² boxes only; a program may write more in its life, and its processes
///   share no counter. With a key for each box, salt and nonce would have to come twice together: 352
///   bits.
/// - *Why a key id?* It tells a wrong key from damage, two things that an operator repairs in different
///   ways. It says nothing about the key, but two boxes of one key can be seen to be that.
/// - *Why the length?* It tells a box that was cut off from one that was changed.
///
/// What a box does not hide is its length and when it was made. And an older box of the same place
/// still opens there: whoever can write into a storage can put an old state back.
#[derive(Clone)]
pub struct Sealer {
    /// The first one seals.
    keys: Arc<[EncryptionKey]>,
}

impl Sealer {
    /// Seals and opens with this key.
    pub fn new(key: EncryptionKey) -> Self {
        Self {
            keys: Arc::new([key]),
        }
    }

    /// Also opens what was sealed with this key. Can be called again for more of them.
    pub fn with_older_key(self, key: EncryptionKey) -> Self {
        let keys = self.keys.iter().cloned().chain([key]);
        Self {
            keys: keys.collect(),
        }
    }

    /// Seals these bytes for this context.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](SealError::OutOfMemory) or [`TooLarge`](SealError::TooLarge).
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn seal(&self, context: &[&[u8]], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.keys[0].for_sealing()?;
        let fresh = Fresh {
            box_salt: random_bytes(),
            nonce: random_bytes(),
        };
        key.root().seal(key.kdf(), &fresh, context, plaintext)
    }

    /// Opens a box that was sealed for this context. Any bytes may be given.
    ///
    /// # Errors
    ///
    /// - [`Empty`](SealError::Empty), [`NotABox`](SealError::NotABox), [`Truncated`](SealError::Truncated)
    ///   or [`NewerVersion`](SealError::NewerVersion) if it is no box, no whole one, or not of today.
    /// - [`UnknownKdf`](SealError::UnknownKdf) or [`AbsurdCost`](SealError::AbsurdCost) if the header
    ///   makes no sense.
    /// - [`WrongKey`](SealError::WrongKey) if it was sealed with none of the keys.
    /// - [`Corrupt`](SealError::Corrupt) if it was changed, or sealed for another context.
    /// - [`OutOfMemory`](SealError::OutOfMemory) if a key could not be derived.
    pub fn open(&self, context: &[&[u8]], sealed: &[u8]) -> Result<Unsealed, SealError> {
        let (header, header_len) = Header::parse(sealed)?;
        for (age, key) in self.keys.iter().enumerate() {
            let Some(key) = key.for_opening(&header)? else {
                continue;
            };
            let box_key = key.root().box_key(&header.box_salt);
            let mut bytes = Zeroizing::new(Box::from(sealed));
            let length = sealed_box::open(&box_key, &header, header_len, context, &mut bytes)?;
            let as_today = key.opened();
            return Ok(Unsealed {
                bytes,
                length,
                is_current: age == 0 && as_today,
            });
        }
        Err(SealError::WrongKey)
    }

    /// What stands for a name under each of the keys, the current one first.
    pub(crate) fn pseudonyms(&self, name: &[u8; 32]) -> impl Iterator<Item = [u8; 32]> {
        self.keys.iter().map(|key| key.pseudonym(name))
    }
}

impl From<EncryptionKey> for Sealer {
    fn from(key: EncryptionKey) -> Self {
        Self::new(key)
    }
}

impl From<&EncryptionKey> for Sealer {
    fn from(key: &EncryptionKey) -> Self {
        Self::new(key.clone())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("keys", &self.keys.len())
            .finish()
    }
}

/// What was in a box. Overwritten in memory when it is dropped.
pub struct Unsealed {
    /// Boxed, since a vector would be overwritten byte by byte.
    bytes: Zeroizing<Box<[u8]>>,
    length: usize,
    is_current: bool,
}

impl Unsealed {
    /// What was sealed.
    pub fn plaintext(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether a new box would be made in the same way. If not, an older key or an older cost made
    /// this one, and a backend seals it anew at its next write.
    pub fn is_current(&self) -> bool {
        self.is_current
    }
}

impl fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsealed")
            .field("plaintext", &"***")
            .field("is_current", &self.is_current)
            .finish()
    }
}

/// A box could not be made or opened. Never holds anything of what is inside.
///
/// As a [`StorageError`] its kind is [`WrongKey`](StorageErrorKind::WrongKey),
/// [`NewerFormat`](StorageErrorKind::NewerFormat), [`Corrupt`](StorageErrorKind::Corrupt) or
/// [`Backend`](StorageErrorKind::Backend).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is nothing, not even a header.
    #[error("empty, where a sealed box is expected")]
    Empty,
    /// It does not start as a sealed box does.
    #[error("not a sealed box")]
    NotABox,
    /// It starts as a sealed box and ends too early.
    #[error("the sealed box is cut off")]
    Truncated,
    /// It was made by a newer version of this crate.
    #[error("the sealed box has version {0}, and this program knows version 1")]
    NewerVersion(u8),
    /// Its header names a key derivation that this version does not have.
    #[error("the sealed box names the unknown key derivation {0}")]
    UnknownKdf(u8),
    /// Its header asks for an Argon2id derivation beyond the [limits](Argon2Cost). Nothing was
    /// derived.
    #[error("the sealed box asks for a key derivation beyond all limits")]
    AbsurdCost,
    /// It was sealed with none of the given keys.
    #[error("it is sealed with another key or passphrase")]
    WrongKey,
    /// Its key is known, and it was changed, damaged, or is another session's or another value's.
    #[error("the sealed box is damaged, or belongs to something else")]
    Corrupt,
    /// There is not enough memory to derive a key from the passphrase.
    #[error("not enough memory to derive the key from the passphrase")]
    OutOfMemory,
    /// More was to be sealed than AES-GCM can: 64 GiB.
    #[error("too large to be sealed")]
    TooLarge,
}

impl SealError {
    fn storage_kind(self) -> StorageErrorKind {
        match self {
            Self::WrongKey => StorageErrorKind::WrongKey,
            Self::NewerVersion(_) => StorageErrorKind::NewerFormat,
            Self::OutOfMemory | Self::TooLarge => StorageErrorKind::Backend,
            Self::Empty
            | Self::NotABox
            | Self::Truncated
            | Self::UnknownKdf(_)
            | Self::AbsurdCost
            | Self::Corrupt => StorageErrorKind::Corrupt,
        }
    }
}

impl From<SealError> for StorageError {
    fn from(error: SealError) -> Self {
        Self::new(error.storage_kind(), error.to_string()).with_source(error)
    }
}
