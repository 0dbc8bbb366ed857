//! One user session.

mod back_channel;
mod callback;
mod context;
mod device;
mod machine;
mod refresh;
mod session_tokens;
mod sign_in;
mod sign_out;
mod stored;
mod tokens;
mod user;

use std::fmt;
use std::sync::Arc;

pub use self::context::{ContextOptions, LogtoContext};
pub use self::machine::MachineClient;
use self::stored::ParsedAccessTokens;
use crate::config::LogtoConfig;
use crate::error::LogtoError;
use crate::logto::Logto;
use crate::oidc_core::OidcCore;
use crate::storage::{SessionId, SessionStore, Storage};

/// One user session: sign in, sign out, and what a signed-in user has.
///
/// Make one per request with [`Logto::session`], or one for the program with [`new`](Self::new).
/// Making one does no I/O. `Clone` is cheap and stands for the same session.
///
/// A web application's three routes:
///
/// ```no_run
/// # use logto_core as logto;
/// use logto::{Logto, LogtoClient, LogtoError, SessionId, SessionStore};
/// # fn redirect(_: &str) {}
/// # fn set_cookie(_: &str) {}
///
/// fn sign_in(client: &LogtoClient) -> Result<(), LogtoError> {
///     redirect(&client.sign_in("https://example.com/callback")?);
///     Ok(())
/// }
///
/// fn callback(
///     logto: &Logto,
///     store: &dyn SessionStore,
///     cookie: &SessionId,
///     url: &str,
/// ) -> Result<(), LogtoError> {
///     // The session gets a new id, so that whoever planted the old one is not signed in by it.
///     let (session_id, user) = logto.finish_sign_in(store, cookie, url)?;
///     set_cookie(session_id.expose());
///     println!("{} is signed in", user.claims.sub);
///     redirect("/");
///     Ok(())
/// }
///
/// fn sign_out(client: &LogtoClient) -> Result<(), LogtoError> {
///     redirect(&client.sign_out("https://example.com/")?.url);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct LogtoClient {
    logto: Logto,
    storage: Arc<dyn Storage>,
    parsed: Arc<ParsedAccessTokens>,
}

impl Logto {
    /// The client of one session of a store. Does no I/O; the session need not exist yet.
    pub fn session(&self, store: &(impl SessionStore + ?Sized), id: &SessionId) -> LogtoClient {
        self.client(store.session(id))
    }

    /// The client of this storage: for a program with one user, or with a storage of its own. Does
    /// no I/O.
    pub fn client(&self, storage: impl Storage + 'static) -> LogtoClient {
        LogtoClient {
            logto: self.clone(),
            storage: Arc::new(storage),
            parsed: Arc::default(),
        }
    }
}

impl LogtoClient {
    /// The client of a program with one user, in one step. A program with many makes one
    /// [`Logto`] and a client of it per session, so that the server's metadata, its keys and the
    /// connections are shared.
    ///
    /// ```
    /// # use logto_core as logto;
    /// use logto::{LogtoClient, LogtoConfig, MemoryStorage};
    ///
    /// let config = LogtoConfig::new("https://foo.logto.app", "my-app-id");
    /// let client = LogtoClient::new(config, MemoryStorage::new())?;
    /// assert!(!client.is_authenticated()?);
    /// # Ok::<(), logto_core::LogtoError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`](crate::ConfigError) if the configuration could not work.
    pub fn new(config: LogtoConfig, storage: impl Storage + 'static) -> Result<Self, LogtoError> {
        Ok(Logto::new(config)?.client(storage))
    }

    /// The application that this session is of.
    pub fn logto(&self) -> &Logto {
        &self.logto
    }

    /// The OpenID Connect functions for the server; see [`Logto::oidc_core`].
    ///
    /// # Errors
    ///
    /// If the server's metadata cannot be had, or is refused.
    #[doc(alias = "getOidcCore")]
    pub fn oidc_core(&self) -> Result<OidcCore, LogtoError> {
        self.logto.oidc_core()
    }

    fn config(&self) -> &LogtoConfig {
        self.logto.config()
    }
}

impl fmt::Debug for LogtoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogtoClient")
            .field("config", self.config())
            .field("storage", &self.storage)
            .finish()
    }
}
