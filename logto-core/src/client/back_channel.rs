//! The end of sessions that the server asks for.

use std::sync::Arc;

use super::tokens::NO_TOKENS;
use crate::error::{LogtoError, StorageError, StorageErrorKind};
use crate::logto::Logto;
use crate::models::LogoutTokenClaims;
use crate::storage::{FoundSession, OwnerDigest, PersistKey, SessionOwner, SessionStore};

/// How often is looked for sessions that have changed their place meanwhile.
const MOST_ROUNDS: usize = 8;

impl Logto {
    /// Ends the sessions that a logout request names, in the route of the back-channel logout URI
    /// ([Back-Channel Logout, section 2.7](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCActions)),
    /// and returns how many they were. To be answered by [`logout_answer`](Self::logout_answer).
    ///
    /// Those of the token's `sid` end, or without one all of its `sub`. A session of the same user whose
    /// ID token had no `sid` ends too, since nobody can say that it is another one.
    ///
    /// Where it fails, some sessions may have ended, and the server can send its request again.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// use logto::{Logto, SessionStore};
    ///
    /// // POST /backchannel-logout
    /// fn back_channel_logout(
    ///     logto: &Logto,
    ///     store: &dyn SessionStore,
    ///     content_type: Option<&str>,
    ///     body: &[u8],
    /// ) -> http::Response<String> {
    ///     let ended = logto.finish_logout_request(store, content_type, body);
    ///     Logto::logout_answer(&ended)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogoutTokenError`](crate::LogoutTokenError) if the token is refused; then no session has changed.
    /// [`Unsupported`](StorageErrorKind::Unsupported) if the store cannot find sessions by their user.
    /// Else, if the server's keys cannot be had, or a session cannot be read, written or locked.
    pub fn finish_logout_request(
        &self,
        store: &(impl SessionStore + ?Sized),
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<usize, LogtoError> {
        let token = self.verify_logout_request(content_type, body)?;
        let ended = self.end_sessions(store, token.claims())?;
        token.done();
        Ok(ended)
    }

    fn end_sessions(
        &self,
        store: &(impl SessionStore + ?Sized),
        claims: &LogoutTokenClaims,
    ) -> Result<usize, LogtoError> {
        let named = Named::by(claims);
        let mut ended = 0;
        for _ in 0..MOST_ROUNDS {
            let found = named.find(store)?;
            if found.is_empty() {
                return Ok(ended);
            }
            // One that cannot be ended does not save the others.
            let mut failure = None;
            for session in &found {
                match self.end_session(session, &named) {
                    Ok(has_ended) => ended += usize::from(has_ended),
                    Err(error) => failure = Some(error),
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
        let message = "sessions of the user go on being made";
        Err(StorageError::new(StorageErrorKind::Busy, message).into())
    }

    /// Whether it was still the user's. A refresh under way ends first, and cannot bring it back.
    fn end_session(&self, session: &FoundSession, named: &Named) -> Result<bool, LogtoError> {
        let client = self.client(Arc::clone(session.storage()));
        let _lock = client.lock()?;
        if !named.is_of_found(session)? {
            return Ok(false);
        }
        session.storage().update(&NO_TOKENS)?;
        Ok(true)
    }
}

/// Whose sessions end.
struct Named {
    user: Option<OwnerDigest>,
    server_session: Option<OwnerDigest>,
}

impl Named {
    fn by(claims: &LogoutTokenClaims) -> Self {
        let issuer = &claims.iss;
        let of_user = |sub: &String| OwnerDigest::of_user(issuer, sub);
        let of_session = |sid: &String| OwnerDigest::of_server_session(issuer, sid);
        Self {
            user: claims.sub.as_ref().map(of_user),
            server_session: claims.sid.as_ref().map(of_session),
        }
    }

    fn find(
        &self,
        store: &(impl SessionStore + ?Sized),
    ) -> Result<Vec<FoundSession>, StorageError> {
        let mut found: Vec<FoundSession> = Vec::new();
        for digest in [self.server_session, self.user].into_iter().flatten() {
            for session in store.sessions_of(&digest)? {
                let is_known = found.iter().any(|known| known.digest() == session.digest());
                if !is_known && self.is_of_found(&session)? {
                    found.push(session);
                }
            }
        }
        Ok(found)
    }

    fn is_of_found(&self, session: &FoundSession) -> Result<bool, StorageError> {
        let owner = session.storage().get(PersistKey::Owner)?;
        let owner = owner.and_then(|owner| SessionOwner::of_value(&owner));
        Ok(owner.is_some_and(|owner| self.is_of(&owner)))
    }

    fn is_of(&self, owner: &SessionOwner) -> bool {
        let is_of_user = self.user.is_some_and(|user| owner.is(&user));
        match self.server_session {
            None => is_of_user,
            Some(session) => owner.is(&session) || (is_of_user && !owner.has_server_session()),
        }
    }
}
