//! The protocol with its I/O: what the pure requests and answers are sent over.

mod keys;
mod single_flight_cache;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use url::Url;

use self::keys::{KeyCache, KeyQuery};
use self::single_flight_cache::SingleFlightCache;
use crate::clock::{Clock, SystemClock};
use crate::config::{LogtoConfig, is_secure};
use crate::error::LogtoError;
use crate::http::{ConnectWithin, HttpClient, HttpError, UreqClient, send_logged};
use crate::oidc::access_token::AccessTokenClaims;
use crate::oidc::device::{self, DeviceAuthorization, DeviceError, DeviceSignInOptions, Poll};
use crate::oidc::discovery::{self, DiscoveryError, OidcProviderMetadata};
use crate::oidc::id_token::{self, Expected, IdTokenClaims, TokenSource};
use crate::oidc::introspect::{self, Introspection};
use crate::oidc::jws::SigningAlgorithm;
use crate::oidc::jwt::{Jwt, JwtError};
use crate::oidc::request::{self, BuiltRequest, ClientCredentials, InvalidRequest};
use crate::oidc::token::{
    self, ClientCredentialsGrant, CodeGrant, RefreshTokenGrant, TokenResponse,
};
use crate::oidc::token_exchange::TokenExchange;
use crate::oidc::userinfo::{self, UserInfoResponse};
use crate::oidc::{authorize, end_session};
use crate::secret::Secret;

/// The most that is read of metadata and key sets, in bytes.
const METADATA_LIMIT: u64 = 1024 * 1024;

/// The most that is read of tokens and user information, in bytes.
const ANSWER_LIMIT: u64 = 256 * 1024;

/// The OpenID Connect functions under the client: for a program that needs one of them by itself.
///
/// It knows one provider's metadata and keeps the provider's keys. `Clone` is cheap and shares them.
///
/// ```no_run
/// # use logto_core as logto;
/// use logto::OidcCore;
///
/// let metadata = OidcCore::fetch_provider_metadata(
///     "https://foo.logto.app/oidc/.well-known/openid-configuration",
/// )?;
/// let core = OidcCore::new(metadata)?;
/// let claims = core.verify_id_token("eyJ…", "my-app-id")?;
/// println!("{} is signed in", claims.sub);
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Clone)]
pub struct OidcCore {
    metadata: Arc<OidcProviderMetadata>,
    /// Parsed once; `None` if it is no URL.
    authorization_endpoint: Option<Arc<Url>>,
    keys: Arc<KeyCache>,
    transport: Transport,
}

/// The answer to a refresh.
pub(crate) struct Refreshed {
    /// The refresh token to send next, if there is a new one, whether or not the tokens are any good.
    pub refresh_token: Option<Secret>,
    pub tokens: Result<TokenResponse, LogtoError>,
}

/// How the server is reached, and how much is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub http: Arc<dyn HttpClient>,
    pub clock: Arc<dyn Clock>,
    pub clock_tolerance: Duration,
    pub allow_insecure_http: bool,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            http: Arc::new(UreqClient::new()),
            clock: Arc::new(SystemClock),
            clock_tolerance: Duration::from_secs(60),
            allow_insecure_http: false,
        }
    }
}

impl Transport {
    /// In Unix seconds.
    pub fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    /// In seconds.
    pub fn clock_tolerance(&self) -> i64 {
        self.clock_tolerance.as_secs() as i64
    }

    fn send(
        &self,
        request: BuiltRequest,
        body_limit: u64,
    ) -> Result<Response<Vec<u8>>, LogtoError> {
        let request = request.map_err(|InvalidRequest { url, source }| HttpError::Other {
            url,
            source: Arc::new(source),
        })?;
        Ok(send_logged(self.http.as_ref(), request, body_limit)?)
    }

    /// Fetches metadata, not holding it to an issuer.
    fn fetch_metadata(&self, discovery_url: &str) -> Result<OidcProviderMetadata, LogtoError> {
        let answer = self.send(request::get(discovery_url), METADATA_LIMIT)?;
        let metadata = discovery::response(&answer)?;
        discovery::check_endpoints(&metadata, self.allow_insecure_http)?;
        Ok(metadata)
    }
}

impl OidcCore {
    /// The functions for this provider, with the default HTTP client and the system's clock. No I/O.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] if an endpoint is no URL, or not https and not loopback.
    pub fn new(metadata: OidcProviderMetadata) -> Result<Self, LogtoError> {
        discovery::check_endpoints(&metadata, false)?;
        Ok(Self::with_keys(
            metadata,
            Arc::default(),
            Transport::default(),
        ))
    }

    fn with_keys(
        metadata: OidcProviderMetadata,
        keys: Arc<KeyCache>,
        transport: Transport,
    ) -> Self {
        let authorization_endpoint = Url::parse(&metadata.authorization_endpoint).ok();
        Self {
            metadata: Arc::new(metadata),
            authorization_endpoint: authorization_endpoint.map(Arc::new),
            keys,
            transport,
        }
    }

    /// What the provider says of itself.
    pub fn metadata(&self) -> &OidcProviderMetadata {
        &self.metadata
    }

    pub(crate) fn authorization_endpoint(&self) -> Result<&Url, DiscoveryError> {
        let endpoint = self.authorization_endpoint.as_deref();
        endpoint.ok_or(DiscoveryError::InvalidEndpoint {
            name: "authorization_endpoint",
        })
    }

    /// A random state: 256 bits as 43 characters of base64url.
    #[doc(alias = "generateState")]
    pub fn generate_state() -> String {
        authorize::random_token()
    }

    /// A random nonce: 256 bits as 43 characters of base64url.
    pub fn generate_nonce() -> String {
        authorize::random_token()
    }

    /// A random PKCE code verifier: 256 bits as 43 characters of base64url
    /// ([RFC 7636, section 4.1](https://www.rfc-editor.org/rfc/rfc7636#section-4.1)).
    #[doc(alias = "generateCodeVerifier")]
    pub fn generate_code_verifier() -> String {
        authorize::random_token()
    }

    /// The S256 code challenge of a verifier
    /// ([RFC 7636, section 4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
    #[doc(alias = "generateCodeChallenge")]
    pub fn generate_code_challenge(code_verifier: &str) -> String {
        authorize::code_challenge(code_verifier)
    }

    /// The claims of an ID token, **without any check**: for a token that was verified before.
    ///
    /// # Errors
    ///
    /// [`JwtError`](crate::JwtError) if it is not a signed JWT with an ID token's claims.
    #[doc(alias = "decodeIdToken")]
    pub fn decode_id_token(id_token: &str) -> Result<IdTokenClaims, LogtoError> {
        Ok(Jwt::parse(id_token)?.claims()?)
    }

    /// The claims of an access token, **without any check**: for a token that this program asked for.
    /// An API server must verify what it is given.
    ///
    /// # Errors
    ///
    /// [`JwtError`](crate::JwtError) if it is not a signed JWT with an access token's claims. The
    /// token without a resource never is one: Logto gives it opaque.
    #[doc(alias = "decodeAccessToken")]
    pub fn decode_access_token(access_token: &str) -> Result<AccessTokenClaims, LogtoError> {
        Ok(Jwt::parse(access_token)?.claims()?)
    }

    /// Fetches a provider's metadata with the default HTTP client, and holds its issuer to be where
    /// it was asked for ([OpenID Connect Discovery, section 4.3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation)).
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, answers with something else, or is another issuer.
    #[doc(alias = "getProviderMetadata")]
    pub fn fetch_provider_metadata(
        discovery_url: &str,
    ) -> Result<OidcProviderMetadata, LogtoError> {
        let is_secure = Url::parse(discovery_url).is_ok_and(|url| is_secure(&url));
        if !is_secure {
            return Err(DiscoveryError::InsecureEndpoint {
                name: "discovery URL",
                url: request::without_query(discovery_url).to_owned(),
            }
            .into());
        }
        let metadata = Transport::default().fetch_metadata(discovery_url)?;
        let suffix = "/.well-known/openid-configuration";
        let expected = discovery_url.strip_suffix(suffix).unwrap_or(discovery_url);
        discovery::check_issuer(&metadata, expected)?;
        Ok(metadata)
    }

    /// Exchanges an authorization code for tokens. A code can be sent once only.
    ///
    /// The ID token in the answer is not verified yet.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, refuses, or answers with something else.
    #[doc(alias = "fetchTokenByCode")]
    pub fn fetch_token_by_code(&self, grant: &CodeGrant<'_>) -> Result<TokenResponse, LogtoError> {
        let request = grant.request(&self.metadata.token_endpoint);
        token::response(&self.transport.send(request, ANSWER_LIMIT)?)
    }

    /// Exchanges a refresh token for tokens. The old refresh token may be worthless afterwards: keep
    /// the one in the answer, if there is one.
    ///
    /// The ID token in the answer is not verified yet.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, refuses, or answers with something else.
    #[doc(alias = "fetchTokenByRefreshToken")]
    pub fn fetch_token_by_refresh_token(
        &self,
        grant: &RefreshTokenGrant<'_>,
    ) -> Result<TokenResponse, LogtoError> {
        self.refresh(grant, None)?.tokens
    }

    /// The same, with what must not be lost of an answer that is refused; sent only if a connection is
    /// had in this time.
    pub(crate) fn refresh(
        &self,
        grant: &RefreshTokenGrant<'_>,
        connect_within: Option<Duration>,
    ) -> Result<Refreshed, LogtoError> {
        let mut request = grant.request(&self.metadata.token_endpoint);
        if let (Ok(request), Some(time)) = (&mut request, connect_within) {
            request.extensions_mut().insert(ConnectWithin(time));
        }
        let answer = self.transport.send(request, ANSWER_LIMIT)?;
        let tokens = token::response(&answer);
        let refresh_token = match &tokens {
            Ok(tokens) => tokens.refresh_token.clone(),
            Err(_) => token::rotated(&answer),
        };
        Ok(Refreshed {
            refresh_token,
            tokens,
        })
    }

    /// Exchanges the application's own id and secret for an access token
    /// ([RFC 6749, section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
    /// [`MachineClient`](crate::MachineClient) keeps what comes of it.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, refuses, or answers with something else.
    pub fn fetch_token_by_client_credentials(
        &self,
        grant: &ClientCredentialsGrant<'_>,
    ) -> Result<TokenResponse, LogtoError> {
        let request = grant.request(&self.metadata.token_endpoint);
        token::response(&self.transport.send(request, ANSWER_LIMIT)?)
    }

    /// Exchanges the token of a user for an access token to act as that user
    /// ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)).
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, refuses, or answers with something else.
    pub fn fetch_token_by_token_exchange(
        &self,
        client_id: &str,
        client_secret: Option<&str>,
        exchange: &TokenExchange<'_>,
    ) -> Result<TokenResponse, LogtoError> {
        let client = ClientCredentials::new(client_id, client_secret);
        let request = exchange.request(&self.metadata.token_endpoint, client);
        token::response(&self.transport.send(request, ANSWER_LIMIT)?)
    }

    /// Holds an ID token to be the provider's, for this client, and valid now, and returns its
    /// claims. The provider's keys are fetched when they are not known yet.
    ///
    /// What belongs to a sign-in (the nonce, the access token's hash) is checked by
    /// [`handle_sign_in_callback`](crate::LogtoClient::handle_sign_in_callback).
    ///
    /// # Errors
    ///
    /// [`IdTokenError`](crate::IdTokenError) if it is refused; else, if the keys cannot be had.
    #[doc(alias = "verifyIdToken")]
    pub fn verify_id_token(
        &self,
        id_token: &str,
        client_id: &str,
    ) -> Result<IdTokenClaims, LogtoError> {
        self.verify_id_token_from(id_token, client_id, TokenSource::Unknown)
    }

    pub(crate) fn verify_id_token_from(
        &self,
        id_token: &str,
        client_id: &str,
        source: TokenSource<'_>,
    ) -> Result<IdTokenClaims, LogtoError> {
        let expected = Expected {
            issuer: &self.metadata.issuer,
            client_id,
            now: self.transport.now(),
            clock_tolerance: self.transport.clock_tolerance(),
            source,
        };
        id_token::validate(id_token, &expected, |jwt, algorithm| {
            self.verify_signature(jwt, algorithm, source)
        })
    }

    /// What the provider's keys say of the signature of a token. They are fetched where they are not
    /// known, and again for a key that is not among them, but not for each of many tokens that anybody
    /// may have sent.
    pub(crate) fn verify_signature(
        &self,
        jwt: &Jwt<'_>,
        algorithm: SigningAlgorithm,
        source: TokenSource<'_>,
    ) -> Result<Result<(), JwtError>, LogtoError> {
        let wanted = KeyQuery {
            jwt,
            algorithm,
            source,
        };
        let keys = self.keys.get(self, wanted)?;
        Ok(keys.verify(jwt, algorithm))
    }

    /// Fetches what the server knows of the user of this access token, which must be one without a
    /// resource.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError::MissingEndpoint`] if the provider has no endpoint for it; else, if the
    /// server cannot be asked, refuses, or answers with something else.
    #[doc(alias = "fetchUserInfo")]
    pub fn fetch_user_info(&self, access_token: &str) -> Result<UserInfoResponse, LogtoError> {
        let endpoint = self.metadata.userinfo_endpoint.as_deref();
        let endpoint = endpoint.ok_or(DiscoveryError::MissingEndpoint {
            name: "userinfo_endpoint",
        })?;
        let request = userinfo::request(endpoint, access_token);
        userinfo::response(&self.transport.send(request, ANSWER_LIMIT)?)
    }

    /// Revokes a refresh token, and with it the whole grant
    /// ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). Returns `false` if the provider has no
    /// endpoint for it. Revoking a token that is not known is no error.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, or refuses.
    pub fn revoke_refresh_token(
        &self,
        client_id: &str,
        client_secret: Option<&str>,
        refresh_token: &str,
    ) -> Result<bool, LogtoError> {
        let Some(endpoint) = &self.metadata.revocation_endpoint else {
            return Ok(false);
        };
        let client = ClientCredentials::new(client_id, client_secret);
        let request = end_session::revocation_request(endpoint, client, refresh_token);
        end_session::check_revocation(&self.transport.send(request, ANSWER_LIMIT)?)?;
        Ok(true)
    }

    /// Starts a sign-in on a device.
    pub(crate) fn start_device_authorization(
        &self,
        config: &LogtoConfig,
        options: &DeviceSignInOptions,
    ) -> Result<DeviceAuthorization, LogtoError> {
        let endpoint = self.metadata.device_authorization_endpoint.as_ref();
        let endpoint = endpoint.ok_or(DeviceError::Unsupported)?;
        let request = device::start_request(endpoint, config, options);
        let answer = self.transport.send(request, ANSWER_LIMIT)?;
        device::start_response(
            &answer,
            self.transport.now(),
            self.transport.allow_insecure_http,
        )
    }

    /// Asks once whether the user of a device has signed in. The ID token is not verified yet.
    pub(crate) fn poll_device(
        &self,
        config: &LogtoConfig,
        device_code: &Secret,
    ) -> Result<Poll, LogtoError> {
        let request = device::poll_request(&self.metadata.token_endpoint, config, device_code);
        device::poll_response(&self.transport.send(request, ANSWER_LIMIT)?)
    }

    /// Asks the server what it knows of an opaque token
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)), as a client with a secret. A token that is not
    /// good is no error: [`active`](Introspection::active) is then `false`.
    ///
    /// # Errors
    ///
    /// [`AccessTokenError::NotOpaque`](crate::AccessTokenError::NotOpaque) if it is a JWT, which is not
    /// sent; [`DiscoveryError::MissingEndpoint`] if the server has no endpoint for it; else, if the server
    /// cannot be asked, refuses, or answers with something else.
    pub fn introspect(
        &self,
        client_id: &str,
        client_secret: &str,
        token: &str,
    ) -> Result<Introspection, LogtoError> {
        introspect::check_opaque(token)?;
        let endpoint = self.metadata.introspection_endpoint.as_deref();
        let endpoint = endpoint.ok_or(DiscoveryError::MissingEndpoint {
            name: "introspection_endpoint",
        })?;
        let client = ClientCredentials::new(client_id, Some(client_secret));
        let request = introspect::request(endpoint, client, token);
        introspect::response(&self.transport.send(request, ANSWER_LIMIT)?)
    }
}

impl fmt::Debug for OidcCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcCore")
            .field("issuer", &self.metadata.issuer)
            .finish_non_exhaustive()
    }
}

/// One server: how it is reached, and its metadata and keys, fetched once and kept.
pub(crate) struct Provider {
    pub transport: Transport,
    /// What it may be called in its metadata.
    pub issuers: Vec<String>,
    discovery_url: String,
    core: SingleFlightCache<OidcCore>,
}

impl Provider {
    /// Of the configuration only the server is looked at.
    pub fn new(transport: Transport, config: &LogtoConfig, further_issuers: &[String]) -> Self {
        Self {
            transport,
            issuers: [&[config.expected_issuer()], further_issuers].concat(),
            discovery_url: config.discovery_url(),
            core: SingleFlightCache::default(),
        }
    }

    pub fn core(&self) -> Result<OidcCore, LogtoError> {
        self.core.get(self.transport.now(), |old| {
            let metadata = self.transport.fetch_metadata(&self.discovery_url)?;
            if !self.issuers.contains(&metadata.issuer) {
                discovery::check_issuer(&metadata, &self.issuers[0])?;
            }
            // Another address may mean other keys.
            let keys = match old {
                Some(old) if old.metadata.jwks_uri == metadata.jwks_uri => Arc::clone(&old.keys),
                _ => Arc::default(),
            };
            Ok(OidcCore::with_keys(metadata, keys, self.transport.clone()))
        })
    }
}
