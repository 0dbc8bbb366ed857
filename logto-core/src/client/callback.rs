//! The end of a sign-in.

use std::collections::BTreeMap;

use super::LogtoClient;
use super::stored::{SessionLock, parse_sign_ins, to_json};
use super::tokens::NO_TOKENS;
use crate::error::{CallbackError, LogtoError, ResponseError, StorageError};
use crate::logto::Logto;
use crate::models::{IdTokenClaims, SignedIn, TokenResponse};
use crate::oidc::authentication;
use crate::oidc::callback::Callback;
use crate::oidc::id_token::Occasion;
use crate::oidc::token::CodeGrant;
use crate::oidc_core::OidcCore;
use crate::secret::Secret;
use crate::session::{AccessTokenMap, Found, PendingSignIns, SignInSession};
use crate::storage::{Change, PersistKey, SessionId, SessionOwner, SessionStore};

impl Logto {
    /// Finishes a sign-in as [`LogtoClient::handle_sign_in_callback`] does, in a session with a new id,
    /// for the cookie: whoever knows the old one, or has planted it, is at no moment signed in. What
    /// was in the old session is gone, but for further sign-ins under way, which move along.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{Logto, LogtoError, SessionId, SessionStore};
    /// # fn set_cookie(_: &str) {}
    /// # fn redirect(_: &str) {}
    /// # fn callback(
    /// #     logto: &Logto, store: &dyn SessionStore, cookie: SessionId, url: &str,
    /// # ) -> Result<(), LogtoError> {
    /// let (session_id, user) = logto.finish_sign_in(store, &cookie, url)?;
    /// set_cookie(session_id.expose());
    /// redirect(user.post_redirect_uri.as_deref().unwrap_or("/"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`handle_sign_in_callback`](LogtoClient::handle_sign_in_callback).
    pub fn finish_sign_in(
        &self,
        store: &(impl SessionStore + ?Sized),
        id: &SessionId,
        callback_uri: &str,
    ) -> Result<(SessionId, SignedIn), LogtoError> {
        let client = self.session(store, id);
        let (taken, verified) = client.verified_sign_in(callback_uri)?;
        let new_id = SessionId::random();
        let signed_in = client.establish(&taken, verified, |tokens, sign_ins| {
            let mut changes = tokens.to_vec();
            changes.push(Change::set(PersistKey::SignInSession, sign_ins));
            // The old id goes without ever having been signed in as this user.
            store.replace(id, &new_id, &changes)
        })?;
        Ok((new_id, signed_in))
    }
}

impl LogtoClient {
    /// Finishes the sign-in that the browser came back from, and returns who it is and where to go
    /// next. To be called in the route of the redirect URI, with the URL that was requested, or with
    /// its path and query.
    ///
    /// For a program with one user. A web application calls [`Logto::finish_sign_in`], which also gives
    /// the session a new id.
    ///
    /// Everything of a user who was signed in before is replaced at once. Where it fails, the
    /// session is what it was, and the sign-in cannot be finished by a second call: start a new one.
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
    pub fn handle_sign_in_callback(&self, callback_uri: &str) -> Result<SignedIn, LogtoError> {
        let (taken, verified) = self.verified_sign_in(callback_uri)?;
        self.establish(&taken, verified, |tokens, _| self.storage.update(tokens))
    }

    fn verified_sign_in(
        &self,
        callback_uri: &str,
    ) -> Result<(TakenSignIn, VerifiedTokens), LogtoError> {
        let callback = Callback::parse(callback_uri)?;
        // Before the metadata is had: a bad callback costs no request, and a server that is down
        // costs no sign-in.
        let seen = self.find_sign_in(&callback)?;
        let core = self.logto.oidc_core()?;
        let taken = self.take_sign_in(&callback, seen)?;
        let sign_in = &taken.sign_in;
        let metadata = core.metadata();
        let begun_at = sign_in.issuer.as_deref();
        if begun_at.is_some_and(|issuer| issuer != metadata.issuer) {
            return Err(CallbackError::IssuerMismatch.into());
        }
        let is_issuer_promised = metadata.authorization_response_iss_parameter_supported;
        let code = callback.code(&metadata.issuer, is_issuer_promised)?;
        let tokens = self.exchange(&core, sign_in, &code)?;
        let verified = self.verify(&core, sign_in.nonce.as_ref(), tokens)?;
        authentication::check(
            &verified.claims,
            sign_in,
            self.logto.now(),
            self.logto.clock_tolerance(),
        )?;
        Ok((taken, verified))
    }

    /// Holds the callback to be of a sign-in under way, and returns all of them as they are stored.
    fn find_sign_in(&self, callback: &Callback) -> Result<StoredSignIns, LogtoError> {
        let stored = StoredSignIns::of(self.stored_token(PersistKey::SignInSession)?);
        self.find_among(&stored.sign_ins, callback)?;
        Ok(stored)
    }

    fn find_among<'a>(
        &self,
        sign_ins: &'a PendingSignIns,
        callback: &Callback,
    ) -> Result<&'a SignInSession, LogtoError> {
        let state = callback.state()?;
        let sign_in = match sign_ins.find(state, self.logto.now()) {
            Found::Pending(sign_in) => sign_in,
            Found::Expired => return Err(CallbackError::Expired.into()),
            Found::Finished => return Err(CallbackError::AlreadyUsed.into()),
            Found::Unknown => return Err(CallbackError::StateMismatch.into()),
        };
        callback.check_redirect_uri(&sign_in.redirect_uri)?;
        Ok(sign_in)
    }

    /// Whoever takes the sign-in out of the storage is the only one to send its code.
    fn take_sign_in(
        &self,
        callback: &Callback,
        seen: StoredSignIns,
    ) -> Result<TakenSignIn, LogtoError> {
        let mut seen = Some(seen);
        self.lock_to_write(|lock| {
            let _state = self.lock_state(lock, callback.state()?)?;
            let stored = self.stored_token(PersistKey::SignInSession)?;
            let StoredSignIns { mut sign_ins, .. } = match seen.take() {
                Some(seen) => seen.or_newer(stored),
                None => StoredSignIns::of(stored),
            };
            let sign_in = self.find_among(&sign_ins, callback)?.clone();
            sign_ins.finish(&sign_in.state, self.logto.now());
            let marked = Secret::from(to_json(&sign_ins)?);
            // If a machine that fails takes this back, it takes back the tokens too, which are written later;
            // and the server takes a code once only.
            let changes = [Change::set(PersistKey::SignInSession, marked.expose())];
            lock.last_write(|| self.storage.update_unsynced(&changes))?;
            Ok(TakenSignIn { sign_in, marked })
        })
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

    /// Verifies the ID token of a sign-in. Without a nonce that was sent, none is asked for.
    pub(super) fn verify(
        &self,
        core: &OidcCore,
        nonce: Option<&Secret>,
        mut tokens: TokenResponse,
    ) -> Result<VerifiedTokens, LogtoError> {
        let id_token = tokens.id_token.take();
        let id_token = id_token.ok_or(ResponseError::IdTokenMissing)?;
        let occasion = Occasion::SignIn {
            nonce,
            access_token: &tokens.access_token,
        };
        let claims = core.verify_on_occasion(id_token.expose(), &self.config().app_id, occasion)?;
        Ok(VerifiedTokens {
            tokens,
            id_token,
            claims,
        })
    }

    /// Finishes this sign-in by `write`, which is given what to store, and the sign-ins that are under
    /// way.
    fn establish(
        &self,
        TakenSignIn { sign_in, marked }: &TakenSignIn,
        verified: VerifiedTokens,
        write: impl Fn(&[Change<'_>], &str) -> Result<(), StorageError>,
    ) -> Result<SignedIn, LogtoError> {
        // A refresh of the old session that is under way ends first, and is then replaced.
        self.lock_to_write(|lock| {
            let stored = self.stored_token(PersistKey::SignInSession)?;
            let sign_ins = match stored {
                Some(stored) if stored == *marked => stored,
                stored => {
                    let StoredSignIns { sign_ins, .. } = StoredSignIns::of(stored);
                    if !sign_ins.has_finished(&sign_in.state) {
                        return Err(CallbackError::SignedOutMeanwhile.into());
                    }
                    Secret::from(to_json(&sign_ins)?)
                }
            };
            self.replace_session(lock, &verified, |changes| write(changes, sign_ins.expose()))
        })?;
        Ok(SignedIn {
            claims: verified.claims,
            post_redirect_uri: sign_in.post_redirect_uri.clone(),
        })
    }

    /// Puts the tokens in the place of all that was there, by `write`.
    pub(super) fn replace_session(
        &self,
        lock: &SessionLock<'_>,
        VerifiedTokens {
            tokens,
            id_token,
            claims,
        }: &VerifiedTokens,
        write: impl FnOnce(&[Change<'_>]) -> Result<(), StorageError>,
    ) -> Result<(), LogtoError> {
        let access_token = self.to_cache(tokens, Some(claims.iat));
        let access_tokens = to_json(&AccessTokenMap {
            x: BTreeMap::from([(String::new(), access_token)]),
        })?;
        let owner = SessionOwner::of(&claims.iss, &claims.sub, claims.sid.as_deref()).to_string();
        let changes = [
            Change::set(PersistKey::Owner, &owner),
            Change {
                key: PersistKey::RefreshToken,
                value: tokens.refresh_token.as_ref().map(Secret::expose),
            },
            Change::remove(PersistKey::PendingRefreshToken),
            Change::set(PersistKey::AccessTokenMap, &access_tokens),
            Change::set(PersistKey::IdToken, id_token.expose()),
        ];
        if let Some(refresh_token) = &tokens.refresh_token {
            lock.include(refresh_token);
        }
        lock.check()?;
        if !lock.is_of_the_storage() {
            // Its changes may not be atomic: better nobody signed in than two users in one session.
            self.storage.update(&NO_TOKENS)?;
        }
        Ok(lock.last_write(|| write(&changes))?)
    }
}

/// The sign-ins under way in the session.
struct StoredSignIns {
    text: Option<Secret>,
    sign_ins: PendingSignIns,
}

impl StoredSignIns {
    fn of(text: Option<Secret>) -> Self {
        let sign_ins = parse_sign_ins(text.as_ref().map(Secret::expose));
        Self { text, sign_ins }
    }

    /// These, if they still are what is stored, which need not be parsed again then.
    fn or_newer(self, text: Option<Secret>) -> Self {
        match text == self.text {
            true => self,
            false => Self::of(text),
        }
    }
}

/// A sign-in whose code nobody else sends.
struct TakenSignIn {
    sign_in: SignInSession,
    /// All sign-ins as they were stored then.
    marked: Secret,
}

/// The tokens of a sign-in, verified, and not stored yet.
pub(super) struct VerifiedTokens {
    tokens: TokenResponse,
    id_token: Secret,
    pub(super) claims: IdTokenClaims,
}
