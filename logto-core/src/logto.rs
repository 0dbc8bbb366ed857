//! What an application has one of.

mod builder;
mod introspection;
mod last_request;
mod logout;
mod time_keeper;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub(crate) use self::builder::checked_clock_tolerance;
pub use self::builder::{Dangerous, LogtoBuilder};
use self::last_request::LastRequest;
use self::logout::ReplayCache as SeenTokens;
pub use self::logout::VerifiedLogoutToken;
use self::time_keeper::TimeKeeper;
use crate::config::LogtoConfig;
use crate::error::LogtoError;
use crate::oidc::authorize::{Request, SignInError, SignInOptions};
use crate::oidc::discovery;
use crate::oidc_core::{DiscoveryCache, OidcCore, Transport as Link};

/// An application of Logto: make one at start, and a [`LogtoClient`](crate::LogtoClient) of it for each user session.
///
/// It holds what sessions share: the configuration, the HTTP connections, the server's metadata and
/// keys. `Clone` is cheap and shares them.
///
/// ```
/// # use logto_core as logto;
/// use logto::{Logto, LogtoConfig, MemoryStore, SessionId};
///
/// // Once, at start. Nothing is sent yet.
/// let logto = Logto::new(LogtoConfig::new("https://foo.logto.app", "my-app-id"))?;
/// let store = MemoryStore::new();
///
/// // Per request, with the id from the session cookie. Does no I/O.
/// let session_id = SessionId::random();
/// let client = logto.session(&store, &session_id);
/// assert!(!client.is_authenticated()?);
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Clone)]
pub struct Logto {
    inner: Arc<Inner>,
}

struct Inner {
    config: LogtoConfig,
    link: Link,
    discovery: DiscoveryCache,
    lock_timeout: Duration,
    access_token_margin: i64,
    early_refresh: i64,
    early_refresh_failed_at: AtomicI64,
    time_keeper: TimeKeeper,
    seen_tokens: SeenTokens,
    last_request: LastRequest,
}

/// How long after an early refresh has failed none is tried, in seconds.
const EARLY_REFRESH_PAUSE: i64 = 10;

impl Logto {
    /// The application of this configuration, with the defaults. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`](crate::ConfigError) if the configuration could not work.
    pub fn new(config: LogtoConfig) -> Result<Self, LogtoError> {
        Self::builder(config).build()
    }

    /// Sets what differs from the defaults.
    pub fn builder(config: LogtoConfig) -> LogtoBuilder {
        LogtoBuilder::new(config)
    }

    /// The configuration.
    pub fn config(&self) -> &LogtoConfig {
        &self.inner.config
    }

    /// The OpenID Connect functions for the server. Its metadata is fetched at the first call, and
    /// again when it is older than an hour; while it is renewed, and for a day while it cannot
    /// be, the old metadata is used.
    ///
    /// # Errors
    ///
    /// If the metadata cannot be had, or is refused.
    pub fn oidc_core(&self) -> Result<OidcCore, LogtoError> {
        let inner = &self.inner;
        inner.discovery.get(&inner.link, || {
            let metadata = inner.link.fetch_metadata(&inner.config.discovery_url())?;
            discovery::check_issuer(&metadata, &inner.config.expected_issuer())?;
            Ok(metadata)
        })
    }

    pub(crate) fn authorization_request(
        &self,
        options: SignInOptions,
    ) -> Result<Arc<Request>, SignInError> {
        self.inner.last_request.with(&self.inner.config, options)
    }

    /// In Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.inner.link.clock.unix_seconds()
    }

    /// In seconds.
    pub(crate) fn clock_tolerance(&self) -> i64 {
        self.inner.link.clock_tolerance
    }

    /// The same for cached tokens: it does not go back when the clock is set back.
    pub(crate) fn token_time(&self) -> i64 {
        self.token_time_at(self.now())
    }

    /// The same, where the clock was asked already.
    pub(crate) fn token_time_at(&self, now: i64) -> i64 {
        self.inner.time_keeper.now(now)
    }

    /// Notes that the server agrees with the clock.
    pub(crate) fn confirm_time(&self, now: i64) {
        self.inner.time_keeper.confirm(now);
    }

    pub(crate) fn lock_timeout(&self) -> Duration {
        self.inner.lock_timeout
    }

    /// In seconds.
    pub(crate) fn access_token_margin(&self) -> i64 {
        self.inner.access_token_margin
    }

    /// In seconds; `now` is the clock's time.
    pub(crate) fn early_refresh(&self, now: i64) -> i64 {
        let failed_at = self.inner.early_refresh_failed_at.load(Ordering::Relaxed);
        let pause = failed_at..failed_at.saturating_add(EARLY_REFRESH_PAUSE);
        match pause.contains(&now) {
            true => 0,
            false => self.inner.early_refresh,
        }
    }

    /// Notes that the server did not give a token that is not needed yet.
    pub(crate) fn note_failed_early_refresh(&self) {
        self.inner
            .early_refresh_failed_at
            .store(self.now(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Logto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logto")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}
