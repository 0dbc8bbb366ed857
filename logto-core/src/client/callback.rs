//! The end of a sign-in.

use std::collections::BTreeMap;

use super::LogtoClient;
use super::session::{Draft, Snapshot};
use crate::error::LogtoError;
use crate::logto::Logto;
use crate::oidc::callback::{Callback, CallbackError, SignInOutcome};
use crate::oidc::id_token::{IdTokenClaims, TokenSource};
use crate::oidc::response::ResponseError;
use crate::oidc::token::{CodeGrant, TokenResponse};
use crate::oidc_core::OidcCore;
use crate::secret::Secret;
use crate::session::{AccessTokenMap, Found, PendingSignIns, SignInSession};
use crate::storage::{SessionId, SessionKey, Storage};

impl Logto {
    /// Finishes a sign-in as [`LogtoClient::handle_sign_in_callback`] does, in a session with a new id,
    /// for the cookie. An intruder who knows or planted the old id is at no moment signed in by it. What
    /// was in the old session is gone, but for further sign-ins under way, which move along.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{Logto, LogtoError, MemoryStorage, SessionId};
    /// # fn set_cookie(_: &str) {}
    /// # fn redirect(_: &str) {}
    /// # fn callback(
    /// #     logto: &Logto, storage: &MemoryStorage, cookie: SessionId, url: &str,
    /// # ) -> Result<(), LogtoError> {
    /// let (session_id, user) = logto.finish_sign_in(storage, &cookie, url)?;
    /// set_cookie(session_id.expose());
    /// redirect(user.post_redirect_uri.as_deref().unwrap_or("/"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`handle_sign_in_callback`](LogtoClient::handle_sign_in_callback).
    pub fn finish_sign_in(
        &self,
        storage: &(impl Storage + Clone + 'static),
        id: &SessionId,
        callback_uri: &str,
    ) -> Result<(SessionId, SignInOutcome), LogtoError> {
        let new_id = SessionId::random();
        let client = self.session(storage, id);
        let signed_in = client.finish_sign_in(callback_uri, Some(&new_id.key()))?;
        Ok((new_id, signed_in))
    }
}

impl LogtoClient {
    /// Finishes the sign-in that the browser came back from, and returns who it is and where to go
    /// next. Call it in the route of the redirect URI, with the URL that was requested, or with
    /// its path and query.
    ///
    /// For a program with one user. A web application calls [`Logto::finish_sign_in`], which also gives
    /// the session a new id.
    ///
    /// Replaces everything of a user who was signed in before, at once. If it fails, the
    /// session stays what it was, and a second call cannot finish the sign-in: start a new one. A
    /// callback that comes twice waits for the first one and then returns
    /// [`AlreadyUsed`](CallbackError::AlreadyUsed) if that one has signed the user in, or else
    /// [`AlreadyFailed`](CallbackError::AlreadyFailed).
    /// Send the browser to a URL without the query afterwards, so that the code is not kept in its
    /// history.
    ///
    /// # Errors
    ///
    /// - [`CallbackError`] if the URL is not the answer to a sign-in of this session; nothing has
    ///   been sent, and sign-ins under way are kept, unless it carried the state of this one.
    /// - [`LogtoError::OAuth`] if the server or the user refused, such as `access_denied`.
    /// - [`IdTokenError`](crate::IdTokenError) if the ID token is refused.
    /// - Else, if the server cannot be asked, or the session cannot be read or written.
    #[doc(alias = "handleSignInCallback")]
    pub fn handle_sign_in_callback(&self, callback_uri: &str) -> Result<SignInOutcome, LogtoError> {
        self.finish_sign_in(callback_uri, None)
    }

    /// Finishes a sign-in, in this session or in a new one that takes its place.
    fn finish_sign_in(
        &self,
        callback_uri: &str,
        to: Option<&SessionKey>,
    ) -> Result<SignInOutcome, LogtoError> {
        let callback = Callback::parse(callback_uri)?;
        // Before the metadata and the lock: a bad callback costs no request, and a server that is down
        // costs no sign-in.
        self.find_sign_in(&self.session.load()?.data.sign_ins, &callback)?;
        let core = self.logto.oidc_core()?;
        // A refresh that is under way ends first. So does the same callback, if it came twice.
        let lock = self.lock()?;
        let session = self.session.load()?;
        if session.version.is_none() {
            // The first of two has moved the session to its new id.
            return Err(CallbackError::AlreadyUsed.into());
        }
        let sign_in = self
            .find_sign_in(&session.data.sign_ins, &callback)?
            .clone();
        lock.check()?;
        let outcome = self
            .redeem(&core, callback, &sign_in)
            .and_then(|verified| self.establish(session.clone(), to, &sign_in, &verified));
        if outcome.is_err() {
            self.note_failed(session, &sign_in);
        }
        outcome
    }

    fn find_sign_in<'a>(
        &self,
        sign_ins: &'a PendingSignIns,
        callback: &Callback,
    ) -> Result<&'a SignInSession, LogtoError> {
        let sign_in = match sign_ins.find(callback.state()?, self.logto.now()) {
            Found::Pending(sign_in) => sign_in,
            Found::Expired => return Err(CallbackError::Expired.into()),
            Found::Finished { has_failed: true } => return Err(CallbackError::AlreadyFailed.into()),
            Found::Finished { .. } => return Err(CallbackError::AlreadyUsed.into()),
            Found::Unknown => return Err(CallbackError::StateMismatch.into()),
        };
        callback.check_redirect_uri(&sign_in.redirect_uri)?;
        Ok(sign_in)
    }

    /// Exchanges the code, which the server takes once, and verifies what it gives for it.
    fn redeem(
        &self,
        core: &OidcCore,
        callback: Callback,
        sign_in: &SignInSession,
    ) -> Result<VerifiedTokens, LogtoError> {
        let metadata = core.metadata();
        let begun_at = sign_in.issuer.as_deref();
        if begun_at.is_some_and(|issuer| issuer != metadata.issuer) {
            return Err(CallbackError::IssuerMismatch.into());
        }
        let is_issuer_promised = metadata.authorization_response_iss_parameter_supported;
        let code = callback.code(&metadata.issuer, is_issuer_promised)?;
        let tokens = self.exchange(core, sign_in, &code)?;
        self.verify(core, Some(sign_in), tokens)
    }

    fn exchange(
        &self,
        core: &OidcCore,
        sign_in: &SignInSession,
        code: &Secret,
    ) -> Result<TokenResponse, LogtoError> {
        let config = self.config();
        core.fetch_token_by_code(&CodeGrant {
            client_id: &config.app_id,
            client_secret: config.app_secret.as_ref().map(Secret::expose),
            redirect_uri: &sign_in.redirect_uri,
            code: code.expose(),
            code_verifier: sign_in.code_verifier.expose(),
        })
    }

    /// Verifies the ID token of a sign-in; `None` is one on another device, which sends no nonce.
    pub(super) fn verify(
        &self,
        core: &OidcCore,
        sign_in: Option<&SignInSession>,
        mut tokens: TokenResponse,
    ) -> Result<VerifiedTokens, LogtoError> {
        let id_token = tokens.id_token.take();
        let id_token = id_token.ok_or(ResponseError::IdTokenMissing)?;
        let source = TokenSource::SignIn {
            sign_in,
            access_token: &tokens.access_token,
        };
        let claims = core.verify_id_token_from(id_token.expose(), &self.config().app_id, source)?;
        Ok(VerifiedTokens {
            tokens,
            id_token,
            claims,
        })
    }

    /// Writes the tokens into the session, or into a new one in its place.
    fn establish(
        &self,
        session: Snapshot,
        to: Option<&SessionKey>,
        sign_in: &SignInSession,
        verified: &VerifiedTokens,
    ) -> Result<SignInOutcome, LogtoError> {
        let now = self.logto.now();
        let change = |draft: &mut Draft| {
            let sign_ins = &mut draft.data.sign_ins;
            if !sign_ins.all().any(|pending| pending.state == sign_in.state) {
                return Err(LogtoError::from(CallbackError::SignedOutMeanwhile));
            }
            sign_ins.finish(&sign_in.state, false, now);
            self.sign_in_as(draft, verified);
            Ok(())
        };
        match to {
            // The old id goes without ever having been signed in as this user.
            Some(to) => self.session.replace_from(session, to, change)?,
            None => self.session.change_from(session, change)?.0,
        }
        Ok(SignInOutcome {
            claims: verified.claims.clone(),
            post_redirect_uri: sign_in.post_redirect_uri.clone(),
        })
    }

    /// Remembers that the code of this sign-in is used up.
    fn note_failed(&self, session: Snapshot, sign_in: &SignInSession) {
        let now = self.logto.now();
        let noted = self.session.change_from(session, |draft| {
            let sign_ins = &mut draft.data.sign_ins;
            if sign_ins.all().any(|pending| pending.state == sign_in.state) {
                sign_ins.finish(&sign_in.state, true, now);
            }
            Ok::<_, LogtoError>(())
        });
        if let Err(error) = noted {
            log::warn!("a sign-in has failed, and that could not be noted in its session: {error}");
        }
    }

    /// Puts these tokens in the place of those that were there.
    pub(super) fn sign_in_as(&self, draft: &mut Draft, verified: &VerifiedTokens) {
        let VerifiedTokens {
            tokens,
            id_token,
            claims,
        } = verified;
        draft.clear_tokens();
        draft.set_id_token(id_token.clone(), claims);
        draft.data.refresh_token.clone_from(&tokens.refresh_token);
        draft.data.access_tokens = AccessTokenMap {
            x: BTreeMap::from([(String::new(), self.to_cache(tokens))]),
        };
    }
}

/// The tokens of a sign-in, verified, and not stored yet.
pub(super) struct VerifiedTokens {
    tokens: TokenResponse,
    id_token: Secret,
    pub(super) claims: IdTokenClaims,
}
