//! The end of a session.

use url::Url;

use super::LogtoClient;
use crate::error::LogtoError;
use crate::logto::Logto;
use crate::oidc::authorize::SignInError;
use crate::oidc::callback::{Callback, CallbackError};
use crate::oidc::discovery::DiscoveryError;
use crate::oidc::end_session::{Revocation, SignOutOptions, SignOutOutcome};
use crate::oidc::{authorize, end_session};
use crate::oidc_core::OidcCore;
use crate::secret::{Secret, same_secret};

impl Logto {
    /// Holds a request for the post-logout redirect URI to be the way back from a sign-out with this
    /// [state](SignOutOutcome::state), in a time that does not depend on where they differ
    /// ([RP-Initiated Logout, section 3](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RedirectionAfterLogout)).
    /// The session is empty already: this only tells a sign-out of this browser from a link that
    /// somebody made up.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{Logto, LogtoClient, LogtoError, SignOutOptions};
    /// # fn set_cookie(_: &str) {}
    /// # fn redirect(_: &str) {}
    /// # fn example(client: &LogtoClient, url: &str, cookie: &str) -> Result<(), LogtoError> {
    /// // POST /sign-out
    /// let options = SignOutOptions::from("https://example.com/signed-out").random_state();
    /// let sign_out = client.sign_out(options)?;
    /// set_cookie(sign_out.state.as_ref().map_or("", |state| state.expose()));
    /// redirect(&sign_out.url);
    ///
    /// // GET /signed-out, with its whole URL, or its path and query
    /// Logto::verify_sign_out_callback(url, cookie)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallbackError::StateMissing`] if it has none, or none was expected;
    /// [`CallbackError::SignOutStateMismatch`] if it has another one; else, if it is malformed.
    pub fn verify_sign_out_callback(url: &str, state: &str) -> Result<(), LogtoError> {
        let callback = Callback::parse(url)?;
        if state.is_empty() {
            return Err(CallbackError::StateMissing.into());
        }
        match same_secret(callback.state()?.expose(), state) {
            true => Ok(()),
            false => Err(CallbackError::SignOutStateMismatch.into()),
        }
    }
}

impl LogtoClient {
    /// Signs the user out: removes the session, sign-ins under way included, revokes the refresh token, and
    /// returns the URL to send the browser to, so that the server's own session ends too.
    ///
    /// Revoking matters: Logto keeps the grant of a refresh token when its own session ends. A
    /// failure to revoke is [reported](Revocation) and does not keep the user signed in. Where the
    /// session is [another server's](LogtoError::SessionIssuerMismatch), or [another
    /// application's](LogtoError::SessionAudienceMismatch), nothing of it is sent.
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
    pub fn sign_out(
        &self,
        options: impl Into<SignOutOptions>,
    ) -> Result<SignOutOutcome, LogtoError> {
        let options = options.into();
        if let Some(uri) = &options.post_logout_redirect_uri {
            authorize::check_redirect_uri(uri)?;
        }
        let core = self.logto.oidc_core()?;
        let endpoint = end_session_endpoint(&core)?;
        let session = {
            // A refresh or a callback that is under way ends first, so that its tokens are revoked too.
            let _lock = self.lock()?;
            let session = self.session.load()?;
            self.session.remove()?;
            session
        };
        let checked = self.check_session(session.claims().as_ref(), &core);
        let id_token = session.data.id_token.as_ref();
        let hint = id_token.filter(|_| checked.is_ok());
        let refresh_token = self.refresh_token_of(&session.data);
        let app_id = &self.config().app_id;
        Ok(SignOutOutcome {
            url: end_session::url(endpoint, app_id, hint.map(Secret::expose), &options),
            state: options.state.map(Secret::from),
            revocation: self.revoke(&core, checked, refresh_token.as_ref()),
        })
    }

    fn revoke(
        &self,
        core: &OidcCore,
        checked: Result<(), LogtoError>,
        refresh_token: Option<&Secret>,
    ) -> Revocation {
        let Some(refresh_token) = refresh_token else {
            return Revocation::NoRefreshToken;
        };
        self.logto.unsaved_tokens().forget(refresh_token);
        let config = self.config();
        let secret = config.app_secret.as_ref().map(Secret::expose);
        let token = refresh_token.expose();
        match checked.and_then(|()| core.revoke_refresh_token(&config.app_id, secret, token)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, state: &str) -> CallbackError {
        match Logto::verify_sign_out_callback(url, state).unwrap_err() {
            LogtoError::Callback(error) => error,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn the_way_back_has_the_state_of_the_sign_out() {
        for good in [
            "https://example.com/?state=s",
            "/?x=1&state=s",
            "/bye?state=%73",
        ] {
            Logto::verify_sign_out_callback(good, "s").unwrap();
        }
    }

    #[test]
    fn rp_init_logout_other_state() {
        for other in ["/?state=t", "/?state=ss", "/?state=S"] {
            assert_eq!(refusal(other, "s"), CallbackError::SignOutStateMismatch);
        }
        let twice = CallbackError::DuplicateParameter { name: "state" };
        assert_eq!(refusal("/?state=s&state=s", "s"), twice);
    }

    #[test]
    fn rp_init_logout_no_state() {
        for (url, state) in [
            ("/", "s"),
            ("/?state=", "s"),
            ("/?state=s", ""),
            ("/?state=", ""),
        ] {
            assert_eq!(refusal(url, state), CallbackError::StateMissing, "{url}");
        }
        assert_eq!(refusal("no url", "s"), CallbackError::Malformed);
    }

    #[test]
    fn a_random_state_is_never_the_same() {
        let state = || SignOutOptions::default().random_state().state.unwrap();
        assert_eq!(state().len(), 43);
        assert_ne!(state(), state());
    }
}
