//! The store: many sessions on one server or a cluster of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use logto_core::StorageError;

use crate::server::{Address, Server, Settings};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_CONNECTIONS: usize = 16;

/// The sessions of many users in Redis or Valkey.
#[derive(Clone)]
pub struct RedisStore {
    server: Arc<Server>,
}

impl RedisStore {
    /// Connects with the defaults of the [builder](Self::builder).
    ///
    /// # Errors
    ///
    /// As [`RedisStoreBuilder::open`].
    pub fn open(url: &str) -> Result<Self, StorageError> {
        Self::builder(url).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder {
            address: Address::parse(url),
            timeout: None,
            connections: DEFAULT_CONNECTIONS,
            replicas: None,
            root_certificates: Vec::new(),
            prefix: None,
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`RedisStore`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct RedisStoreBuilder {
    address: Result<Address, StorageError>,
    timeout: Option<Duration>,
    connections: usize,
    replicas: Option<u32>,
    root_certificates: Vec<String>,
    prefix: Option<String>,
}

impl RedisStoreBuilder {
    /// How long a call may take in all: waiting for a connection, connecting, the answer, and
    /// trying again. Default: 5 seconds, or the `timeout` of the URL, in milliseconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many connections there may be to one server. Default: 16.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How many replicas must have what was written before a call ends. Default: 0, or the
    /// `replicas` of the URL.
    pub fn wait_for_replicas(mut self, replicas: u32) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Trusts servers whose certificate this one, in PEM, has signed, and no others. May be called
    /// again for more. Default: the system's certificates.
    pub fn root_certificate(mut self, pem: impl Into<String>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// What all keys begin with. Default: `logto`, or the `prefix` of the URL.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// - [`Unsupported`](logto_core::StorageErrorKind::Unsupported) if the URL or another setting cannot be used.
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the server does not accept the user or the password.
    /// - [`Backend`](logto_core::StorageErrorKind::Backend) if there is no server, or another one.
    pub fn open(self) -> Result<RedisStore, StorageError> {
        let address = self.address?;
        let settings = Settings {
            timeout: self
                .timeout
                .or(address.options.timeout)
                .unwrap_or(DEFAULT_TIMEOUT),
            connections: self.connections,
            replicas: self.replicas.or(address.options.replicas).unwrap_or(0),
            root_certificates: self.root_certificates,
            prefix: self
                .prefix
                .or(address.options.prefix.clone())
                .unwrap_or_else(|| "logto".into()),
            address,
        };
        Ok(RedisStore {
            server: Arc::new(Server::open(settings)?),
        })
    }
}
