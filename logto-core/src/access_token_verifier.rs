//! For API servers: the access tokens that they are called with.

mod builder;
mod verified;

use std::fmt;
use std::sync::Arc;

use http::Response;

pub use self::builder::{AccessTokenVerifierBuilder, DangerousVerifier};
use self::verified::VerifiedTokens;
use crate::crypto::sha256;
use crate::error::LogtoError;
use crate::logto::Logto;
use crate::oidc::access_token::{
    self, AccessTokenClaims, AccessTokenError, ApiAudience, Expected, TokenRequirements,
};
use crate::oidc::bearer;
use crate::oidc::id_token::TokenSource;
use crate::oidc::jwt::{Jwt, LONGEST_TOKEN, TokenKind};
use crate::oidc_core::Provider;

/// Verifies the access tokens that an API is called with: make one at start. It needs no application
/// at Logto, only the server's address and the API's indicator.
///
/// Tokens for a resource or an organization are JWTs, which are verified here with the server's public
/// keys ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)); a call costs a request only where the keys
/// are not known yet. A good token is remembered by its hash, so that the next call with it costs no
/// signature check; what each call [requires](TokenRequirements) is looked at each time. `Clone` is cheap and
/// shares all that.
///
/// Keys are kept for an hour, and for a day while no newer ones can be had. A token by a key that the
/// server has withdrawn is refused after that time, and after the ten minutes for which good tokens are
/// [remembered](AccessTokenVerifierBuilder::cache_capacity); sooner if a token by a new key comes
/// first. To have it at once, restart the program.
///
/// A token whose key is not known has the keys fetched, but anybody can make up such a token: five such
/// fetches in half a minute may be in vain, and none is made for two seconds after one that failed.
///
/// A token stays good until it expires, whatever happens to its user meanwhile: that is how such
/// tokens are. Lifetimes are set for each API in the Logto Console.
///
/// ```no_run
/// # use logto_core as logto;
/// use logto::{AccessTokenVerifier, TokenRequirements};
///
/// // Once, at start. Nothing is sent yet.
/// let verifier = AccessTokenVerifier::new("https://foo.logto.app", "https://api.example.com")?;
///
/// # fn header(_: &str) -> Option<&'static str> { None }
/// # fn send(_: http::Response<String>) {}
/// // Per request.
/// let required = TokenRequirements::scopes(["read:orders"]);
/// match verifier.verify_header(header("Authorization"), &required) {
///     Ok(token) => println!("{} may read orders", token.claims().sub),
///     Err(error) => send(verifier.error_response(&error)), // 401, 403 or 503, with its headers
/// }
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Clone)]
pub struct AccessTokenVerifier {
    inner: Arc<Inner>,
}

struct Inner {
    provider: Arc<Provider>,
    issuers: Vec<String>,
    audience: ApiAudience,
    realm: String,
    verified: VerifiedTokens,
}

impl AccessTokenVerifier {
    /// The verifier for this API of this server, with the defaults. Nothing is sent yet.
    ///
    /// The endpoint is the server's as in [`LogtoConfig::endpoint`](crate::LogtoConfig::endpoint), such
    /// as `https://foo.logto.app`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`](crate::ConfigError) if the endpoint or the audience could not work.
    pub fn new(
        endpoint: impl Into<String>,
        audience: impl Into<ApiAudience>,
    ) -> Result<Self, LogtoError> {
        Self::builder(endpoint, audience).build()
    }

    /// Sets what differs from the defaults.
    pub fn builder(
        endpoint: impl Into<String>,
        audience: impl Into<ApiAudience>,
    ) -> AccessTokenVerifierBuilder {
        AccessTokenVerifierBuilder::new(endpoint.into(), audience.into())
    }

    /// Verifies the token of a request: its `Authorization` header
    /// ([RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), `None` if there is
    /// none. A token in a query or a form is never looked at: URLs are logged and kept.
    ///
    /// # Errors
    ///
    /// [`AccessTokenError`] if the call is refused; else, if the server's keys cannot be had. What to
    /// answer is [`error_response`](Self::error_response).
    pub fn verify_header<'h>(
        &self,
        authorization: impl Into<Option<&'h str>>,
        required: &TokenRequirements,
    ) -> Result<VerifiedAccessToken, LogtoError> {
        self.verify(bearer::token(authorization.into())?, required)
    }

    /// Verifies a token: that it is the server's and for this API, valid now, and allows this call.
    ///
    /// # Errors
    ///
    /// Same as [`verify_header`](Self::verify_header).
    pub fn verify(
        &self,
        token: &str,
        required: &TokenRequirements,
    ) -> Result<VerifiedAccessToken, LogtoError> {
        let verified = self.verified(token)?;
        access_token::check_requirements(
            verified.claims(),
            verified.organization_id(),
            &self.inner.audience,
            required,
        )?;
        Ok(verified)
    }

    /// What to answer to a call that was refused, with a JSON body
    /// ([RFC 6750, section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)). Nothing of the token is
    /// in it.
    ///
    /// | status | where |
    /// | --- | --- |
    /// | 400 | the header is malformed |
    /// | 401 | there is no token, or it is not accepted |
    /// | 403 | the token does not allow this call |
    /// | 503 | the server's keys cannot be had; with `Retry-After` |
    pub fn error_response(&self, error: &LogtoError) -> Response<String> {
        bearer::error_response(error, &self.inner.realm)
    }

    /// The token, if it is good in itself.
    fn verified(&self, token: &str) -> Result<VerifiedAccessToken, LogtoError> {
        let inner = &self.inner;
        let now = inner.provider.transport.now();
        // What could not be good is not worth hashing.
        if token.len() > LONGEST_TOKEN || !inner.verified.is_on() {
            return self.check(token, now);
        }
        let digest = sha256(token.as_bytes());
        if let Some(verified) = inner.verified.get(&digest, now) {
            return Ok(verified);
        }
        let verified = self.check(token, now)?;
        let valid_until = verified
            .claims()
            .exp
            .saturating_add(inner.provider.transport.clock_tolerance());
        inner
            .verified
            .insert(digest, verified.clone(), now, valid_until);
        Ok(verified)
    }

    /// The signature comes last: a token that is too old or for another API costs neither it nor a
    /// request for keys.
    fn check(&self, token: &str, now: i64) -> Result<VerifiedAccessToken, LogtoError> {
        let jwt = Jwt::parse(token).map_err(AccessTokenError::from)?;
        let algorithm = jwt
            .algorithm(TokenKind::Access)
            .map_err(AccessTokenError::from)?;
        let claims: AccessTokenClaims = jwt.claims().map_err(AccessTokenError::from)?;
        let expected = Expected {
            issuers: &self.inner.issuers,
            audience: &self.inner.audience,
            now,
            clock_tolerance: self.inner.provider.transport.clock_tolerance(),
        };
        let organization = access_token::check(&claims, &expected)?;
        self.inner
            .provider
            .core()?
            .verify_signature(&jwt, algorithm, TokenSource::Unknown)?
            .map_err(AccessTokenError::from)?;
        Ok(VerifiedAccessToken::new(claims, organization))
    }
}

impl Logto {
    /// The verifier for an API of this application's server, which shares the application's connections,
    /// keys and clock: for a program that signs users in and is an API too. With other settings:
    /// [`AccessTokenVerifierBuilder::share`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`](crate::ConfigError) if the audience could not work.
    pub fn access_token_verifier(
        &self,
        audience: impl Into<ApiAudience>,
    ) -> Result<AccessTokenVerifier, LogtoError> {
        AccessTokenVerifier::builder("", audience)
            .share(self)
            .build()
    }
}

impl fmt::Debug for AccessTokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenVerifier")
            .field("audience", &self.inner.audience)
            .field("issuers", &self.inner.issuers)
            .finish_non_exhaustive()
    }
}

/// What a verified access token says. `Clone` is cheap and shares it.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedAccessToken {
    claims: Arc<AccessTokenClaims>,
    organization_id: Option<Arc<str>>,
}

impl VerifiedAccessToken {
    fn new(claims: AccessTokenClaims, organization_id: Option<String>) -> Self {
        Self {
            claims: Arc::new(claims),
            organization_id: organization_id.map(Arc::from),
        }
    }

    /// All that it says: the user as `sub`, the application as `client_id`, your own claims by
    /// [`extra_as`](AccessTokenClaims::extra_as).
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.claims
    }

    /// The organization that it is for: that of its audience
    /// (`urn:logto:organization:<organization_id>`) or of the claim `organization_id`; `None` if it is for
    /// none.
    pub fn organization_id(&self) -> Option<&str> {
        self.organization_id.as_deref()
    }

    /// Whether exactly this scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.claims.has_scope(scope)
    }
}
