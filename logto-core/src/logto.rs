//! What an application has one of.

mod builder;
mod logout;
mod unsaved_tokens;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::builder::check_clock_tolerance;
pub use self::builder::{Dangerous, LogtoBuilder};
use self::logout::ReplayCache;
pub use self::logout::VerifiedLogoutToken;
use self::unsaved_tokens::UnsavedTokens;
use crate::config::{ConfigError, LogtoConfig};
use crate::error::LogtoError;
use crate::oidc::introspect::{self, Introspection};
use crate::oidc_core::{OidcCore, Provider};
use crate::storage::LocalLocks;

/// An application of Logto: make one at start, and a [`LogtoClient`](crate::LogtoClient) of it for each user session.
///
/// It holds what sessions share: the configuration, the HTTP connections, the server's metadata and
/// keys. `Clone` is cheap and shares them.
///
/// ```
/// # use logto_core as logto;
/// use logto::{Logto, LogtoConfig, MemoryStorage, SessionId};
///
/// // Once, at start. Nothing is sent yet.
/// let logto = Logto::new(LogtoConfig::new("https://foo.logto.app", "my-app-id"))?;
/// let storage = MemoryStorage::new();
///
/// // Per request, with the id from the session cookie. Does no I/O.
/// let session_id = SessionId::random();
/// let client = logto.session(&storage, &session_id);
/// assert!(!client.is_authenticated()?);
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Clone)]
pub struct Logto {
    inner: Arc<Inner>,
}

struct Inner {
    config: LogtoConfig,
    provider: Arc<Provider>,
    lock_timeout: Duration,
    refresh_leeway: i64,
    seen_tokens: ReplayCache,
    locks: LocalLocks,
    unsaved_tokens: UnsavedTokens,
}

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
        self.inner.provider.core()
    }

    /// Asks the server what it knows of an opaque token, which is one without a resource
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)). Each call is a request; a token for an API is a
    /// JWT, which an [`AccessTokenVerifier`](crate::AccessTokenVerifier) verifies without one.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{Logto, LogtoError};
    /// # fn example(logto: &Logto, token: &str) -> Result<(), LogtoError> {
    /// let token = logto.introspect(token)?;
    /// if token.active {
    ///     println!("the token of {:?}", token.sub);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::MissingAppSecret`] if this application has no secret: the server tells a public client
    /// nothing of the tokens of others. Else as of [`OidcCore::introspect`](crate::OidcCore::introspect).
    pub fn introspect(&self, token: &str) -> Result<Introspection, LogtoError> {
        let config = self.config();
        let secret = config.app_secret.as_ref();
        let secret = secret.ok_or(ConfigError::MissingAppSecret)?;
        introspect::check_opaque(token)?;
        self.oidc_core()?
            .introspect(&config.app_id, secret.expose(), token)
    }

    pub(crate) fn provider(&self) -> &Arc<Provider> {
        &self.inner.provider
    }

    /// In Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.inner.provider.transport.now()
    }

    /// In seconds.
    pub(crate) fn clock_tolerance(&self) -> i64 {
        self.inner.provider.transport.clock_tolerance()
    }

    pub(crate) fn lock_timeout(&self) -> Duration {
        self.inner.lock_timeout
    }

    /// The locks of sessions among the threads that share this application.
    pub(crate) fn locks(&self) -> &LocalLocks {
        &self.inner.locks
    }

    pub(crate) fn unsaved_tokens(&self) -> &UnsavedTokens {
        &self.inner.unsaved_tokens
    }

    /// In seconds.
    pub(crate) fn refresh_leeway(&self) -> i64 {
        self.inner.refresh_leeway
    }
}

impl fmt::Debug for Logto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logto")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
