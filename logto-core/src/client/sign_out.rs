//! The end of a session.

use url::Url;

use super::LogtoClient;
use super::tokens::NO_TOKENS;
use crate::error::{DiscoveryError, LogtoError, SignInError};
use crate::models::{Revocation, SignOut, SignOutOptions};
use crate::oidc::{authorize, end_session};
use crate::oidc_core::OidcCore;
use crate::secret::Secret;

impl LogtoClient {
    /// Signs the user out: empties the session, revokes the refresh token, and returns the URL to
    /// send the browser to, so that the server's own session ends too.
    ///
    /// Revoking matters: Logto keeps the grant of a refresh token when its own session ends. A
    /// failure to revoke is [reported](Revocation) and does not keep the user signed in.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{LogtoClient, LogtoError};
    /// # fn redirect(_: &str) {}
    /// # fn example(client: &LogtoClient) -> Result<(), LogtoError> {
    /// redirect(&client.sign_out("https://example.com/")?.url);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignInError`] if the post-logout redirect URI is no absolute URI, or the server has no
    /// endpoint for this; else, if the server's metadata cannot be had, or the session cannot be
    /// read, written or locked. The session is then what it was;
    /// [`clear_all_tokens`](Self::clear_all_tokens) ends it without the server.
    #[doc(alias = "signOut")]
    pub fn sign_out(&self, options: impl Into<SignOutOptions>) -> Result<SignOut, LogtoError> {
        let options = options.into();
        if let Some(uri) = &options.post_logout_redirect_uri {
            authorize::check_redirect_uri(uri)?;
        }
        let core = self.logto.oidc_core()?;
        let endpoint = end_session_endpoint(&core)?;
        let (id_token, refresh_token) = self.empty()?;
        let app_id = &self.config().app_id;
        Ok(SignOut {
            url: end_session::url(endpoint, app_id, id_token.as_deref(), &options),
            revocation: self.revoke(&core, refresh_token),
        })
    }

    /// Takes the tokens out of the storage. Under the lock, so that a refresh under way cannot bring
    /// them back.
    fn empty(&self) -> Result<(Option<String>, Option<String>), LogtoError> {
        let _lock = self.lock()?;
        let tokens = (self.id_token()?, self.refresh_token()?);
        self.storage.update(&NO_TOKENS)?;
        Ok(tokens)
    }

    fn revoke(&self, core: &OidcCore, refresh_token: Option<String>) -> Revocation {
        let Some(refresh_token) = refresh_token else {
            return Revocation::NoRefreshToken;
        };
        let config = self.config();
        let secret = config.app_secret.as_ref().map(Secret::expose);
        match core.revoke_refresh_token(&config.app_id, secret, &refresh_token) {
            Ok(true) => Revocation::Revoked,
            Ok(false) => Revocation::Unsupported,
            Err(error) => {
                log::warn!("the refresh token could not be revoked: {error}");
                Revocation::Failed(error)
            }
        }
    }
}

fn end_session_endpoint(core: &OidcCore) -> Result<Url, LogtoError> {
    let endpoint = core.metadata().end_session_endpoint.as_ref();
    let endpoint = endpoint.ok_or(SignInError::SignOutUnsupported)?;
    Ok(
        Url::parse(endpoint).map_err(|_| DiscoveryError::InvalidEndpoint {
            name: "end_session_endpoint",
        })?,
    )
}
