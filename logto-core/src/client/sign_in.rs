//! The start of a sign-in.

use super::LogtoClient;
use crate::error::{LogtoError, StorageError};
use crate::oidc::authorize::{self, Request, SignInOptions};
use crate::oidc::callback::Callback;
use crate::session::{Found, SignInSession};

impl LogtoClient {
    /// Starts a sign-in, and returns the URL to send the browser to.
    ///
    /// Signs nobody out: until the new sign-in is finished, the session is what it was. Up to 16
    /// sign-ins can be under way in one session (two tabs, say), each for ten minutes.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{FirstScreen, LogtoClient, LogtoError, SignInOptions};
    /// # fn redirect(_: &str) {}
    /// # fn example(client: &LogtoClient) -> Result<(), LogtoError> {
    /// redirect(&client.sign_in("https://example.com/callback")?);
    ///
    /// let register = SignInOptions::new("https://example.com/callback")
    ///     .first_screen(FirstScreen::Register);
    /// redirect(&client.sign_in(register)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignInError`](crate::SignInError) if an option could not work; else, if the server's metadata
    /// cannot be had or the session cannot be written.
    #[doc(alias = "signIn")]
    pub fn sign_in(&self, options: impl Into<SignInOptions>) -> Result<String, LogtoError> {
        let request = Request::new(self.config(), options.into())?;
        let options = request.options();
        let core = self.logto.oidc_core()?;
        let endpoint = core.authorization_endpoint()?;
        let [code_verifier, state, nonce] = authorize::random_tokens();
        let code_challenge = authorize::code_challenge(&code_verifier);
        let now = self.logto.now();
        let sign_in = SignInSession {
            redirect_uri: options.redirect_uri.clone(),
            code_verifier: code_verifier.into(),
            state: state.into(),
            nonce: Some(nonce.into()),
            started_at: Some(now),
            post_redirect_uri: options.post_redirect_uri.clone(),
            max_age: options.max_age.map(|age| age.as_secs()),
            acr_values: options.acr_values.clone(),
            issuer: Some(core.metadata().issuer.clone()),
        };
        let url = request.url(endpoint, &sign_in, &code_challenge);
        self.session.change(|draft| {
            draft.data.sign_ins.add(sign_in.clone(), now);
            Ok::<_, StorageError>(())
        })?;
        Ok(url)
    }

    /// Whether this URL, or its path and query, is where a sign-in under way in this session comes
    /// back to: whether [`handle_sign_in_callback`](Self::handle_sign_in_callback) is to be called
    /// with it.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    #[doc(alias = "isSignInRedirected")]
    pub fn is_sign_in_redirected(&self, url: &str) -> Result<bool, LogtoError> {
        let Ok(callback) = Callback::parse(url) else {
            return Ok(false);
        };
        let Ok(state) = callback.state() else {
            return Ok(false);
        };
        let session = self.session.load()?;
        Ok(match session.data.sign_ins.find(state, self.logto.now()) {
            Found::Pending(sign_in) => callback.check_redirect_uri(&sign_in.redirect_uri).is_ok(),
            _ => false,
        })
    }
}
