//! The provider's keys, fetched once and kept.

use std::sync::{Arc, Mutex, PoisonError};

use super::OidcCore;
use crate::cached::Cached;
use crate::error::LogtoError;
use crate::oidc::jwks::KeySet;

/// How long after a fetch that did not find the wanted key none is made for another unknown key, in
/// seconds. Counted from that fetch, so that a rotated key is fetched at once.
const COOL_DOWN: i64 = 30;

/// The keys of one provider. A key that the provider withdrew is believed for an hour at most, and for
/// a day while the provider cannot be had.
#[derive(Default)]
pub(super) struct KeyCache {
    keys: Cached<Arc<KeySet>>,
    fruitless_at: Mutex<Option<i64>>,
}

impl KeyCache {
    /// The keys, fetched if they are not known or too old, and whether they were.
    pub fn get(&self, core: &OidcCore) -> Result<(Arc<KeySet>, bool), LogtoError> {
        let mut is_fetched = false;
        let keys = self.keys.get(core.now(), |_| {
            let keys = fetch(core)?;
            is_fetched = true;
            Ok(keys)
        })?;
        Ok((keys, is_fetched))
    }

    /// The keys after those that had no key for a token, and whether they were fetched for it. They
    /// are the same where a fetch was fruitless a moment ago.
    pub fn get_newer_than(
        &self,
        old: &Arc<KeySet>,
        core: &OidcCore,
    ) -> Result<(Arc<KeySet>, bool), LogtoError> {
        let now = core.now();
        let will_do = |keys: &Arc<KeySet>| !Arc::ptr_eq(keys, old) || self.is_cooling_down(now);
        self.keys.renew(now, will_do, || fetch(core))
    }

    /// Notes that a fetch did not find the wanted key.
    pub fn note_fruitless_fetch(&self, now: i64) {
        *self
            .fruitless_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn is_cooling_down(&self, now: i64) -> bool {
        let fruitless_at = *self
            .fruitless_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        fruitless_at.is_some_and(|at| (0..COOL_DOWN).contains(&now.saturating_sub(at)))
    }
}

fn fetch(core: &OidcCore) -> Result<Arc<KeySet>, LogtoError> {
    Ok(Arc::new(KeySet::from_response(&core.fetch_keys()?)?))
}
