//! What of a verifier can be set.

use std::sync::Arc;
use std::time::Duration;

use super::verified::VerifiedTokens;
use super::{AccessTokenVerifier, Inner};
use crate::clock::Clock;
use crate::config::{ConfigError, LogtoConfig, check_endpoint};
use crate::error::LogtoError;
use crate::http::HttpClient;
use crate::logto::{Logto, check_clock_tolerance};
use crate::oidc::access_token::ApiAudience;
use crate::oidc_core::{Provider, Transport};
use crate::utilities::build_organization_urn;

/// How many tokens are remembered. A token of Logto's takes about 2 KiB.
const DEFAULT_CACHE_CAPACITY: usize = 4096;

/// Settings of an [`AccessTokenVerifier`].
///
/// ```
/// # use logto_core as logto;
/// use logto::AccessTokenVerifier;
///
/// let verifier = AccessTokenVerifier::builder("https://foo.logto.app", "https://api.example.com")
///     .issuer("https://id.example.com/oidc") // the custom domain of the same server
///     .cache_capacity(50_000)
///     .build()?;
/// # Ok::<(), logto_core::LogtoError>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct AccessTokenVerifierBuilder {
    endpoint: String,
    audience: ApiAudience,
    issuers: Vec<String>,
    realm: Option<String>,
    cache_capacity: usize,
    shared: Option<Logto>,
    transport: Transport,
}

impl AccessTokenVerifierBuilder {
    pub(super) fn new(endpoint: String, audience: ApiAudience) -> Self {
        Self {
            endpoint,
            audience,
            issuers: Vec::new(),
            realm: None,
            cache_capacity: DEFAULT_CACHE_CAPACITY,
            shared: None,
            transport: Transport::default(),
        }
    }

    /// Adds a further name of the same server that its tokens may be of: a custom domain's,
    /// `https://id.example.com/oidc`. Default: `<endpoint>/oidc` alone.
    ///
    /// The keys are those of the endpoint in any case, so no other server's tokens get in by this.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Sets the realm in `WWW-Authenticate`. Default: the resource indicator or the organization's URN;
    /// for any organization `urn:logto:resource:organizations`.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Sets how many good tokens are remembered, rounded up to an even number; 0 for none. Default:
    /// 4096.
    ///
    /// Each is remembered until it expires and for ten minutes at most. So a token by a key which the
    /// server has withdrawn is accepted for so much longer than the key is kept: ten minutes and an
    /// hour after the withdrawal at most, and ten minutes and a day where the keys cannot be fetched
    /// again meanwhile. With 0 it is the hour, or the day, alone.
    pub fn cache_capacity(mut self, tokens: usize) -> Self {
        self.cache_capacity = tokens;
        self
    }

    /// Shares the connections, keys, issuer, clock and tolerance of this application. The endpoint, HTTP
    /// client, clock and tolerance of this builder then do not matter. Default: the verifier has its
    /// own.
    pub fn share(mut self, logto: &Logto) -> Self {
        self.shared = Some(logto.clone());
        self
    }

    /// What requests are sent with. Default: [`UreqClient::new`](crate::UreqClient::new).
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.transport.http = Arc::new(client);
        self
    }

    /// The clock. Default: [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.transport.clock = Arc::new(clock);
        self
    }

    /// How much the server's clock may differ from this one. Default: 60 s; at most 300 s.
    pub fn clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.transport.clock_tolerance = tolerance;
        self
    }

    /// Settings that can let forged tokens in. Each says how.
    pub fn dangerous(self) -> DangerousVerifier {
        DangerousVerifier(self)
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the endpoint or the audience could not work, or a setting is out of its bounds.
    pub fn build(mut self) -> Result<AccessTokenVerifier, LogtoError> {
        let audience = match &self.audience {
            ApiAudience::Resource(name) | ApiAudience::Organization(name) => name.trim(),
            ApiAudience::AnyOrganization => "any",
        };
        if audience.is_empty() || audience == build_organization_urn("") {
            return Err(ConfigError::EmptyAudience.into());
        }
        if self.issuers.iter().any(|issuer| issuer.trim().is_empty()) {
            return Err(ConfigError::EmptyIssuer.into());
        }
        let provider = self.provider()?;
        self.issuers.insert(0, provider.issuers[0].clone());
        let realm = self.realm.unwrap_or_else(|| realm_of(&self.audience));
        Ok(AccessTokenVerifier {
            inner: Arc::new(Inner {
                provider,
                issuers: self.issuers,
                audience: self.audience,
                realm,
                verified: VerifiedTokens::new(self.cache_capacity),
            }),
        })
    }

    fn provider(&self) -> Result<Arc<Provider>, LogtoError> {
        if let Some(logto) = &self.shared {
            return Ok(Arc::clone(logto.provider()));
        }
        check_endpoint(&self.endpoint, self.transport.allow_insecure_http)?;
        check_clock_tolerance(self.transport.clock_tolerance)?;
        let config = LogtoConfig::new(&self.endpoint, "");
        let provider = Provider::new(self.transport.clone(), &config, &self.issuers);
        Ok(Arc::new(provider))
    }
}

fn realm_of(audience: &ApiAudience) -> String {
    match audience {
        ApiAudience::Resource(indicator) => indicator.clone(),
        ApiAudience::Organization(id) => build_organization_urn(id),
        ApiAudience::AnyOrganization => "urn:logto:resource:organizations".to_owned(),
    }
}

/// Settings of an [`AccessTokenVerifierBuilder`] that can let forged tokens in.
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct DangerousVerifier(AccessTokenVerifierBuilder);

impl DangerousVerifier {
    /// Allows plain `http` to hosts other than loopback: anybody on the way can put keys of their own in
    /// the place of the server's. For a network that nobody else is on. Default: refused.
    pub fn allow_insecure_http(mut self) -> AccessTokenVerifierBuilder {
        self.0.transport.allow_insecure_http = true;
        self.0
    }
}
