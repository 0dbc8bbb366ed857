//! The provider's keys, fetched once and kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// The keys, fetched if they are not known or too old, and again if none of them is the wanted one,
    /// unless a fetch was fruitless a moment ago.
    pub fn get(
        &self,
        core: &OidcCore,
        has_wanted: impl Fn(&KeySet) -> bool,
    ) -> Result<Arc<KeySet>, LogtoError> {
        let now = core.now();
        let fetch = || self.fetch(core, &has_wanted);
        let keys = self.keys.get(now, |_| fetch())?;
        if has_wanted(&keys) || self.is_cooling_down(now) {
            return Ok(keys);
        }
        let will_do = |newer: &_| !Arc::ptr_eq(newer, &keys) || self.is_cooling_down(now);
        self.keys.renew(now, will_do, fetch)
    }

    fn fetch(
        &self,
        core: &OidcCore,
        has_wanted: impl Fn(&KeySet) -> bool,
    ) -> Result<Arc<KeySet>, LogtoError> {
        let keys = KeySet::from_response(&core.fetch_keys()?)?;
        if !has_wanted(&keys) {
            *self.fruitless_at() = Some(core.now());
        }
        Ok(Arc::new(keys))
    }

    fn is_cooling_down(&self, now: i64) -> bool {
        let fruitless_at = *self.fruitless_at();
        fruitless_at.is_some_and(|at| (0..COOL_DOWN).contains(&now.saturating_sub(at)))
    }

    fn fruitless_at(&self) -> MutexGuard<'_, Option<i64>> {
        let fruitless_at = self.fruitless_at.lock();
        fruitless_at.unwrap_or_else(PoisonError::into_inner)
    }
}
