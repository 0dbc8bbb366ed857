//! A sign-out that the server tells of.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use http::Response;

use super::Logto;
use crate::crypto::sha256;
use crate::error::LogtoError;
use crate::oidc::id_token::TokenSource;
use crate::oidc::jwt::{Jwt, TokenKind};
use crate::oidc::logout_token::{self, Expected, LogoutTokenClaims, LogoutTokenError};
use crate::utilities::unpoisoned;

impl Logto {
    /// Verifies the request by which the server tells of a sign-out, in the route of the back-channel
    /// logout URI ([Back-Channel Logout, section 2.5](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest)):
    /// a POST with a form. The body is to be read to 64 KiB at most. For a program that ends sessions in its
    /// own way; [`handle_back_channel_logout`](Self::handle_back_channel_logout) ends those of a store.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// use logto::{Logto, LogoutTokenClaims, LogtoError};
    ///
    /// fn back_channel_logout(
    ///     logto: &Logto,
    ///     content_type: Option<&str>,
    ///     body: &[u8],
    /// ) -> http::Response<String> {
    ///     let ended = logto.verify_logout_request(content_type, body).and_then(|token| {
    ///         end_sessions(token.claims())?;
    ///         token.done();
    ///         Ok(())
    ///     });
    ///     Logto::back_channel_logout_response(&ended)
    /// }
    /// # fn end_sessions(_: &LogoutTokenClaims) -> Result<(), LogtoError> { Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogoutTokenError`] if it is refused; else, if the server's keys cannot be had.
    pub fn verify_logout_request(
        &self,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<VerifiedLogoutToken, LogtoError> {
        self.verify_logout_token(&logout_token::from_form(content_type, body)?)
    }

    /// Verifies a logout token: that it is the server's, for this application, valid now, and not used
    /// before ([Back-Channel Logout, section 2.6](https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation)).
    ///
    /// It is taken from here on, and a second one with its `jti` is refused, until what is returned is
    /// dropped. Call [`done`](VerifiedLogoutToken::done) once the sessions have ended: then it stays
    /// taken until it has expired. So the server can send it again where ending the sessions has
    /// failed.
    ///
    /// Used tokens are remembered in this process: another one that shares the sessions takes the token
    /// once more, within the ten minutes and some that it is valid at most.
    ///
    /// # Errors
    ///
    /// Same as [`verify_logout_request`](Self::verify_logout_request).
    pub fn verify_logout_token(
        &self,
        logout_token: &str,
    ) -> Result<VerifiedLogoutToken, LogtoError> {
        let jwt = Jwt::parse(logout_token).map_err(LogoutTokenError::from)?;
        let algorithm = jwt
            .algorithm(TokenKind::Logout)
            .map_err(LogoutTokenError::from)?;
        let core = self.oidc_core()?;
        core.verify_signature(&jwt, algorithm, TokenSource::Unknown)?
            .map_err(LogoutTokenError::from)?;
        let now = self.now();
        let expected = Expected {
            issuer: &core.metadata().issuer,
            client_id: &self.config().app_id,
            now,
            clock_tolerance: self.clock_tolerance(),
        };
        let claims = logout_token::check(&jwt, &expected)?;
        let until = claims.exp.saturating_add(self.clock_tolerance());
        let taken = self.inner.seen_tokens.take(&claims.jti, until, now);
        Ok(VerifiedLogoutToken {
            digest: taken.ok_or(LogoutTokenError::AlreadyUsed)?,
            logto: self.clone(),
            claims,
            is_done: false,
        })
    }

    /// What to answer to a logout request: 200, or 400 with a JSON body, and that no cache keeps it
    /// ([Back-Channel Logout, section 2.8](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCResponse)).
    /// A failure of this program is a 400 too, as the specification says.
    pub fn back_channel_logout_response<T>(result: &Result<T, LogtoError>) -> Response<String> {
        logout_token::answer(result)
    }
}

/// A logout token that is good and was not used before: it says whose sessions are to end.
#[must_use = "the sessions have not ended yet; call `done` when they have"]
pub struct VerifiedLogoutToken {
    logto: Logto,
    claims: LogoutTokenClaims,
    digest: Digest,
    is_done: bool,
}

impl VerifiedLogoutToken {
    /// Whose sessions are to end: those of `sid`, or without one all of `sub`.
    pub fn claims(&self) -> &LogoutTokenClaims {
        &self.claims
    }

    /// The sessions have ended: the token is used up.
    pub fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for VerifiedLogoutToken {
    /// A token whose sessions have not ended may come again.
    fn drop(&mut self) {
        if !self.is_done {
            self.logto.inner.seen_tokens.release(&self.digest);
        }
    }
}

impl fmt::Debug for VerifiedLogoutToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedLogoutToken")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// How many are remembered. Only the server's own tokens are, each for ten minutes and some; where there
/// are more, those go that expire first.
const CAPACITY: usize = 16 * 1024;

/// The SHA-256 of a token's id, so that each takes the same little room.
pub(super) type Digest = [u8; 32];

/// Remembers each token until it has expired: its digest, and until when in Unix seconds.
#[derive(Default)]
pub(super) struct ReplayCache(Mutex<HashMap<Digest, i64>>);

impl ReplayCache {
    /// Remembers the token of this id until then, in Unix seconds; `None` if it is remembered already.
    pub fn take(&self, id: &str, until: i64, now: i64) -> Option<Digest> {
        let digest = sha256(id.as_bytes());
        let mut seen = unpoisoned(&self.0);
        if seen.get(&digest).is_some_and(|until| now < *until) {
            return None;
        }
        if seen.len() >= CAPACITY {
            seen.retain(|_, until| now < *until);
        }
        if seen.len() >= CAPACITY {
            let first = seen.iter().min_by_key(|(_, until)| **until);
            first
                .map(|(digest, _)| *digest)
                .map(|first| seen.remove(&first));
        }
        seen.insert(digest, until);
        Some(digest)
    }

    /// Forgets a token, so that it may come again.
    pub fn release(&self, digest: &Digest) {
        unpoisoned(&self.0).remove(digest);
    }
}

#[cfg(test)]
mod replay_tests {
    use super::*;

    #[test]
    fn a_token_is_taken_once_until_it_expires() {
        let seen = ReplayCache::default();
        let digest = seen.take("a", 100, 0).unwrap();
        assert!(seen.take("a", 100, 99).is_none());
        assert!(seen.take("b", 100, 99).is_some());
        assert!(seen.take("a", 200, 100).is_some(), "it has expired");
        seen.release(&digest);
        assert!(seen.take("a", 200, 101).is_some(), "it was given back");
    }

    #[test]
    fn those_that_expire_first_make_room() {
        let seen = ReplayCache::default();
        for n in 0..=CAPACITY {
            assert!(seen.take(&n.to_string(), 1000 + n as i64, 0).is_some());
        }
        assert!(seen.take("0", 1000, 0).is_some(), "forgotten");
        let last = CAPACITY.to_string();
        assert!(seen.take(&last, 1000, 0).is_none(), "remembered");
        assert_eq!(unpoisoned(&seen.0).len(), CAPACITY);
    }
}

#[cfg(test)]
mod tests;
