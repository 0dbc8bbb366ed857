//! What boxes are sealed with.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

use super::SealError;
use super::passphrase::{Derived, Passphrase};
use super::sealed_box::{Header, Kdf, RootKey};
use crate::crypto::random_bytes;
use crate::secret::Secret;

/// What stored sessions are encrypted with: 32 random bytes, or a passphrase.
///
/// Random bytes are better where a program can be given some. A passphrase is for people, and for
/// configurations that hold one already; each process spends an [`Argon2Cost`] on it at its first
/// use.
///
/// `Clone` is cheap and shares the key. It is overwritten in memory when the last clone is dropped
/// (what `ring` copies of it while it works is not), and `Debug` does not show it.
///
/// # Passphrases
///
/// The key depends on a random salt, which stands in each box. It is derived once for each salt
/// and kept: for the 8 salts last used that opened a box, and for 4 others. A process that has
/// opened boxes seals with the lowest salt among theirs, if it has today's cost, and draws a new one
/// only if it has opened none. So a restart costs one derivation, and processes that share a store
/// come to share one salt.
///
/// Whoever can write into the storage can put boxes with new salts there, and each costs a derivation
/// when it is read. They are derived one at a time, within the limits of [`Argon2Cost`], and never push
/// out a salt that opened a box: sessions that are not theirs stay as fast as before.
///
/// ```
/// # use logto_core as logto;
/// use logto::EncryptionKey;
///
/// # fn from_environment(_: &str) -> logto_core::Secret { EncryptionKey::generate_base64() }
/// // Once, on the command line: openssl rand -base64 32
/// let key = EncryptionKey::from_base64(from_environment("SESSION_KEY").expose())?;
/// let of_a_person = EncryptionKey::from_passphrase("correct horse battery staple")?;
/// assert_eq!(format!("{key:?}"), "EncryptionKey(***)");
/// # Ok::<(), logto_core::EncryptionKeyError>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKey(Arc<Source>);

enum Source {
    Bytes(RootKey),
    Passphrase(Passphrase),
}

impl EncryptionKey {
    /// The key of these bytes. They must be random: 32 characters of text are not.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let root = RootKey::new(Zeroizing::new(bytes));
        Self(Arc::new(Source::Bytes(root)))
    }

    /// The key of 32 bytes in base64, as `openssl rand -base64 32` and
    /// [`generate_base64`](Self::generate_base64) print them. Both alphabets are taken, with or without
    /// padding; white space around it is ignored.
    ///
    /// # Errors
    ///
    /// [`EncryptionKeyError`] if it is something else.
    pub fn from_base64(text: &str) -> Result<Self, EncryptionKeyError> {
        let text = text.trim();
        let alphabet = match text.contains(['-', '_']) {
            true => &alphabet::URL_SAFE,
            false => &alphabet::STANDARD,
        };
        let decoded = decoder(alphabet).decode(text).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| EncryptionKeyError::NotBase64)?;
        let bytes = <[u8; 32]>::try_from(decoded.as_slice());
        bytes
            .map(Self::from_bytes)
            .map_err(|_| EncryptionKeyError::WrongLength(decoded.len()))
    }

    /// 32 new random bytes in base64, to be kept in a configuration and given to
    /// [`from_base64`](Self::from_base64).
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn generate_base64() -> Secret {
        Secret::new(STANDARD.encode(Zeroizing::new(random_bytes::<32>())))
    }

    /// The key of this passphrase, at the [default cost](Argon2Cost::default).
    ///
    /// # Errors
    ///
    /// [`EncryptionKeyError::EmptyPassphrase`] if it is empty.
    pub fn from_passphrase(passphrase: impl Into<Secret>) -> Result<Self, EncryptionKeyError> {
        Self::from_passphrase_with(passphrase, Argon2Cost::default())
    }

    /// The key of this passphrase. New boxes are made at this cost; those of another cost can be
    /// opened, and are then not [current](super::Unsealed::is_current).
    ///
    /// # Errors
    ///
    /// [`EncryptionKeyError::EmptyPassphrase`] if it is empty.
    pub fn from_passphrase_with(
        passphrase: impl Into<Secret>,
        cost: Argon2Cost,
    ) -> Result<Self, EncryptionKeyError> {
        let secret = passphrase.into();
        if secret.expose().is_empty() {
            return Err(EncryptionKeyError::EmptyPassphrase);
        }
        let passphrase = Passphrase::new(secret, cost);
        Ok(Self(Arc::new(Source::Passphrase(passphrase))))
    }

    /// What stands for a name under this key. A passphrase has a key only where there is a salt, and
    /// a name is looked for without one: there it is the name itself.
    pub(super) fn pseudonym(&self, name: &[u8; 32]) -> [u8; 32] {
        match &*self.0 {
            Source::Bytes(root) => root.pseudonym(name),
            Source::Passphrase(_) => *name,
        }
    }

    /// What to seal with.
    pub(super) fn for_sealing(&self) -> Result<Usable<'_>, SealError> {
        Ok(match &*self.0 {
            Source::Bytes(root) => Usable::Given(root),
            Source::Passphrase(passphrase) => {
                Usable::Derived(passphrase, passphrase.for_sealing()?)
            }
        })
    }

    /// What to open this box with; `None` if it is of another key.
    pub(super) fn for_opening(&self, header: &Header) -> Result<Option<Usable<'_>>, SealError> {
        let usable = match (&*self.0, header.kdf) {
            (Source::Bytes(root), Kdf::Hkdf) => Usable::Given(root),
            (Source::Passphrase(passphrase), Kdf::Argon2id { cost, salt }) => {
                Usable::Derived(passphrase, passphrase.for_opening(cost, salt)?)
            }
            _ => return Ok(None),
        };
        Ok(Some(usable).filter(|usable| usable.root().id == header.key_id))
    }

    #[cfg(test)]
    pub(crate) fn derivations(&self) -> usize {
        match &*self.0 {
            Source::Bytes(_) => 0,
            Source::Passphrase(passphrase) => passphrase
                .derivations
                .load(std::sync::atomic::Ordering::SeqCst),
        }
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(***)")
    }
}

/// A key at work.
pub(super) enum Usable<'a> {
    Given(&'a RootKey),
    Derived(&'a Passphrase, Arc<Derived>),
}

impl Usable<'_> {
    pub(super) fn root(&self) -> &RootKey {
        match self {
            Self::Given(root) => root,
            Self::Derived(_, derived) => &derived.root,
        }
    }

    pub(super) fn kdf(&self) -> Kdf {
        match self {
            Self::Given(_) => Kdf::Hkdf,
            Self::Derived(_, derived) => Kdf::Argon2id {
                cost: derived.cost,
                salt: derived.salt,
            },
        }
    }

    /// Notes that it opened a box. Tells whether a new box would be made in the same way.
    pub(super) fn opened(&self) -> bool {
        match self {
            Self::Given(_) => true,
            Self::Derived(passphrase, derived) => {
                passphrase.prove(derived);
                derived.cost == passphrase.cost()
            }
        }
    }
}

fn decoder(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new();
    let padding = DecodePaddingMode::Indifferent;
    GeneralPurpose::new(alphabet, config.with_decode_padding_mode(padding))
}

/// What Argon2id spends on a passphrase, and with it everybody who guesses one.
///
/// It stands in the clear in every box, so it is held against these limits before it is believed:
/// at most 256 MiB of memory, 16 passes and 16 lanes, and at least 8 KiB a lane. All of them together
/// take some seconds. The lanes are computed one after the other.
///
/// ```
/// # use logto_core as logto;
/// use logto::Argon2Cost;
///
/// let cost = Argon2Cost::default();
/// assert_eq!((cost.memory_kib(), cost.passes(), cost.lanes()), (19 * 1024, 2, 1));
/// assert!(Argon2Cost::new(64 * 1024, 3, 1).is_ok());
/// assert!(Argon2Cost::new(u32::MAX, 1, 1).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Cost {
    /// The most memory that is believed: 256 MiB.
    pub const MAX_MEMORY_KIB: u32 = 256 * 1024;
    /// The most passes that are believed.
    pub const MAX_PASSES: u32 = 16;
    /// The most lanes that are believed.
    pub const MAX_LANES: u32 = 16;

    /// This much memory in KiB, this many passes over it, in this many lanes.
    ///
    /// # Errors
    ///
    /// [`EncryptionKeyError::AbsurdCost`] outside of the limits.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, EncryptionKeyError> {
        let within = (1..=Self::MAX_LANES).contains(&lanes)
            && (1..=Self::MAX_PASSES).contains(&passes)
            && (8 * lanes..=Self::MAX_MEMORY_KIB).contains(&memory_kib);
        match within {
            true => Ok(Self {
                memory_kib,
                passes,
                lanes,
            }),
            false => Err(EncryptionKeyError::AbsurdCost),
        }
    }

    /// The memory in KiB.
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// The passes over the memory.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// The lanes.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }
}

impl Default for Argon2Cost {
    /// What OWASP recommends: 19 MiB, 2 passes, 1 lane. It takes some tens of milliseconds.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
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
