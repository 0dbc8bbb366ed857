//! The server's metadata, as the functions that stand on it.

use crate::cached::Cached;
use crate::config::LogtoConfig;
use crate::error::LogtoError;
use crate::oidc::discovery;
use crate::oidc_core::{Link, OidcCore};

/// The metadata of one server, fetched once and kept.
#[derive(Default)]
pub(super) struct DiscoveryCache {
    core: Cached<OidcCore>,
}

impl DiscoveryCache {
    pub fn get(&self, config: &LogtoConfig, link: &Link) -> Result<OidcCore, LogtoError> {
        self.core.get(link.clock.unix_seconds(), |old| {
            let metadata = link.fetch_metadata(&config.discovery_url())?;
            discovery::check_issuer(&metadata, &config.expected_issuer())?;
            Ok(match old {
                Some(old) => old.with_newer_metadata(metadata),
                None => OidcCore::with_link(metadata, link.clone()),
            })
        })
    }
}
