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
    /// ID token had no `sid` ends too, since nobody can say that it is another one. To tell them, the user's
    /// other sessions are read, which counts as a use of them.
    ///
    /// Where it fails, all sessions have ended that could be, and the server can send its request again.
    /// A session that nobody can read any more (damaged, or encrypted with a key that is not there) is
    /// passed over with a warning.
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
            let mut failure = None;
            let found = named.find(store, &mut failure);
            // One that cannot be ended does not save the others.
            for session in &found {
                match self.end_session(session, &named) {
                    Ok(has_ended) => ended += usize::from(has_ended),
                    Err(error) => failure = Some(error),
                }
            }
            match failure {
                Some(error) => return Err(error),
                None if found.is_empty() => return Ok(ended),
                None => {}
            }
        }
        let message = "sessions of the user go on being made";
        Err(StorageError::new(StorageErrorKind::Busy, message).into())
    }

    /// Whether it was still the user's. A refresh under way ends first, and cannot bring it back.
    fn end_session(&self, session: &FoundSession, named: &Named) -> Result<bool, LogtoError> {
        let client = self.client(Arc::clone(session.storage()));
        let lock = client.lock()?;
        if !named.is_of_found(session)? {
            return Ok(false);
        }
        lock.check()?;
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

    /// Those that can be found; `failure` is set to what kept others from it.
    fn find(
        &self,
        store: &(impl SessionStore + ?Sized),
        failure: &mut Option<LogtoError>,
    ) -> Vec<FoundSession> {
        let mut found: Vec<FoundSession> = Vec::new();
        for digest in [self.server_session, self.user].into_iter().flatten() {
            let sessions = store.sessions_of(&digest);
            let sessions = sessions.map_err(|error| *failure = Some(error.into()));
            for session in sessions.unwrap_or_default() {
                let is_known = found.iter().any(|known| known.digest() == session.digest());
                if is_known {
                    continue;
                }
                match self.is_of_found(&session) {
                    Ok(true) => found.push(session),
                    Ok(false) => {}
                    Err(error) => *failure = Some(error.into()),
                }
            }
        }
        found
    }

    fn is_of_found(&self, session: &FoundSession) -> Result<bool, StorageError> {
        let owner = match session.storage().get(PersistKey::Owner) {
            Err(error) if error.is_for_good() => {
                log::warn!("a session that cannot be read is passed over at a logout: {error}");
                None
            }
            owner => owner?,
        };
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
