//! What can be wrong with the server's metadata.

/// The server's metadata is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The metadata is of another issuer than the configured endpoint's
    /// ([OpenID Connect Discovery, section 4.3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation)).
    #[error(
        "the server says that its issuer is {actual:?}, expected {expected:?}; if that is right, configure it as the `issuer`"
    )]
    IssuerMismatch {
        /// The issuer that was expected.
        expected: String,
        /// The issuer in the metadata.
        actual: String,
    },
    /// The metadata has no endpoint for what is asked.
    #[error("the server does not support this: its metadata has no {name}")]
    MissingEndpoint {
        /// The member's name.
        name: &'static str,
    },
    /// An endpoint in the metadata is no URL, or none that a request can be made to.
    #[error("the server's {name} is not a URL")]
    InvalidEndpoint {
        /// The member's name.
        name: &'static str,
    },
    /// An endpoint in the metadata is `http` on a host that is not loopback.
    #[error("the server's {name} is not https: {url}")]
    InsecureEndpoint {
        /// The member's name.
        name: &'static str,
        /// The URL in the metadata.
        url: String,
    },
}
