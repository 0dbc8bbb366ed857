//! What of an application can be set.

use std::sync::Arc;
use std::time::Duration;

use super::logout::ReplayCache;
use super::unsaved_tokens::UnsavedTokens;
use super::{Inner, Logto};
use crate::clock::Clock;
use crate::config::{ConfigError, LogtoConfig};
use crate::error::LogtoError;
use crate::http::{HttpClient, RESPONSE_TIMEOUT};
use crate::oidc_core::{Provider, Transport};
use crate::storage::LocalLocks;

/// The most that the clocks may differ.
const LARGEST_CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// The most that the refresh leeway can be.
const LARGEST_LEEWAY: Duration = Duration::from_secs(3600);

/// Long enough for the one before us to ask the server twice. A refresh that must also fetch metadata
/// and keys from a server that hangs can take longer; then this caller is told to try again.
const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(2 * RESPONSE_TIMEOUT.as_secs());

/// Settings of [`Logto`].
///
/// ```
/// # use logto_core as logto;
/// use logto::{Logto, LogtoConfig};
/// use std::time::Duration;
///
/// let logto = Logto::builder(LogtoConfig::new("https://foo.logto.app", "my-app-id"))
///     .refresh_leeway(Duration::from_secs(120))
///     .build()?;
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct LogtoBuilder {
    config: LogtoConfig,
    transport: Transport,
    lock_timeout: Duration,
    refresh_leeway: Duration,
}

impl LogtoBuilder {
    pub(super) fn new(config: LogtoConfig) -> Self {
        Self {
            config,
            transport: Transport::default(),
            lock_timeout: DEFAULT_LOCK_TIMEOUT,
            refresh_leeway: Duration::from_secs(60),
        }
    }

    /// What requests are sent with. Default: [`UreqClient::new`](crate::UreqClient::new).
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.transport.http = Arc::new(client);
        self
    }

    /// The clock. Default: [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.transport.clock = Arc::new(clock);
        self
    }

    /// How much the server's clock may differ from this one. Default: 60 s; at most 300 s.
    pub fn clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.transport.clock_tolerance = tolerance;
        self
    }

    /// How long a call waits for another one that refreshes the same session. Default: 30 s.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// How long before it expires a cached access token is replaced. Default: 60 s; at most an hour.
    pub fn refresh_leeway(mut self, leeway: Duration) -> Self {
        self.refresh_leeway = leeway;
        self
    }

    /// Settings that can give tokens away. Each says how.
    pub fn dangerous(self) -> Dangerous {
        Dangerous(self)
    }

    /// The application.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the configuration could not work, or a setting is out of its bounds.
    pub fn build(self) -> Result<Logto, LogtoError> {
        self.config.validate(self.transport.allow_insecure_http)?;
        check_clock_tolerance(self.transport.clock_tolerance)?;
        check_bound("refresh_leeway", self.refresh_leeway, LARGEST_LEEWAY)?;
        Ok(Logto {
            inner: Arc::new(Inner {
                provider: Arc::new(Provider::new(self.transport, &self.config, &[])),
                config: self.config,
                lock_timeout: self.lock_timeout,
                refresh_leeway: self.refresh_leeway.as_secs() as i64,
                seen_tokens: ReplayCache::default(),
                locks: LocalLocks::default(),
                unsaved_tokens: UnsavedTokens::default(),
            }),
        })
    }
}

/// In seconds, if it is not too large.
pub(crate) fn check_clock_tolerance(tolerance: Duration) -> Result<(), ConfigError> {
    check_bound("clock_tolerance", tolerance, LARGEST_CLOCK_TOLERANCE)
}

fn check_bound(name: &'static str, value: Duration, limit: Duration) -> Result<(), ConfigError> {
    match value > limit {
        true => Err(ConfigError::TooLong {
            name,
            limit: limit.as_secs(),
        }),
        false => Ok(()),
    }
}

/// Settings of a [`LogtoBuilder`] that can give tokens away.
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct Dangerous(LogtoBuilder);

impl Dangerous {
    /// Allows plain `http` to hosts other than loopback: anybody on the way can read and replace
    /// tokens. For a test network that nobody else is on. Default: refused.
    pub fn allow_insecure_http(mut self) -> LogtoBuilder {
        self.0.transport.allow_insecure_http = true;
        self.0
    }
}
