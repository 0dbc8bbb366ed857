//! Keys from a passphrase: derived once for each salt, and kept.

use std::sync::{Arc, Mutex, MutexGuard};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::sealed_box::RootKey;
use super::{Argon2Cost, SealError};
use crate::crypto::random_bytes;
use crate::secret::Secret;
use crate::utilities::unpoisoned;

const PROVEN: usize = 8;
const UNPROVEN: usize = 4;

pub(super) struct Passphrase {
    secret: Secret,
    cost: Argon2Cost,
    known: Mutex<Known>,
    /// Held while a key is derived, so that hostile boxes read at once take the memory of one.
    deriving: Mutex<()>,
    #[cfg(test)]
    pub(super) derivations: std::sync::atomic::AtomicUsize,
}

pub(super) struct Derived {
    pub(super) cost: Argon2Cost,
    pub(super) salt: [u8; 16],
    pub(super) root: RootKey,
}

/// Both lists have the least recently used first.
#[derive(Default)]
struct Known {
    sealing: Option<Arc<Derived>>,
    /// They have opened a box, or made one.
    proven: Vec<Arc<Derived>>,
    /// Only seen in a header, which anybody can write: they never push out a proven one.
    unproven: Vec<Arc<Derived>>,
}

impl Passphrase {
    pub(super) fn new(secret: Secret, cost: Argon2Cost) -> Self {
        Self {
            secret,
            cost,
            known: Mutex::default(),
            deriving: Mutex::default(),
            #[cfg(test)]
            derivations: Default::default(),
        }
    }

    pub(super) fn cost(&self) -> Argon2Cost {
        self.cost
    }

    /// The key to seal with: of the salt in use, or of a new one.
    pub(super) fn for_sealing(&self) -> Result<Arc<Derived>, SealError> {
        if let Some(sealing) = self.sealing() {
            return Ok(sealing);
        }
        let _deriving = unpoisoned(&self.deriving);
        if let Some(sealing) = self.sealing() {
            return Ok(sealing);
        }
        let derived = self.derive(self.cost, random_bytes())?;
        self.prove(&derived);
        Ok(derived)
    }

    /// The key of a box with this in its header.
    pub(super) fn for_opening(
        &self,
        cost: Argon2Cost,
        salt: [u8; 16],
    ) -> Result<Arc<Derived>, SealError> {
        if let Some(derived) = self.known().find(cost, salt) {
            return Ok(derived);
        }
        let _deriving = unpoisoned(&self.deriving);
        if let Some(derived) = self.known().find(cost, salt) {
            return Ok(derived);
        }
        let derived = self.derive(cost, salt)?;
        keep(&mut self.known().unproven, UNPROVEN, &derived);
        Ok(derived)
    }

    /// Notes that this key has opened a box. Of the salts with today's cost the lowest is sealed
    /// with, so that the processes that share a store come to share a salt.
    pub(super) fn prove(&self, derived: &Arc<Derived>) {
        let mut known = self.known();
        known.unproven.retain(|other| !Arc::ptr_eq(other, derived));
        keep(&mut known.proven, PROVEN, derived);
        let lowest = known
            .sealing
            .as_ref()
            .is_none_or(|sealing| derived.salt < sealing.salt);
        if derived.cost == self.cost && lowest {
            known.sealing = Some(Arc::clone(derived));
        }
    }

    fn derive(&self, cost: Argon2Cost, salt: [u8; 16]) -> Result<Arc<Derived>, SealError> {
        #[cfg(test)]
        self.derivations
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let root = RootKey::new(argon2id(&self.secret, cost, &salt)?);
        Ok(Arc::new(Derived { cost, salt, root }))
    }

    fn sealing(&self) -> Option<Arc<Derived>> {
        self.known().sealing.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        unpoisoned(&self.known)
    }
}

impl Known {
    fn find(&self, cost: Argon2Cost, salt: [u8; 16]) -> Option<Arc<Derived>> {
        let all = self
            .sealing
            .iter()
            .chain(&self.proven)
            .chain(&self.unproven);
        all.filter(|derived| derived.salt == salt && derived.cost == cost)
            .map(Arc::clone)
            .next()
    }
}

fn keep(list: &mut Vec<Arc<Derived>>, most: usize, derived: &Arc<Derived>) {
    list.retain(|other| !Arc::ptr_eq(other, derived));
    if list.len() == most {
        list.remove(0);
    }
    list.push(Arc::clone(derived));
}

pub(super) fn argon2id(
    secret: &Secret,
    cost: Argon2Cost,
    salt: &[u8; 16],
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let params = Params::new(cost.memory_kib(), cost.passes(), cost.lanes(), Some(32))
        .map_err(|_| SealError::AbsurdCost)?;
    let mut memory = Zeroizing::new(Vec::new());
    memory
        .try_reserve_exact(params.block_count())
        .map_err(|_| SealError::OutOfMemory)?;
    memory.resize(params.block_count(), Block::new());
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            secret.expose().as_bytes(),
            salt,
            key.as_mut_slice(),
            memory.as_mut_slice(),
        )
        // The limits leave one reason: a passphrase of more than 4 GiB.
        .map_err(|_| SealError::TooLarge)?;
    Ok(key)
}
