//! The end of sessions that the server asks for.

use std::collections::BTreeSet;

use crate::client::{Draft, Session};
use crate::error::{LogtoError, StorageError};
use crate::logto::Logto;
use crate::oidc::logout_token::LogoutTokenClaims;
use crate::storage::{OwnerDigest, SessionKey, SessionOwner, Storage};

impl Logto {
    /// Ends the sessions that a logout request names, in the route of the back-channel logout URI
    /// ([Back-Channel Logout, section 2.7](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCActions)),
    /// and returns how many they were. To be answered by [`back_channel_logout_response`](Self::back_channel_logout_response).
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
    /// use logto::{Logto, MemoryStorage};
    ///
    /// // POST /backchannel-logout
    /// fn back_channel_logout(
    ///     logto: &Logto,
    ///     storage: &MemoryStorage, // or any other
    ///     content_type: Option<&str>,
    ///     body: &[u8],
    /// ) -> http::Response<String> {
    ///     let ended = logto.handle_back_channel_logout(storage, content_type, body);
    ///     Logto::back_channel_logout_response(&ended)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogoutTokenError`](crate::LogoutTokenError) if the token is refused; then no session has changed.
    /// [`Unsupported`](crate::StorageErrorKind::Unsupported) if the storage cannot find sessions by their user.
    /// Else, if the server's keys cannot be had, or a session cannot be read or written.
    pub fn handle_back_channel_logout(
        &self,
        storage: &(impl Storage + Clone + 'static),
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<usize, LogtoError> {
        let token = self.verify_logout_request(content_type, body)?;
        let ended = self.end_sessions(storage, token.claims())?;
        token.done();
        Ok(ended)
    }

    fn end_sessions(
        &self,
        storage: &(impl Storage + Clone + 'static),
        claims: &LogoutTokenClaims,
    ) -> Result<usize, LogtoError> {
        let named = Named::by(claims);
        let (mut ended, mut failure) = (0, None);
        for key in named.find(storage)? {
            // One that cannot be ended does not save the others.
            match Session::new(storage.clone(), key)
                .change(|draft| Ok::<_, StorageError>(named.end(draft)))
            {
                Ok(has_ended) => ended += usize::from(has_ended),
                Err(error) if error.is_permanent() => {
                    log::warn!("a logout passes over a session that cannot be read: {error}");
                }
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(ended), |error: StorageError| Err(error.into()))
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

    fn find(&self, storage: &impl Storage) -> Result<BTreeSet<SessionKey>, StorageError> {
        let mut found = BTreeSet::new();
        for digest in [self.server_session, self.user].into_iter().flatten() {
            found.extend(storage.find(&digest)?);
        }
        Ok(found)
    }

    /// Whether it was still the user's. A refresh that is under way finds its session changed, and cannot bring it
    /// back.
    fn end(&self, draft: &mut Draft) -> bool {
        let is_named = draft.owner.is_some_and(|owner| self.is(&owner));
        if is_named {
            draft.clear_tokens();
        }
        is_named
    }

    fn is(&self, owner: &SessionOwner) -> bool {
        let is_of_user = self.user.is_some_and(|user| owner.matches(&user));
        match self.server_session {
            None => is_of_user,
            Some(session) => {
                owner.matches(&session) || (is_of_user && owner.server_session().is_none())
            }
        }
    }
}
