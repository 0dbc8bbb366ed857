//! What can be wrong with a configuration.

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
