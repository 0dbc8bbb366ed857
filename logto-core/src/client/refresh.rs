//! How an access token is had by the refresh token, without signing the user out by a race.
//!
//! Logto rotates refresh tokens, takes a used one for three seconds more, and revokes the whole grant
//! when it is shown one later. So: one refresh per session at a time, under the session's lock; a
//! look at the storage after the lock was had; the rotated token durable before anything else; and a
//! token that may have been used is sent again within those seconds or, in this call, not at all.

use std::time::{Duration, Instant};

use super::LogtoClient;
use super::stored::{Freshness, SessionLock, Unstored, to_json};
use crate::error::{HttpError, LogtoError, StorageError, StorageErrorKind};
use crate::models::{AccessTokenRequest, IdTokenClaims, TokenResponse};
use crate::oidc::id_token::Occasion;
use crate::oidc::token::RefreshTokenGrant;
use crate::oidc_core::{OidcCore, Refreshed};
use crate::secret::Secret;
use crate::session::{AccessToken, PendingRefreshToken};
use crate::storage::{Change, PersistKey, SessionOwner};

/// How long after a refresh was begun it may be sent again, because its answer was lost. The rest of
/// the server's three seconds is for the second request to get there.
const RESEND_WITHIN: Duration = Duration::from_secs(1);

/// How long a connection for the second request may take, by name and by socket each.
const CONNECT_WITHIN: Duration = Duration::from_millis(700);

/// How often a refresh is begun anew because somebody without the lock has rotated the token.
const MOST_ATTEMPTS: usize = 3;

impl LogtoClient {
    pub(super) fn token_for(
        &self,
        request: &AccessTokenRequest<'_>,
    ) -> Result<Option<String>, LogtoError> {
        let tokens = self.stored_access_tokens()?;
        let seen = tokens.x.get(&*request.cache_key());
        if let Some(token) = seen
            && !request.force_refresh
        {
            match self.freshness(token) {
                Freshness::Fresh => return Ok(expose(token)),
                Freshness::Due => return self.refresh_early(request, token),
                Freshness::Stale => {}
            }
        }
        if self.stored_refresh_token()?.is_none() {
            return Ok(None);
        }
        let lock = self.lock()?;
        self.token_under_lock(&lock, request, seen)
    }

    /// The first caller in the last seconds of a token replaces it; the others go on with it, and so
    /// does the first if that fails.
    fn refresh_early(
        &self,
        request: &AccessTokenRequest<'_>,
        token: &AccessToken,
    ) -> Result<Option<String>, LogtoError> {
        let Ok(lock) = self.try_lock() else {
            return Ok(expose(token));
        };
        let failure = match self.token_under_lock(&lock, request, Some(token)) {
            Ok(Some(newer)) => return Ok(Some(newer)),
            Ok(None) => None,
            Err(error) if error.requires_sign_in() => return Err(error),
            Err(error) => {
                log::warn!("an access token could not be replaced before it expires: {error}");
                self.logto.note_failed_early_refresh();
                Some(error)
            }
        };
        // The session may have ended, or become somebody else's, since the token was read.
        let tokens = self.stored_access_tokens()?;
        match (tokens.x.get(&*request.cache_key()), failure) {
            (Some(stored), _) if stored.token == token.token => Ok(expose(token)),
            (_, Some(error)) => Err(error),
            (_, None) => Ok(None),
        }
    }

    /// What has come into the cache since `seen`, or else a new one.
    fn token_under_lock(
        &self,
        lock: &SessionLock<'_>,
        request: &AccessTokenRequest<'_>,
        seen: Option<&AccessToken>,
    ) -> Result<Option<String>, LogtoError> {
        let mut attempts = 1;
        loop {
            let tokens = self.stored_access_tokens()?;
            let cached = tokens.x.get(&*request.cache_key());
            let serves = |token: &&AccessToken| is_newer(token, seen) && self.still_serves(token);
            if let Some(token) = cached.filter(serves)
                && !request.force_refresh
            {
                return Ok(expose(token));
            }
            let session = self.session_tokens(lock)?;
            let Some(refresh_token) = &session.refresh_token else {
                return Ok(None);
            };
            match self.refresh(lock, request, refresh_token, session.claims().as_ref()) {
                Err(error) if is_invalid_grant(&error) => {
                    if !self.is_replaced(refresh_token)? || attempts == MOST_ATTEMPTS {
                        return Err(error);
                    }
                    attempts += 1;
                }
                // Whoever is signed in now, if anybody, is looked at anew.
                Ok(None) if attempts < MOST_ATTEMPTS => attempts += 1,
                Ok(None) => return Err(taken_over().into()),
                result => return result,
            }
        }
    }

    /// After a refusal: whether somebody without the lock has rotated the token meanwhile, or signed
    /// in. If it is still the one that was sent, it is forgotten.
    fn is_replaced(&self, refused: &Secret) -> Result<bool, LogtoError> {
        let Some(stored) = self.stored_refresh_token()? else {
            return Ok(false);
        };
        if stored != *refused {
            return Ok(true);
        }
        self.storage.update(&[
            Change::remove(PersistKey::RefreshToken),
            Change::remove(PersistKey::PendingRefreshToken),
        ])?;
        Ok(false)
    }

    /// `None` if the session has ended meanwhile, or become another one; nothing is stored then.
    fn refresh(
        &self,
        lock: &SessionLock<'_>,
        request: &AccessTokenRequest<'_>,
        refresh_token: &Secret,
        session: Option<&IdTokenClaims>,
    ) -> Result<Option<String>, LogtoError> {
        let core = self.logto.oidc_core()?;
        self.check_session(session, &core)?;
        let answer = self.send_refresh(lock, &core, request, refresh_token)?;
        let rotated = answer.refresh_token.filter(|token| token != refresh_token);
        if let Some(rotated) = &rotated {
            self.keep_rotated(lock, rotated, refresh_token);
        }
        let tokens = answer.tokens?;
        let claims = self.verify_refreshed(&core, &tokens, session)?;
        lock.check()?;
        if !self.is_still(&[Some(refresh_token), rotated.as_ref()])? {
            log::debug!("a session has ended while its access token was on the way");
            return Ok(None);
        }
        let key = request.cache_key();
        self.store_refreshed(lock, &key, &tokens, claims.as_ref(), session)?;
        Unstored::forget(refresh_token);
        Ok(Some(tokens.access_token.expose().to_owned()))
    }

    /// Whether the refresh token of the session is one of these. Without a lock of the storage, or when
    /// that was lost, others may have ended the session while the request was under way.
    fn is_still(&self, known: &[Option<&Secret>]) -> Result<bool, StorageError> {
        let stored = self.stored_refresh_token()?;
        Ok(stored.is_some() && known.contains(&stored.as_ref()))
    }

    fn send_refresh(
        &self,
        lock: &SessionLock<'_>,
        core: &OidcCore,
        request: &AccessTokenRequest<'_>,
        refresh_token: &Secret,
    ) -> Result<Refreshed, LogtoError> {
        let config = self.config();
        let grant = RefreshTokenGrant {
            client_id: &config.app_id,
            client_secret: config.app_secret.as_ref().map(Secret::expose),
            refresh_token: refresh_token.expose(),
            resource: request.resource,
            organization_id: request.organization_id,
        };
        lock.check()?;
        let begun = Instant::now();
        match core.refresh(&grant, None) {
            Err(error) if is_lost(&error) && begun.elapsed() < RESEND_WITHIN => {
                lock.check()?;
                core.refresh(&grant, Some(CONNECT_WITHIN))
            }
            result => result,
        }
    }

    /// Whether a token that came while this caller waited is to be handed out: not if the caller has
    /// slept since.
    pub(super) fn still_serves(&self, token: &AccessToken) -> bool {
        let margin = self.logto.access_token_margin().max(60);
        self.logto.token_time() < token.expires_at.saturating_add(margin)
    }

    /// Makes a rotated refresh token durable, before anything else of the answer is looked at. If that
    /// fails, this process remembers it, and the session may still be written as a whole.
    fn keep_rotated(&self, lock: &SessionLock<'_>, rotated: &Secret, sent: &Secret) {
        lock.include(rotated);
        if let Err(error) = self.store_pending(rotated, sent) {
            log::warn!("a rotated refresh token could not be kept at once: {error}");
            Unstored::keep(rotated, sent);
        }
    }

    fn store_pending(&self, rotated: &Secret, sent: &Secret) -> Result<(), StorageError> {
        let is_ours = self.is_still(&[Some(sent)])?;
        let stored = self.stored_token(PersistKey::RefreshToken)?;
        let Some(stored) = stored.filter(|_| is_ours) else {
            return Ok(());
        };
        let pending = PendingRefreshToken::new(rotated.clone(), &stored);
        let text = to_json(&pending)?;
        self.storage
            .set(PersistKey::PendingRefreshToken, Some(&text))
    }

    /// OpenID Connect Core, section 12.2. A refresh for which the server gives no ID token has none
    /// to check.
    fn verify_refreshed(
        &self,
        core: &OidcCore,
        tokens: &TokenResponse,
        session: Option<&IdTokenClaims>,
    ) -> Result<Option<IdTokenClaims>, LogtoError> {
        let Some(id_token) = &tokens.id_token else {
            return Ok(None);
        };
        let occasion = Occasion::Refresh {
            session,
            access_token: &tokens.access_token,
        };
        let app_id = &self.config().app_id;
        core.verify_on_occasion(id_token.expose(), app_id, occasion)
            .map(Some)
    }

    fn store_refreshed(
        &self,
        lock: &SessionLock<'_>,
        key: &str,
        tokens: &TokenResponse,
        claims: Option<&IdTokenClaims>,
        session: Option<&IdTokenClaims>,
    ) -> Result<(), LogtoError> {
        let mut access_tokens = (*self.stored_access_tokens()?).clone();
        let now = self.logto.token_time();
        access_tokens.x.retain(|_, token| now < token.expires_at);
        let access_token = self.to_cache(tokens, claims.map(|claims| claims.iat));
        access_tokens.x.insert(key.to_owned(), access_token);
        let access_tokens = to_json(&access_tokens)?;
        let owner = claims
            .map(|claims| self.unrecorded_owner(claims, session))
            .transpose()?;
        let owner = owner.flatten().map(|owner| owner.to_string());
        let mut changes = vec![
            Change::remove(PersistKey::PendingRefreshToken),
            Change::set(PersistKey::AccessTokenMap, &access_tokens),
        ];
        // An answer without a refresh token says to keep the one that was sent.
        let kept = match &tokens.refresh_token {
            Some(rotated) => Some(rotated.clone()),
            None => self.stored_refresh_token()?,
        };
        let new = [
            (PersistKey::RefreshToken, &kept),
            (PersistKey::IdToken, &tokens.id_token),
        ];
        changes.extend(
            new.into_iter()
                .filter_map(|(key, token)| Some(Change::set(key, token.as_ref()?.expose()))),
        );
        changes.extend(
            owner
                .as_deref()
                .map(|owner| Change::set(PersistKey::Owner, owner)),
        );
        Ok(lock.last_write(|| self.storage.update(&changes))?)
    }

    /// Whose session it is, if that is not what is stored: another SDK stores no owner, and then nothing
    /// would find the session. A refresh need not name the server's session again.
    fn unrecorded_owner(
        &self,
        claims: &IdTokenClaims,
        session: Option<&IdTokenClaims>,
    ) -> Result<Option<SessionOwner>, StorageError> {
        let stored = match self.storage.get(PersistKey::Owner) {
            Err(error) if error.is_for_good() => None,
            stored => stored?,
        };
        let stored = stored.and_then(|owner| SessionOwner::of_value(&owner));
        let named = claims.sid.as_deref().filter(|sid| !sid.is_empty());
        let sid = named.or(session.and_then(|session| session.sid.as_deref()));
        let owner = SessionOwner::of(&claims.iss, &claims.sub, sid);
        Ok(match stored {
            Some(stored) => Some(owner.or_session_of(&stored)).filter(|owner| *owner != stored),
            None => Some(owner),
        })
    }
}

/// Whether it came while this caller waited; then it serves, however short its life.
fn is_newer(token: &AccessToken, seen: Option<&AccessToken>) -> bool {
    seen.is_none_or(|seen| token.token != seen.token)
}

fn taken_over() -> StorageError {
    let message = "others go on writing to the session while its access token is on the way";
    StorageError::new(StorageErrorKind::Busy, message)
}

fn expose(token: &AccessToken) -> Option<String> {
    Some(token.token.expose().to_owned())
}

fn is_invalid_grant(error: &LogtoError) -> bool {
    error
        .oauth_error()
        .is_some_and(|error| error.error == "invalid_grant")
}

/// Whether the request may have been carried out, and its answer did not arrive.
fn is_lost(error: &LogtoError) -> bool {
    matches!(error, LogtoError::Http(error) if matches!(**error, HttpError::Interrupted { .. }))
}
