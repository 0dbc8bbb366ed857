//! Refreshes access tokens, one refresh per session at a time.
//!
//! Logto rotates refresh tokens. It takes a used one for three seconds more, and revokes the whole grant
//! when it is shown one later. So a refresh holds the session's lock, loads the session again after it has the
//! lock, and saves the rotated token before it looks at anything else of the answer. A token that may
//! have been used is sent again within the three seconds or not at all by this call.

use std::time::{Duration, Instant};

use super::LogtoClient;
use super::session::{Draft, SessionLock, Snapshot};
use crate::error::{LogtoError, StorageError, StorageErrorKind};
use crate::http::HttpError;
use crate::oidc::access_token_request::AccessTokenRequest;
use crate::oidc::id_token::{IdTokenClaims, TokenSource};
use crate::oidc::response::ResponseError;
use crate::oidc::token::{RefreshTokenGrant, TokenResponse};
use crate::oidc_core::{OidcCore, Refreshed};
use crate::secret::Secret;
use crate::session::{AccessToken, SessionData};

/// How long after a refresh was begun it may be sent again, because its answer was lost. The rest of
/// the server's three seconds is for the second request to get there.
const RESEND_WITHIN: Duration = Duration::from_secs(1);

/// How long a connection for the second request may take, by name and by socket each.
const CONNECT_WITHIN: Duration = Duration::from_millis(700);

/// How often a refresh is begun again because another holder of the session has changed its tokens.
const MOST_ATTEMPTS: usize = 3;

/// An access token, and the session that it is of.
pub(super) struct ServingToken {
    pub token: Secret,
    pub session: Snapshot,
}

impl LogtoClient {
    /// Returns an access token from the cache or by a refresh; `None` if there is neither.
    pub(super) fn token_for(
        &self,
        request: &AccessTokenRequest<'_>,
    ) -> Result<Option<ServingToken>, LogtoError> {
        let session = self.session.load()?;
        let seen = session.data.access_tokens.x.get(&*request.cache_key());
        if let Some(token) = seen.filter(|token| self.is_fresh(token))
            && !request.force_refresh
        {
            return Ok(Some(serve(token, &session)));
        }
        if session.data.next_refresh_token().is_none() {
            return Ok(None);
        }
        let lock = self.lock()?;
        for _ in 0..MOST_ATTEMPTS {
            let session = self.session.load()?;
            // A thread that waited is served by the refresh that it waited for.
            let cached = session.data.access_tokens.x.get(&*request.cache_key());
            let serves = |token: &&AccessToken| is_newer(token, seen) && self.still_serves(token);
            if let Some(token) = cached.filter(serves)
                && !request.force_refresh
            {
                return Ok(Some(serve(token, &session)));
            }
            let Some(refresh_token) = self.refresh_token_of(&session.data) else {
                return Ok(None);
            };
            match self.refresh(&lock, request, session, &refresh_token)? {
                None => log::debug!("a session has changed during its refresh"),
                token => return Ok(token),
            }
        }
        let message = "the session was changed by others in each attempt to refresh it";
        Err(StorageError::new(StorageErrorKind::Conflict, message).into())
    }

    /// The refresh token to send next.
    pub(super) fn refresh_token_of(&self, data: &SessionData) -> Option<Secret> {
        let saved = data.next_refresh_token()?;
        let unsaved = self.logto.unsaved_tokens().instead_of(saved);
        Some(unsaved.unwrap_or_else(|| saved.clone()))
    }

    /// Returns `None`, and saves nothing, if another holder of the session has changed its tokens meanwhile.
    fn refresh(
        &self,
        lock: &SessionLock<'_>,
        request: &AccessTokenRequest<'_>,
        session: Snapshot,
        sent: &Secret,
    ) -> Result<Option<ServingToken>, LogtoError> {
        let core = self.logto.oidc_core()?;
        let claims = session.claims();
        let is_unverified = session.data.refresh_token.as_ref() != Some(sent);
        self.check_session(claims.as_ref(), &core)?;
        let answer = self.send_refresh(lock, &core, request, sent)?;
        let is_refused = matches!(&answer.tokens, Err(LogtoError::OAuth(error)) if error.error == "invalid_grant");
        if is_refused && !self.forget_refused(session.clone(), sent)? {
            return Ok(None);
        }
        let rotated = answer.refresh_token.filter(|token| token != sent);
        let Some(session) = self.save_rotated(session, sent, rotated.as_ref()) else {
            return Ok(None);
        };
        let tokens = answer.tokens?;
        // Whose a token is that waits for its ID token, only an ID token tells.
        if is_unverified && tokens.id_token.is_none() {
            return Err(ResponseError::IdTokenMissing.into());
        }
        let verified = self.verify_refreshed(&core, &tokens, claims.as_ref())?;
        let known = [Some(sent), rotated.as_ref()];
        let (is_saved, session) = self.session.change_from(session, |draft| {
            let next = self.refresh_token_of(&draft.data);
            if next.is_none() || !known.contains(&next.as_ref()) {
                return Ok::<_, LogtoError>(false);
            }
            self.apply_refreshed(draft, request, &tokens, verified.as_ref(), sent);
            Ok(true)
        })?;
        if !is_saved {
            return Ok(None);
        }
        self.logto.unsaved_tokens().forget(sent);
        let token = tokens.access_token;
        Ok(Some(ServingToken { token, session }))
    }

    /// Forgets a refresh token that is of no use, if it still is the session's. Else another process has
    /// rotated it meanwhile, or a user has signed in.
    fn forget_refused(&self, session: Snapshot, refused: &Secret) -> Result<bool, LogtoError> {
        let (was_the_last, _) = self.session.change_from(session, |draft| {
            let next = self.refresh_token_of(&draft.data);
            let is_the_last = next.as_ref().is_none_or(|next| next == refused);
            if is_the_last {
                draft.data.refresh_token = None;
                draft.data.pending_refresh_token = None;
            }
            Ok::<_, LogtoError>(is_the_last)
        })?;
        self.logto.unsaved_tokens().forget(refused);
        Ok(was_the_last)
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

    /// Makes a rotated refresh token durable, before anything else of the answer is looked at. If that
    /// fails, this process remembers it, and the session may still be saved as a whole. Returns the session as it
    /// is then; `None` if the token that was sent is no longer the session's.
    fn save_rotated(
        &self,
        session: Snapshot,
        sent: &Secret,
        rotated: Option<&Secret>,
    ) -> Option<Snapshot> {
        let Some(rotated) = rotated else {
            return Some(session);
        };
        let saved = self.session.change_from(session.clone(), |draft| {
            let is_ours = self.refresh_token_of(&draft.data).as_ref() == Some(sent);
            if is_ours {
                draft.data.pending_refresh_token = Some(rotated.clone());
            }
            Ok::<_, StorageError>(is_ours)
        });
        match saved {
            Ok((true, session)) => Some(session),
            Ok((false, _)) => None,
            Err(error) => {
                log::warn!("a rotated refresh token could not be saved at once: {error}");
                self.logto.unsaved_tokens().keep(rotated, sent);
                Some(session)
            }
        }
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
        let source = TokenSource::Refresh {
            session,
            access_token: &tokens.access_token,
        };
        let app_id = &self.config().app_id;
        core.verify_id_token_from(id_token.expose(), app_id, source)
            .map(Some)
    }

    fn apply_refreshed(
        &self,
        draft: &mut Draft,
        request: &AccessTokenRequest<'_>,
        tokens: &TokenResponse,
        claims: Option<&IdTokenClaims>,
        sent: &Secret,
    ) {
        let now = self.logto.now();
        let cached = &mut draft.data.access_tokens.x;
        cached.retain(|_, token| now < token.expires_at);
        cached.insert(request.cache_key().into_owned(), self.to_cache(tokens));
        // An answer without a refresh token says to keep the one that was sent.
        let next = tokens.refresh_token.as_ref().unwrap_or(sent);
        draft.data.refresh_token = Some(next.clone());
        draft.data.pending_refresh_token = None;
        if let (Some(id_token), Some(claims)) = (&tokens.id_token, claims) {
            draft.set_id_token(id_token.clone(), claims);
        }
    }

    pub(crate) fn is_fresh(&self, token: &AccessToken) -> bool {
        token.is_fresh(self.logto.now(), self.logto.refresh_leeway())
    }

    /// Whether a token that came while this caller waited is to be handed out: not if the caller has
    /// slept since.
    pub(crate) fn still_serves(&self, token: &AccessToken) -> bool {
        let leeway = self.logto.refresh_leeway().max(60);
        self.logto.now() < token.expires_at.saturating_add(leeway)
    }

    /// The cache's entry for a token that came now. A token whose lifetime is not known is given to those who
    /// waited for it, and not kept.
    pub(crate) fn to_cache(&self, tokens: &TokenResponse) -> AccessToken {
        let now = self.logto.now();
        let lifetime = i64::try_from(tokens.expires_in.unwrap_or(0)).unwrap_or(i64::MAX);
        let leeway = self.logto.refresh_leeway().min(lifetime / 2);
        AccessToken {
            token: tokens.access_token.clone(),
            expires_at: now.saturating_add(lifetime).saturating_sub(leeway),
            cached_at: Some(now),
        }
    }
}

fn serve(token: &AccessToken, session: &Snapshot) -> ServingToken {
    ServingToken {
        token: token.token.clone(),
        session: session.clone(),
    }
}

/// Whether it came while this caller waited; then it serves, however short its life.
pub(crate) fn is_newer(token: &AccessToken, seen: Option<&AccessToken>) -> bool {
    seen.is_none_or(|seen| token.token != seen.token)
}

/// Whether the request may have been carried out, and its answer did not arrive.
fn is_lost(error: &LogtoError) -> bool {
    matches!(error, LogtoError::Http(error) if matches!(**error, HttpError::Interrupted { .. }))
}
