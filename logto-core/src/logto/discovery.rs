//! The server's metadata, fetched once and kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::LogtoConfig;
use crate::error::LogtoError;
use crate::models::OidcProviderMetadata;
use crate::oidc::discovery;
use crate::oidc_core::{Link, OidcCore};

/// How long metadata is kept, in seconds.
const METADATA_LIFETIME: i64 = 60 * 60;

/// How long after a failed renewal the next one is tried, in seconds.
const RETRY_AFTER: i64 = 60;

/// The metadata of one server, as the functions that stand on it. Any number of threads make one
/// fetch; a failure is not kept.
#[derive(Default)]
pub(super) struct DiscoveryCache {
    known: Mutex<Option<Known>>,
    fetching: Mutex<()>,
}

struct Known {
    core: OidcCore,
    fetched_at: i64,
    renew_at: i64,
}

impl Known {
    /// A clock that was set back makes them old, so that they are not kept for longer than meant.
    fn is_fresh(&self, now: i64) -> bool {
        (self.fetched_at..self.renew_at).contains(&now)
    }
}

impl DiscoveryCache {
    pub fn get(&self, config: &LogtoConfig, link: &Link) -> Result<OidcCore, LogtoError> {
        if let Some(core) = self.fresh(link) {
            return Ok(core);
        }
        let _sole = unpoisoned(&self.fetching);
        if let Some(core) = self.fresh(link) {
            return Ok(core);
        }
        match fetch(config, link) {
            Ok(metadata) => {
                let mut known = unpoisoned(&self.known);
                let core = match known.take() {
                    Some(old) => old.core.with_newer_metadata(metadata),
                    None => OidcCore::with_link(metadata, link.clone()),
                };
                let now = link.clock.unix_seconds();
                *known = Some(Known {
                    core: core.clone(),
                    fetched_at: now,
                    renew_at: now.saturating_add(METADATA_LIFETIME),
                });
                Ok(core)
            }
            Err(error) => self.stale(link, error),
        }
    }

    fn fresh(&self, link: &Link) -> Option<OidcCore> {
        let now = link.clock.unix_seconds();
        let known = unpoisoned(&self.known);
        let known = known.as_ref().filter(|known| known.is_fresh(now))?;
        Some(known.core.clone())
    }

    fn stale(&self, link: &Link, error: LogtoError) -> Result<OidcCore, LogtoError> {
        match unpoisoned(&self.known).as_mut() {
            Some(known) => {
                log::warn!("the server's metadata could not be renewed: {error}");
                let now = link.clock.unix_seconds();
                known.fetched_at = now;
                known.renew_at = now.saturating_add(RETRY_AFTER);
                Ok(known.core.clone())
            }
            None => Err(error),
        }
    }
}

fn fetch(config: &LogtoConfig, link: &Link) -> Result<OidcProviderMetadata, LogtoError> {
    let metadata = link.fetch_metadata(&config.discovery_url())?;
    discovery::check_issuer(&metadata, &config.expected_issuer())?;
    Ok(metadata)
}

/// A panic elsewhere leaves these values whole: each is replaced in one go.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
