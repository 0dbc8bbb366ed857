//! Access tokens of an application itself, without a user.

use std::fmt;

use crate::client::{LogtoClient, is_newer};
use crate::config::ConfigError;
use crate::error::LogtoError;
use crate::logto::Logto;
use crate::oidc::access_token::AccessTokenClaims;
use crate::oidc::access_token_request::MachineTokenRequest;
use crate::oidc::token::{ClientCredentialsGrant, TokenResponse};
use crate::oidc::token_exchange::TokenExchange;
use crate::oidc_core::OidcCore;
use crate::secret::Secret;
use crate::session::AccessToken;
use crate::storage::{MemoryStorage, Storage};

/// Machine to machine: the access tokens that an application has by its own id and secret
/// ([RFC 6749, section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)), for Logto's Management
/// API, for an API resource or for an organization.
///
/// A token is kept until shortly before it expires, and had by one caller at a time. `Clone` is cheap
/// and shares the tokens.
///
/// ```no_run
/// # use logto_core as logto;
/// use logto::{Logto, LogtoConfig, MachineTokenRequest};
///
/// // Of a "Machine-to-machine" application, whose roles allow what it asks for.
/// let machine = Logto::new(LogtoConfig::from_env()?)?.machine();
/// let token = machine.access_token(MachineTokenRequest::management_api("my-tenant"))?;
/// println!("Authorization: Bearer {token}");
///
/// let token = machine.access_token(
///     MachineTokenRequest::from("https://api.example.com").scopes(["read:items"]),
/// )?;
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Clone)]
pub struct MachineClient {
    client: LogtoClient,
}

impl Logto {
    /// The application itself, with its tokens in memory: in a new one with each call, so make it once and
    /// clone it.
    pub fn machine(&self) -> MachineClient {
        self.machine_with(MemoryStorage::new())
    }

    /// The same with its tokens in this storage, so that programs that start often share them. Several
    /// applications may share it; a user's session is to be in another one.
    pub fn machine_with(&self, storage: impl Storage + 'static) -> MachineClient {
        MachineClient {
            client: self.client(storage),
        }
    }

    /// Exchanges the token of a user for an access token to act as that user
    /// ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)). Nothing is stored.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, refuses (`invalid_grant` for a token that was used or has expired,
    /// `invalid_request` where the application may not exchange tokens), or answers with something else.
    pub fn exchange_token(
        &self,
        exchange: &TokenExchange<'_>,
    ) -> Result<TokenResponse, LogtoError> {
        let config = self.config();
        let secret = config.app_secret.as_ref().map(Secret::expose);
        self.oidc_core()?
            .fetch_token_by_token_exchange(&config.app_id, secret, exchange)
    }
}

impl MachineClient {
    /// An access token, from the cache while it is fresh for another minute, and else from the server.
    ///
    /// # Errors
    ///
    /// [`ConfigError::MissingAppSecret`] if the application has none; `invalid_target` if there is no
    /// such resource; `access_denied` if the application is not a member of the organization. Else, if
    /// the server cannot be asked or refuses, or the storage cannot be used.
    pub fn access_token<'a>(
        &self,
        request: impl Into<MachineTokenRequest<'a>>,
    ) -> Result<String, LogtoError> {
        let request = request.into();
        let config = self.client.config();
        let key = request.cache_key(&config.endpoint, &config.app_id);
        let seen = self.cached(&key)?;
        if let Some(token) = seen.as_ref().filter(|token| self.client.is_fresh(token))
            && !request.force_refresh
        {
            return Ok(token.token.expose().to_owned());
        }
        let _lock = self.client.lock()?;
        // A caller that waited is served by the token that it waited for.
        let waited_for = self
            .cached(&key)?
            .filter(|token| is_newer(token, seen.as_ref()) && self.client.still_serves(token));
        match waited_for.filter(|_| !request.force_refresh) {
            Some(token) => Ok(token.token.expose().to_owned()),
            None => self.fetch(&request, key),
        }
    }

    fn cached(&self, key: &str) -> Result<Option<AccessToken>, LogtoError> {
        let session = self.client.session().load()?;
        Ok(session.data.access_tokens.x.get(key).cloned())
    }

    /// The claims of an access token; see [`access_token`](Self::access_token).
    ///
    /// # Errors
    ///
    /// Same as [`access_token`](Self::access_token).
    pub fn access_token_claims<'a>(
        &self,
        request: impl Into<MachineTokenRequest<'a>>,
    ) -> Result<AccessTokenClaims, LogtoError> {
        OidcCore::decode_access_token(&self.access_token(request)?)
    }

    /// Empties the cache, so that each token is asked for again: because the application's permissions have
    /// changed, say.
    ///
    /// # Errors
    ///
    /// If the storage cannot be used.
    pub fn clear_access_tokens(&self) -> Result<(), LogtoError> {
        self.client.clear_access_tokens()
    }

    /// Under the lock.
    fn fetch(&self, request: &MachineTokenRequest<'_>, key: String) -> Result<String, LogtoError> {
        let config = self.client.config();
        let secret = config
            .app_secret
            .as_ref()
            .ok_or(ConfigError::MissingAppSecret)?;
        let core = self.client.oidc_core()?;
        let tokens = core.fetch_token_by_client_credentials(&ClientCredentialsGrant {
            client_id: &config.app_id,
            client_secret: secret.expose(),
            resource: &request.resource,
            organization_id: request.organization_id,
            scope: &request.scope(),
        })?;
        let token = self.client.to_cache(&tokens);
        // A token that cannot be kept is good all the same.
        if let Err(error) = self.keep(&key, &token) {
            log::warn!("a machine-to-machine access token could not be kept: {error}");
        }
        Ok(tokens.access_token.expose().to_owned())
    }

    fn keep(&self, key: &str, token: &AccessToken) -> Result<(), LogtoError> {
        self.client.session().change(|draft| {
            let tokens = &mut draft.data.access_tokens.x;
            tokens.retain(|_, token| self.client.is_fresh(token));
            tokens.insert(key.to_owned(), token.clone());
            Ok(())
        })
    }
}

impl fmt::Debug for MachineClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineClient")
            .field("config", self.client.config())
            .field("session", self.client.session())
            .finish()
    }
}
