//! What a passphrase costs to try.

use super::EncryptionKeyError;

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
