//! The server's metadata, as the functions that stand on it.

use crate::cached::Cached;
use crate::error::LogtoError;
use crate::models::OidcProviderMetadata;
use crate::oidc_core::{Link, OidcCore};

/// The metadata of one server, fetched once and kept.
#[derive(Default)]
pub(crate) struct DiscoveryCache {
    core: Cached<OidcCore>,
}

impl DiscoveryCache {
    /// `fetch` also holds the metadata to be of the right issuer.
    pub fn get(
        &self,
        link: &Link,
        fetch: impl FnOnce() -> Result<OidcProviderMetadata, LogtoError>,
    ) -> Result<OidcCore, LogtoError> {
        self.core.get(link.clock.unix_seconds(), |old| {
            let metadata = fetch()?;
            Ok(match old {
                Some(old) => old.with_newer_metadata(metadata),
                None => OidcCore::with_link(metadata, link.clone()),
            })
        })
    }
}
