//! The provider's keys, fetched once and kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::OidcCore;
use crate::error::LogtoError;
use crate::oidc::jwks::KeySet;

/// How long keys are kept, in seconds: a key that the provider withdrew is not believed for longer.
const KEYS_LIFETIME: i64 = 60 * 60;

/// How long keys that are too old are believed while no newer ones can be had, in seconds.
const STALE_KEYS_LIFETIME: i64 = 24 * 60 * 60;

/// How long after a fetch that did not find the wanted key none is made for another unknown key, in
/// seconds. Counted from that fetch, so that a rotated key is fetched at once.
const COOL_DOWN: i64 = 30;

/// The keys of one provider. Any number of threads make one fetch.
#[derive(Default)]
pub(super) struct KeyCache {
    known: Mutex<Known>,
    fetching: Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    fetched_at: i64,
    fruitless_at: Option<i64>,
}

impl KeyCache {
    /// The keys, fetched if they are not known or too old.
    pub fn get(&self, core: &OidcCore) -> Result<Arc<KeySet>, LogtoError> {
        if let Some(keys) = self.fresh(core.now()) {
            return Ok(keys);
        }
        let _sole = unpoisoned(&self.fetching);
        if let Some(keys) = self.fresh(core.now()) {
            return Ok(keys);
        }
        match self.fetch(core) {
            Ok(keys) => Ok(keys),
            Err(error) => self.stale(core.now(), error),
        }
    }

    /// The keys after those that had no key for a token, and whether they were fetched for it. They
    /// are the same where a fetch was fruitless a moment ago.
    pub fn get_newer_than(
        &self,
        old: &Arc<KeySet>,
        core: &OidcCore,
    ) -> Result<(Arc<KeySet>, bool), LogtoError> {
        let _sole = unpoisoned(&self.fetching);
        {
            let known = unpoisoned(&self.known);
            if let Some(keys) = &known.keys
                && (!Arc::ptr_eq(keys, old) || known.is_cooling_down(core.now()))
            {
                return Ok((Arc::clone(keys), false));
            }
        }
        Ok((self.fetch(core)?, true))
    }

    /// Notes that a fetch did not find the wanted key.
    pub fn note_fruitless_fetch(&self, now: i64) {
        unpoisoned(&self.known).fruitless_at = Some(now);
    }

    fn fetch(&self, core: &OidcCore) -> Result<Arc<KeySet>, LogtoError> {
        let keys = Arc::new(KeySet::from_response(&core.fetch_keys()?)?);
        let mut known = unpoisoned(&self.known);
        known.keys = Some(Arc::clone(&keys));
        known.fetched_at = core.now();
        Ok(keys)
    }

    fn fresh(&self, now: i64) -> Option<Arc<KeySet>> {
        let known = unpoisoned(&self.known);
        known
            .keys
            .clone()
            .filter(|_| known.is_younger_than(KEYS_LIFETIME, now))
    }

    fn stale(&self, now: i64, error: LogtoError) -> Result<Arc<KeySet>, LogtoError> {
        let known = unpoisoned(&self.known);
        match &known.keys {
            Some(keys) if known.is_younger_than(STALE_KEYS_LIFETIME, now) => {
                log::warn!("the provider's keys could not be renewed: {error}");
                Ok(Arc::clone(keys))
            }
            _ => Err(error),
        }
    }
}

impl Known {
    fn is_younger_than(&self, lifetime: i64, now: i64) -> bool {
        (0..lifetime).contains(&now.saturating_sub(self.fetched_at))
    }

    fn is_cooling_down(&self, now: i64) -> bool {
        self.fruitless_at
            .is_some_and(|at| (0..COOL_DOWN).contains(&now.saturating_sub(at)))
    }
}

/// A panic elsewhere leaves these values whole: each is replaced in one go.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
