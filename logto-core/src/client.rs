//! One user session.

mod access_token;
mod callback;
mod device;
mod refresh;
mod session;
mod sign_in;
mod sign_out;
mod user;

use std::fmt;

pub(crate) use self::refresh::is_newer;
pub use self::session::Session;
pub(crate) use self::session::{Draft, SessionLock};
pub use self::user::{ContextOptions, LogtoContext};
use crate::config::LogtoConfig;
use crate::error::{LogtoError, StorageError};
use crate::logto::Logto;
use crate::oidc::id_token::IdTokenClaims;
use crate::oidc_core::OidcCore;
use crate::storage::{SessionId, SessionKey, Storage};

/// One user session: sign in, sign out, and what a signed-in user has.
///
/// Make one per request with [`Logto::session`], or one for the program with [`new`](Self::new).
/// Making one does no I/O. `Clone` is cheap and stands for the same session.
///
/// A web application's three routes:
///
/// ```no_run
/// # use logto_core as logto;
/// use logto::{Logto, LogtoClient, LogtoError, MemoryStorage, SessionId};
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
///     storage: &MemoryStorage, // or any other
///     cookie: &SessionId,
///     url: &str,
/// ) -> Result<(), LogtoError> {
///     // The session gets a new id, so that an intruder who planted the old one is not signed in by it.
///     let (session_id, user) = logto.finish_sign_in(storage, cookie, url)?;
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
    session: Session,
}

impl Logto {
    /// Returns the client of one session of a storage. Does no I/O; the session need not exist yet.
    ///
    /// The client keeps a clone of the storage. Those of this crate are cheap to clone, and so is an
    /// `Arc<dyn Storage>`.
    pub fn session(
        &self,
        storage: &(impl Storage + Clone + 'static),
        id: &SessionId,
    ) -> LogtoClient {
        self.client_of(Session::new(storage.clone(), id.key()))
    }

    /// Returns the client of the one session of a program with one user:
    /// [`SessionKey::ONLY`](crate::SessionKey::ONLY). Does no I/O.
    pub fn client(&self, storage: impl Storage + 'static) -> LogtoClient {
        self.client_of(Session::new(storage, SessionKey::ONLY))
    }

    fn client_of(&self, session: Session) -> LogtoClient {
        LogtoClient {
            logto: self.clone(),
            session,
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

    /// The session, for a look at its values.
    pub fn session(&self) -> &Session {
        &self.session
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

    pub(crate) fn config(&self) -> &LogtoConfig {
        self.logto.config()
    }

    /// Waits for sole use of the session.
    pub(crate) fn lock(&self) -> Result<SessionLock<'_>, StorageError> {
        let (locks, timeout) = (self.logto.locks(), self.logto.lock_timeout());
        self.session.lock(locks, timeout)
    }

    /// A token goes to the server that issued it, from the application that it was issued to ([RFC 6749, sections
    /// 10.3 and 10.4](https://www.rfc-editor.org/rfc/rfc6749#section-10.3)): the `iss` and `aud` of the session's ID
    /// token. The program may have been configured for others since. To be called before a token of the session
    /// is sent. A session without an ID token does not say whose its tokens are.
    fn check_session(
        &self,
        session: Option<&IdTokenClaims>,
        core: &OidcCore,
    ) -> Result<(), LogtoError> {
        let Some(claims) = session else {
            return Ok(());
        };
        if claims.iss != core.metadata().issuer {
            return Err(LogtoError::SessionIssuerMismatch);
        }
        match claims.aud.contains(&self.config().app_id) {
            true => Ok(()),
            false => Err(LogtoError::SessionAudienceMismatch),
        }
    }
}

impl fmt::Debug for LogtoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogtoClient")
            .field("config", self.config())
            .field("session", &self.session)
            .finish()
    }
}
