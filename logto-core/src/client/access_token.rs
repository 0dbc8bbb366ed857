//! Access tokens.

use super::LogtoClient;
use super::refresh::ServingToken;
use crate::config::ConfigError;
use crate::error::{LogtoError, StorageError};
use crate::oidc::access_token::AccessTokenClaims;
use crate::oidc::access_token_request::AccessTokenRequest;
use crate::oidc_core::OidcCore;
use crate::session::AccessTokenMap;
use crate::utilities::organization_id_from_urn;

impl LogtoClient {
    /// An access token for an API resource, by its indicator, or with `None` (or `""`) the one without
    /// a resource, which is for the user info endpoint.
    ///
    /// It comes from the cache while it is fresh for another minute, without lock or network.
    /// Otherwise one caller at a time, among all threads and processes that share the session, refreshes it, and
    /// callers that waited get the new token. Returns `None` if there is neither a fresh token nor a refresh
    /// token: no user is signed in, or the server has ended the session and an earlier call has returned that
    /// error.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{AccessTokenRequest, LogtoClient, LogtoError};
    /// # fn example(client: &LogtoClient) -> Result<(), LogtoError> {
    /// let token = client
    ///     .access_token("https://api.example.com")?
    ///     .ok_or(LogtoError::NotAuthenticated)?;
    /// let header = format!("Authorization: Bearer {token}");
    ///
    /// // For that API in one organization:
    /// let request = AccessTokenRequest::from("https://api.example.com").organization("org_1");
    /// let token = client.access_token(request)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`ConfigError::UnknownResource`] if the resource is not among
    ///   [`LogtoConfig::resources`](crate::LogtoConfig::resources).
    /// - Where [`requires_sign_in`](LogtoError::requires_sign_in): the server no longer accepts the
    ///   refresh token, which is then gone from the session; or the session is
    ///   [another server's](LogtoError::SessionIssuerMismatch) or [another
    ///   application's](LogtoError::SessionAudienceMismatch), and the token was not sent.
    /// - Where [`is_retryable`](LogtoError::is_retryable): the server could not be had, or the session
    ///   is locked by somebody else for too long. The tokens are then what they were.
    /// - Else, if the server refuses or answers with something else, or the session cannot be read or
    ///   written.
    #[doc(alias = "getAccessToken")]
    pub fn access_token<'a>(
        &self,
        request: impl Into<AccessTokenRequest<'a>>,
    ) -> Result<Option<String>, LogtoError> {
        let request = request.into();
        let serving = self.checked_token(&request)?;
        Ok(serving.map(|serving| serving.token.expose().to_owned()))
    }

    /// An access token for an organization; like [`access_token`](Self::access_token). The sign-in
    /// must have asked for [`UserInfoScope::Organizations`](crate::UserInfoScope::Organizations).
    ///
    /// # Errors
    ///
    /// Same as [`access_token`](Self::access_token); `access_denied` where the user is not a member.
    #[doc(alias = "getOrganizationToken")]
    pub fn organization_token(&self, organization_id: &str) -> Result<Option<String>, LogtoError> {
        self.access_token(AccessTokenRequest::new().organization(organization_id))
    }

    /// The claims of an access token; see [`access_token`](Self::access_token).
    ///
    /// # Errors
    ///
    /// Same as [`access_token`](Self::access_token); [`LogtoError::NotAuthenticated`] if there is none;
    /// [`JwtError`](crate::JwtError) if it is opaque, as the one without a resource is.
    #[doc(alias = "getAccessTokenClaims")]
    pub fn access_token_claims<'a>(
        &self,
        request: impl Into<AccessTokenRequest<'a>>,
    ) -> Result<AccessTokenClaims, LogtoError> {
        let token = self
            .access_token(request)?
            .ok_or(LogtoError::NotAuthenticated)?;
        OidcCore::decode_access_token(&token)
    }

    /// The claims of the access token for an organization.
    ///
    /// # Errors
    ///
    /// Same as [`organization_token`](Self::organization_token); [`LogtoError::NotAuthenticated`] if
    /// there is none.
    #[doc(alias = "getOrganizationTokenClaims")]
    pub fn organization_token_claims(
        &self,
        organization_id: &str,
    ) -> Result<AccessTokenClaims, LogtoError> {
        self.access_token_claims(AccessTokenRequest::new().organization(organization_id))
    }

    /// Empties the cache of access tokens, so that the next call for each refreshes it, because the
    /// user's permissions have changed, say. The user stays signed in.
    ///
    /// # Errors
    ///
    /// If the session cannot be read or written.
    pub fn clear_access_tokens(&self) -> Result<(), LogtoError> {
        self.session.change(|draft| {
            draft.data.access_tokens = AccessTokenMap::default();
            Ok(())
        })
    }

    /// Forgets all tokens without asking the server: the user is signed out here, and nowhere else.
    /// Use [`sign_out`](Self::sign_out) wherever the server can be reached. A session that cannot be read, because it is
    /// damaged or sealed with another key, is removed, so that the user can sign in again.
    ///
    /// # Errors
    ///
    /// If the session cannot be read or written.
    pub fn clear_all_tokens(&self) -> Result<(), LogtoError> {
        let cleared: Result<(), StorageError> = self.session.change(|draft| {
            draft.clear_tokens();
            Ok(())
        });
        match cleared {
            Err(error) if error.is_permanent() => Ok(self.session.remove()?),
            outcome => Ok(outcome?),
        }
    }

    pub(super) fn checked_token(
        &self,
        request: &AccessTokenRequest<'_>,
    ) -> Result<Option<ServingToken>, LogtoError> {
        self.check_resource(request.resource)?;
        self.token_for(request)
    }

    /// A public client's refresh token is rotated before the server looks at the resource.
    fn check_resource(&self, resource: &str) -> Result<(), ConfigError> {
        let is_known = resource.is_empty()
            || organization_id_from_urn(resource).is_some()
            || self
                .config()
                .resources
                .iter()
                .any(|known| known == resource);
        match is_known {
            true => Ok(()),
            false => Err(ConfigError::UnknownResource {
                resource: resource.to_owned(),
            }),
        }
    }
}
