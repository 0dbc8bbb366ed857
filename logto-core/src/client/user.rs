//! Who is signed in.

use super::LogtoClient;
use super::session_tokens;
use crate::error::LogtoError;
use crate::models::{AccessTokenRequest, IdTokenClaims, UserInfoResponse};
use crate::oidc_core::OidcCore;
use crate::storage::PersistKey;

impl LogtoClient {
    /// Whether a user is signed in: whether the session has an ID token. Asks the storage only; the
    /// server may have ended the session meanwhile.
    ///
    /// # Errors
    ///
    /// If the session cannot be read, which is not the same as nobody being signed in.
    #[doc(alias = "isAuthenticated")]
    pub fn is_authenticated(&self) -> Result<bool, LogtoError> {
        Ok(self.id_token()?.is_some())
    }

    /// The ID token, as it came from the server; `None` if nobody is signed in.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    #[doc(alias = "getIdToken")]
    pub fn id_token(&self) -> Result<Option<String>, LogtoError> {
        let token = self.stored_token(PersistKey::IdToken)?;
        Ok(token.map(|token| token.expose().to_owned()))
    }

    /// The claims of the ID token: who is signed in, as of the sign-in or the last refresh. They were
    /// verified before they were stored.
    ///
    /// # Errors
    ///
    /// [`LogtoError::NotAuthenticated`] if nobody is signed in; else, if the session cannot be read.
    #[doc(alias = "getIdTokenClaims")]
    pub fn id_token_claims(&self) -> Result<IdTokenClaims, LogtoError> {
        OidcCore::decode_id_token(&self.id_token()?.ok_or(LogtoError::NotAuthenticated)?)
    }

    /// The refresh token; `None` if there is none. Do not send it to the server yourself: the client
    /// would not know of the rotated one.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    #[doc(alias = "getRefreshToken")]
    pub fn refresh_token(&self) -> Result<Option<String>, LogtoError> {
        let token = self.stored_refresh_token()?;
        Ok(token.map(|token| token.expose().to_owned()))
    }

    /// Fetches what the server knows of the user now: also what is not in the ID token, such as
    /// custom data. Refreshes the access token if need be, also where the server no longer takes one
    /// that looked fresh.
    ///
    /// # Errors
    ///
    /// Where [`requires_sign_in`](LogtoError::requires_sign_in): nobody is signed in, the server has
    /// ended the session, or the session is [another server's](LogtoError::SessionIssuerMismatch) or
    /// [another application's](LogtoError::SessionAudienceMismatch), and
    /// no token was sent. [`LogtoError::UserInfoSubjectMismatch`] if the answer is about somebody else.
    /// Else, if the server cannot be asked or refuses, or the session cannot be read.
    #[doc(alias = "fetchUserInfo")]
    pub fn fetch_user_info(&self) -> Result<UserInfoResponse, LogtoError> {
        let user_info = match self.user_info_with(AccessTokenRequest::new()) {
            Err(error) if is_token_refused(&error) => {
                self.user_info_with(AccessTokenRequest::new().force_refresh(true))?
            }
            result => result?,
        };
        match user_info.sub == self.id_token_claims()?.sub {
            true => Ok(user_info),
            false => Err(LogtoError::UserInfoSubjectMismatch),
        }
    }

    fn user_info_with(
        &self,
        request: AccessTokenRequest<'_>,
    ) -> Result<UserInfoResponse, LogtoError> {
        // Around the token, because without the lock another session may come in between.
        let before = self.stored_token(PersistKey::IdToken)?;
        let access_token = self
            .access_token(request)?
            .ok_or(LogtoError::NotAuthenticated)?;
        let after = self.stored_token(PersistKey::IdToken)?;
        let core = self.logto.oidc_core()?;
        for id_token in [before, after] {
            self.check_session(session_tokens::claims(id_token.as_ref()).as_ref(), &core)?;
        }
        core.fetch_user_info(&access_token)
    }
}

fn is_token_refused(error: &LogtoError) -> bool {
    error
        .oauth_error()
        .is_some_and(|error| error.status == Some(401) && error.error == "invalid_token")
}
