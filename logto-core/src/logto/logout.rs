//! A sign-out that the server tells of.

use std::fmt;

use http::Response;

use super::Logto;
use super::seen_tokens::Digest;
use crate::error::{LogoutTokenError, LogtoError};
use crate::models::LogoutTokenClaims;
use crate::oidc::jwt::{Jwt, TokenKind};
use crate::oidc::logout_token::{self, Expected};

impl Logto {
    /// Verifies the request by which the server tells of a sign-out, in the route of the back-channel
    /// logout URI ([Back-Channel Logout, section 2.5](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest)):
    /// a POST with a form. The body is to be read to 64 KiB at most. For a program that ends sessions in its
    /// own way; [`finish_logout_request`](Self::finish_logout_request) ends those of a store.
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
    ///     Logto::logout_answer(&ended)
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
    /// As of [`verify_logout_request`](Self::verify_logout_request).
    pub fn verify_logout_token(
        &self,
        logout_token: &str,
    ) -> Result<VerifiedLogoutToken, LogtoError> {
        let jwt = Jwt::parse(logout_token).map_err(LogoutTokenError::from)?;
        let algorithm = jwt
            .algorithm(TokenKind::Logout)
            .map_err(LogoutTokenError::from)?;
        let core = self.oidc_core()?;
        core.verify_signature(&jwt, algorithm)?
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
    pub fn logout_answer<T>(result: &Result<T, LogtoError>) -> Response<String> {
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

#[cfg(test)]
mod tests;
