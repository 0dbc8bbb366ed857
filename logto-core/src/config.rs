//! What an application is, to Logto.

use std::env::{self, VarError};

use url::Url;

use crate::scopes::Scope;
use crate::secret::Secret;

/// What an application is, to Logto: the server, the application's id and secret, and what it asks
/// for at every sign-in.
///
/// ```
/// # use logto_core as logto;
/// use logto::{LogtoConfig, UserInfoScope};
///
/// let config = LogtoConfig::new("https://foo.logto.app", "my-app-id")
///     .app_secret("my-app-secret")
///     .scopes([UserInfoScope::Email])
///     .resources(["https://api.example.com"])
///     .scopes(["read:items"]);
/// assert_eq!(config.scopes.len(), 2);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogtoConfig {
    /// The server, as in the application's page of the Logto Console: `https://foo.logto.app`.
    pub endpoint: String,
    /// The application's id (the client id).
    #[doc(alias = "appId")]
    pub app_id: String,
    /// The application's secret; `None` for a native or single-page application, which has none.
    #[doc(alias = "appSecret")]
    pub app_secret: Option<Secret>,
    /// What the user is asked again. Default: [`Prompt::Consent`], which a refresh token needs.
    pub prompt: Vec<Prompt>,
    /// The API resources whose tokens are wanted, by their indicators. Default: none.
    pub resources: Vec<String>,
    /// The scopes to ask for, beside the reserved ones (`openid`, `offline_access`, `profile`).
    /// They apply to user information and to every resource. Default: none.
    pub scopes: Vec<Scope>,
    /// Whether the reserved scopes are asked for too. Default: `true`. Without `openid` there is no
    /// ID token, and no sign-in.
    pub include_reserved_scopes: bool,
    /// The issuer, where it is not `<endpoint>/oidc`: behind a custom domain that the server does not
    /// know of. Default: `None`.
    pub issuer: Option<String>,
}

impl LogtoConfig {
    /// The configuration of an application without a secret, with the defaults.
    pub fn new(endpoint: impl Into<String>, app_id: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            app_id: app_id.into(),
            app_secret: None,
            prompt: vec![Prompt::Consent],
            resources: Vec::new(),
            scopes: Vec::new(),
            include_reserved_scopes: true,
            issuer: None,
        }
    }

    /// Reads `LOGTO_ENDPOINT`, `LOGTO_APP_ID` and, if it is set and not empty, `LOGTO_APP_SECRET`
    /// from the environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the variable that is missing or not Unicode.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(env::var::<&str>)
    }

    fn from_variables(
        read: impl Fn(&'static str) -> Result<String, VarError>,
    ) -> Result<Self, ConfigError> {
        let optional = |name| match read(name) {
            Ok(value) if value.trim().is_empty() => Ok(None),
            Ok(value) => Ok(Some(value.trim().to_owned())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::InvalidVariable { name }),
        };
        let required =
            |name, hint| optional(name)?.ok_or(ConfigError::MissingVariable { name, hint });
        let mut config = Self::new(
            required(
                "LOGTO_ENDPOINT",
                "the URL of the Logto server, such as https://foo.logto.app",
            )?,
            required("LOGTO_APP_ID", "the application's id in the Logto Console")?,
        );
        config.app_secret = optional("LOGTO_APP_SECRET")?.map(Secret::from);
        Ok(config)
    }

    /// Sets the application's secret.
    pub fn app_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.app_secret = Some(secret.into());
        self
    }

    /// Replaces the prompts. Without [`Prompt::Consent`] there is no refresh token.
    pub fn prompt(mut self, prompt: impl IntoIterator<Item = Prompt>) -> Self {
        self.prompt = prompt.into_iter().collect();
        self
    }

    /// Adds API resources, by their indicators.
    pub fn resources<S: Into<String>>(mut self, resources: impl IntoIterator<Item = S>) -> Self {
        self.resources.extend(resources.into_iter().map(Into::into));
        self
    }

    /// Adds scopes.
    pub fn scopes<S: Into<Scope>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Sets whether the reserved scopes are asked for too.
    pub fn include_reserved_scopes(mut self, include: bool) -> Self {
        self.include_reserved_scopes = include;
        self
    }

    /// Sets the issuer, where it is not `<endpoint>/oidc`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The issuer that tokens must be of.
    pub(crate) fn expected_issuer(&self) -> String {
        match &self.issuer {
            Some(issuer) => issuer.clone(),
            None => format!("{}/oidc", self.endpoint.trim_end_matches('/')),
        }
    }

    /// Where the server's metadata is.
    pub(crate) fn discovery_url(&self) -> String {
        format!(
            "{}/oidc/.well-known/openid-configuration",
            self.endpoint.trim_end_matches('/')
        )
    }

    /// Refuses what could not work, before anything is sent.
    pub(crate) fn validate(&self, allow_insecure_http: bool) -> Result<(), ConfigError> {
        check_endpoint(&self.endpoint, allow_insecure_http)?;
        if self.app_id.is_empty() || self.app_id.trim() != self.app_id {
            return Err(ConfigError::EmptyAppId);
        }
        Ok(())
    }
}

/// Refuses an endpoint that could not be a server's.
pub(crate) fn check_endpoint(endpoint: &str, allow_insecure_http: bool) -> Result<(), ConfigError> {
    // What stands before an @ may be a password.
    let shown = match endpoint.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => endpoint.to_owned(),
    };
    let invalid = |reason| ConfigError::InvalidEndpoint {
        endpoint: shown.clone(),
        reason,
    };
    if endpoint
        .chars()
        .any(|c| c.is_control() || c.is_whitespace())
    {
        return Err(invalid("it has spaces or line ends"));
    }
    let url = Url::parse(endpoint).map_err(|_| invalid("it does not parse"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("its scheme is neither https nor http"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it has a query or a fragment"));
    }
    if url.path().trim_end_matches('/').ends_with("/oidc") {
        return Err(invalid("it is the issuer; leave out the /oidc at its end"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it has a user name or a password"));
    }
    if !allow_insecure_http && !is_secure(&url) {
        return Err(ConfigError::InsecureEndpoint {
            endpoint: endpoint.to_owned(),
        });
    }
    Ok(())
}

/// Whether nobody on the way can read what goes to this URL: https, or a loopback host.
pub(crate) fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether this URL's host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What the user is asked again at a sign-in ([OpenID Connect Core, section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prompt {
    /// `consent`: a user who is signed in at Logto is not asked for a password again. The only one
    /// with which Logto gives a refresh token.
    Consent,
    /// `login`: the user signs in anew in any case. Alone it gives no refresh token; combine it
    /// with [`Consent`](Self::Consent) to have one.
    Login,
    /// `none`: no page is shown; who is not signed in comes back with the error `login_required`.
    None,
    /// Any other value.
    Other(String),
}

impl Prompt {
    /// The prompt as it is sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Consent => "consent",
            Self::Login => "login",
            Self::None => "none",
            Self::Other(prompt) => prompt,
        }
    }
}

/// The configuration is incomplete or wrong. The message names what to set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An environment variable that is needed is not set, or is empty.
    #[error("the environment variable {name} is not set: {hint}")]
    MissingVariable {
        /// The variable's name.
        name: &'static str,
        /// Where its value is found.
        hint: &'static str,
    },
    /// An environment variable is not Unicode.
    #[error("the environment variable {name} is not valid Unicode")]
    InvalidVariable {
        /// The variable's name.
        name: &'static str,
    },
    /// The endpoint is no URL of a server.
    #[error("the endpoint {endpoint:?} is not a URL like https://foo.logto.app: {reason}")]
    InvalidEndpoint {
        /// The endpoint as configured.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The endpoint is `http` on a host that is not loopback, so that anybody on the way could read
    /// the tokens.
    #[error(
        "the endpoint {endpoint} is not https; plain http is for loopback hosts, or behind `Logto::builder(..).dangerous()`"
    )]
    InsecureEndpoint {
        /// The endpoint as configured.
        endpoint: String,
    },
    /// The application's id is empty, or has spaces around it.
    #[error(
        "the application id is empty or has spaces around it: copy it from the application's page in the Logto Console"
    )]
    EmptyAppId,
    /// The audience of an API is empty, or the URN of an organization without its id: it is the resource
    /// indicator in the Logto Console.
    #[error("the audience is empty: it is the API's identifier in the Logto Console")]
    EmptyAudience,
    /// A further issuer of an API's tokens is empty.
    #[error("an issuer is empty: it is a URL like https://id.example.com/oidc")]
    EmptyIssuer,
    /// Something is asked for that only an application with a secret can have.
    #[error(
        "the application has no secret: set `LogtoConfig::app_secret`; only applications of the types \"Traditional web\" and \"Machine-to-machine\" have one"
    )]
    MissingAppSecret,
    /// The resource is not among those of the configuration, so no sign-in has asked for it. It is not
    /// asked for: Logto would refuse, and might use up the refresh token over it.
    #[error("the resource {resource:?} is not configured: add it with `LogtoConfig::resources`")]
    UnknownResource {
        /// The resource that was asked for.
        resource: String,
    },
    /// The URL of a storage has a scheme that there is no storage for.
    #[error(
        "no storage has the scheme {scheme:?}: there are memory:, sqlite://, sled://, file://, redis://, rediss://, redis+cluster:// and redis+sentinel://"
    )]
    UnknownStorage {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The storage that a URL names is not compiled in.
    #[error(
        "the storage of {scheme}:// is not compiled in: turn on the feature {feature:?} of logto"
    )]
    StorageNotCompiledIn {
        /// The scheme of the URL.
        scheme: &'static str,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// The URL of a storage has no path.
    #[error(
        "the storage URL has no path: write {scheme}:///var/lib/app/sessions, or without the third slash for a relative path"
    )]
    StorageWithoutPath {
        /// The scheme of the URL.
        scheme: &'static str,
    },
    /// The key of an encrypted storage cannot be used.
    #[error("the environment variable {name} is not a key: {reason}")]
    InvalidKey {
        /// The variable's name.
        name: &'static str,
        /// What is wrong with it, without any of it.
        reason: String,
    },
    /// Root certificates that were given to be trusted cannot be used.
    #[error("the root certificates cannot be used: {reason}")]
    InvalidRootCertificates {
        /// What is wrong with them.
        reason: String,
    },
    /// A duration is out of its bounds.
    #[error("{name} must be at most {limit} seconds")]
    TooLong {
        /// The setting's name.
        name: &'static str,
        /// The most that it can be, in seconds.
        limit: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<LogtoConfig, ConfigError> {
        LogtoConfig::from_variables(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn the_environment_names_the_application() {
        let config = from(&[
            ("LOGTO_ENDPOINT", "https://foo.logto.app/"),
            ("LOGTO_APP_ID", "app"),
            ("LOGTO_APP_SECRET", "secret"),
        ])
        .unwrap();
        assert_eq!(config.app_id, "app");
        assert_eq!(config.app_secret, Some(Secret::from("secret")));
        assert_eq!(config.expected_issuer(), "https://foo.logto.app/oidc");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = from(&[("LOGTO_ENDPOINT", "https://foo.logto.app")]).unwrap_err();
        assert!(error.to_string().contains("LOGTO_APP_ID"), "{error}");
        let error = from(&[("LOGTO_ENDPOINT", " "), ("LOGTO_APP_ID", "app")]).unwrap_err();
        assert!(error.to_string().contains("LOGTO_ENDPOINT"), "{error}");
    }

    #[test]
    fn an_absent_or_empty_secret_is_none() {
        let app = [("LOGTO_ENDPOINT", "https://a"), ("LOGTO_APP_ID", "app")];
        assert_eq!(from(&app).unwrap().app_secret, None);
        let empty = [app[0], app[1], ("LOGTO_APP_SECRET", "")];
        assert_eq!(from(&empty).unwrap().app_secret, None);
    }

    #[test]
    fn endpoints_that_cannot_work_are_refused() {
        for endpoint in [
            "",
            "foo.logto.app",
            "ftp://foo.logto.app",
            "https://foo.logto.app?x=1",
            "https://foo.logto.app#x",
            "https://foo.logto.app/oidc",
            "https://foo.logto.app\n",
            " https://foo.logto.app",
            "https://user:hunter2@foo.logto.app",
        ] {
            let error = LogtoConfig::new(endpoint, "app")
                .validate(false)
                .unwrap_err();
            assert!(
                matches!(error, ConfigError::InvalidEndpoint { .. }),
                "{endpoint}: {error}"
            );
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(
            LogtoConfig::new("https://foo.logto.app", " ").validate(false),
            Err(ConfigError::EmptyAppId)
        );
    }

    #[test]
    fn plain_http_is_for_loopback_or_the_daring() {
        for loopback in [
            "http://localhost:3001",
            "http://127.0.0.1",
            "http://[::1]:3001",
        ] {
            assert_eq!(LogtoConfig::new(loopback, "app").validate(false), Ok(()));
        }
        let public = LogtoConfig::new("http://logto.example.com", "app");
        assert!(matches!(
            public.validate(false),
            Err(ConfigError::InsecureEndpoint { .. })
        ));
        assert_eq!(public.validate(true), Ok(()));
    }
}
