//! Why a box stays shut, and why a key is none.

use super::Argon2Cost;
use crate::error::{StorageError, StorageErrorKind};

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
    #[error("the sealed box was made with another key")]
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

/// This is no [`EncryptionKey`](super::EncryptionKey). Never holds the key or the passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionKeyError {
    /// The text is not base64.
    #[error("the key is not base64")]
    NotBase64,
    /// The text is base64 of another number of bytes.
    #[error("the key has {0} bytes instead of 32")]
    WrongLength(usize),
    /// The passphrase is empty: most likely a setting that is missing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The cost is outside of the [limits](Argon2Cost).
    #[error(
        "the cost of Argon2id is outside of its limits: {max_memory} KiB, {max_passes} passes, {max_lanes} lanes, and 8 KiB a lane at least",
        max_memory = Argon2Cost::MAX_MEMORY_KIB,
        max_passes = Argon2Cost::MAX_PASSES,
        max_lanes = Argon2Cost::MAX_LANES
    )]
    AbsurdCost,
}
