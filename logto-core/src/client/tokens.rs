//! Access tokens: from the cache while they are fresh, else by the refresh token.

use super::LogtoClient;
use super::stored::to_json;
use crate::error::{ConfigError, LogtoError};
use crate::models::{AccessTokenClaims, TokenResponse};
use crate::oidc::id_token::Occasion;
use crate::oidc::token::RefreshTokenGrant;
use crate::oidc_core::OidcCore;
use crate::secret::Secret;
use crate::storage::{Change, PersistKey};
use crate::utilities::{build_organization_urn, organization_id_from_urn};

impl LogtoClient {
    /// An access token for an API resource, by its indicator, or with `None` (or `""`) the one without
    /// a resource, which is for the user info endpoint.
    ///
    /// It comes from the cache while it is fresh for another minute. Otherwise it is had by the
    /// refresh token: one call at a time per session, so that a rotated refresh token is not sent
    /// twice. Returns `None` if there is neither a fresh token nor a refresh token.
    ///
    /// ```no_run
    /// # use logto_core::{LogtoClient, LogtoError};
    /// # fn example(client: &LogtoClient) -> Result<(), LogtoError> {
    /// let token = client
    ///     .access_token("https://api.example.com")?
    ///     .ok_or(LogtoError::NotAuthenticated)?;
    /// let header = format!("Authorization: Bearer {token}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownResource`] if the resource is not among
    /// [`LogtoConfig::resources`](crate::LogtoConfig::resources); else, if the server cannot be asked
    /// or refuses, or the session cannot be read, written or locked. The session is then what it was.
    #[doc(alias = "getAccessToken")]
    pub fn access_token<'a>(
        &self,
        resource: impl Into<Option<&'a str>>,
    ) -> Result<Option<String>, LogtoError> {
        self.token_for(resource.into().unwrap_or_default())
    }

    /// An access token for an organization; like [`access_token`](Self::access_token). The sign-in
    /// must have asked for [`UserInfoScope::Organizations`](crate::UserInfoScope::Organizations).
    ///
    /// # Errors
    ///
    /// As of [`access_token`](Self::access_token); `access_denied` where the user is not a member.
    #[doc(alias = "getOrganizationToken")]
    pub fn organization_token(&self, organization_id: &str) -> Result<Option<String>, LogtoError> {
        self.token_for(&build_organization_urn(organization_id))
    }

    /// The claims of the access token for an API resource, by its indicator.
    ///
    /// # Errors
    ///
    /// As of [`access_token`](Self::access_token); [`LogtoError::NotAuthenticated`] if there is none;
    /// [`JwtError`](crate::JwtError) if it is opaque, as the one without a resource is.
    #[doc(alias = "getAccessTokenClaims")]
    pub fn access_token_claims<'a>(
        &self,
        resource: impl Into<Option<&'a str>>,
    ) -> Result<AccessTokenClaims, LogtoError> {
        claims(self.access_token(resource)?)
    }

    /// The claims of the access token for an organization.
    ///
    /// # Errors
    ///
    /// As of [`organization_token`](Self::organization_token); [`LogtoError::NotAuthenticated`] if
    /// there is none.
    #[doc(alias = "getOrganizationTokenClaims")]
    pub fn organization_token_claims(
        &self,
        organization_id: &str,
    ) -> Result<AccessTokenClaims, LogtoError> {
        claims(self.organization_token(organization_id)?)
    }

    fn token_for(&self, resource: &str) -> Result<Option<String>, LogtoError> {
        self.check_resource(resource)?;
        if let Some(token) = self.fresh_token(resource)? {
            return Ok(Some(token));
        }
        if self.refresh_token()?.is_none() {
            return Ok(None);
        }
        let _lock = self.lock()?;
        // The one who had the lock before may have refreshed, or signed out.
        if let Some(token) = self.fresh_token(resource)? {
            return Ok(Some(token));
        }
        match self.refresh_token()? {
            Some(refresh_token) => self.refresh(resource, &refresh_token).map(Some),
            None => Ok(None),
        }
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

    fn fresh_token(&self, resource: &str) -> Result<Option<String>, LogtoError> {
        let tokens = self.stored_access_tokens()?;
        let now = self.logto.now();
        Ok(tokens
            .x
            .get(resource)
            .filter(|cached| cached.expires_at > now)
            .map(|cached| cached.token.expose().to_owned()))
    }

    /// Under the lock only.
    fn refresh(&self, resource: &str, refresh_token: &str) -> Result<String, LogtoError> {
        let core = self.logto.oidc_core()?;
        let config = self.config();
        let tokens = core.fetch_token_by_refresh_token(&RefreshTokenGrant {
            client_id: &config.app_id,
            client_secret: config.app_secret.as_ref().map(Secret::expose),
            refresh_token,
            resource,
            organization_id: None,
        })?;
        self.verify_refreshed(&core, &tokens)?;
        self.store_refreshed(resource, &tokens)?;
        Ok(tokens.access_token.expose().to_owned())
    }

    fn verify_refreshed(&self, core: &OidcCore, tokens: &TokenResponse) -> Result<(), LogtoError> {
        let Some(id_token) = &tokens.id_token else {
            return Ok(());
        };
        let session = match self.id_token()? {
            Some(session) => Some(OidcCore::decode_id_token(&session)?),
            None => None,
        };
        let occasion = Occasion::Refresh {
            session: session.as_ref(),
            access_token: &tokens.access_token,
        };
        core.verify_on_occasion(id_token.expose(), &self.config().app_id, occasion)?;
        Ok(())
    }

    fn store_refreshed(&self, resource: &str, tokens: &TokenResponse) -> Result<(), LogtoError> {
        let mut access_tokens = self.stored_access_tokens()?;
        let access_token = self.cached(&tokens.access_token, tokens.expires_in);
        access_tokens.x.insert(resource.to_owned(), access_token);
        let access_tokens = to_json(&access_tokens)?;
        let kept = [
            (PersistKey::RefreshToken, &tokens.refresh_token),
            (PersistKey::IdToken, &tokens.id_token),
        ];
        let mut changes: Vec<_> = kept
            .into_iter()
            .filter_map(|(key, token)| Some(Change::set(key, token.as_ref()?.expose())))
            .collect();
        changes.push(Change::set(PersistKey::AccessTokenMap, &access_tokens));
        Ok(self.storage.update(&changes)?)
    }
}

fn claims(token: Option<String>) -> Result<AccessTokenClaims, LogtoError> {
    OidcCore::decode_access_token(&token.ok_or(LogtoError::NotAuthenticated)?)
}
