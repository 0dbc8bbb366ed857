//! The store: many sessions on one server or a cluster of them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Clock, DEFAULT_IDLE_LIFETIME, FoundSession, IdleLifetime, LocalLocks, OwnerDigest, SessionId,
    SessionStore, Storage, StorageError,
};

use crate::lease::Leases;
use crate::lifetime::Lifetime;
use crate::names::Names;
use crate::server::{Address, Server, Settings};
use crate::sessions::Sessions;
use crate::storage::RedisStorage;
use crate::{owners, rename};

const DEFAULT_PREFIX: &str = "logto";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_CONNECTIONS: usize = 16;
const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// The sessions of many users in Redis or Valkey.
///
/// `Clone` is cheap and shares the connections. Stores that were opened apart, in this process or in
/// others, see the same sessions if they have one server and one prefix.
///
/// ```no_run
/// use logto_core::{PersistKey, SessionStore, Storage};
/// use logto_storage_redis::RedisStore;
///
/// let store = RedisStore::open("redis://localhost")?;
/// let session = store.default_session();
/// session.set(PersistKey::IdToken, Some("…"))?;
/// assert!(store.clone().default_session().get(PersistKey::IdToken)?.is_some());
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Clone)]
pub struct RedisStore {
    sessions: Arc<Sessions>,
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

    /// Sets what differs from the defaults. What the URL may be is told [here](crate#addresses).
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder {
            address: Address::parse(url),
            key_prefix: None,
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            clock: None,
            lease: DEFAULT_LEASE,
            timeout: None,
            connections: DEFAULT_CONNECTIONS,
            replicas: None,
            root_certificates: PemTexts::default(),
        }
    }

    fn storage(&self, digest: [u8; 32]) -> Arc<dyn Storage> {
        let session = self.sessions.names.session(digest);
        Arc::new(RedisStorage::new(Arc::clone(&self.sessions), session))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.sessions.server)
            .finish_non_exhaustive()
    }
}

impl SessionStore for RedisStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.storage(id.digest())
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        let names = &self.sessions.names;
        match from == to {
            true => Ok(()),
            false => rename::rename(
                &self.sessions,
                &names.session(from.digest()),
                &names.session(to.digest()),
            ),
        }
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        let session = self.sessions.names.session(id.digest());
        self.sessions.remove(&session)
    }

    /// Without a [clock](RedisStoreBuilder::clock) this does nothing and returns 0: Redis frees what has
    /// expired by itself. With one, it looks at every session.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        let sessions = &self.sessions;
        let mut purged = 0;
        if sessions.lifetime.has_clock() {
            let pattern = sessions.names.pattern_of_sessions();
            sessions.server.scan(&pattern, &mut |key| {
                if let Some(session) = sessions.names.session_of_key(key) {
                    purged += u64::from(sessions.purge(&session)?);
                }
                Ok(())
            })?;
        }
        Ok(purged)
    }

    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let digests = owners::find(&self.sessions, owner)?;
        let found = |digest| FoundSession::new(digest, self.storage(digest));
        Ok(digests.into_iter().map(found).collect())
    }

    /// By `SCAN` of every master. The server may name a session twice; it is visited once.
    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let sessions = &self.sessions;
        let mut visited = HashSet::new();
        let pattern = sessions.names.pattern_of_sessions();
        sessions.server.scan(&pattern, &mut |key| {
            let Some(session) = sessions.names.session_of_key(key) else {
                return Ok(());
            };
            let digest = *session.digest();
            match !visited.contains(&digest) && sessions.is_there(&session)? {
                true => {
                    visited.insert(digest);
                    visit(FoundSession::new(digest, self.storage(digest)))
                }
                false => Ok(()),
            }
        })
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(self.storage(*digest))
    }
}

/// Settings of a [`RedisStore`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct RedisStoreBuilder {
    address: Result<Address, StorageError>,
    key_prefix: Option<String>,
    idle_lifetime: Duration,
    clock: Option<Arc<dyn Clock>>,
    lease: Duration,
    timeout: Option<Duration>,
    connections: usize,
    replicas: Option<u32>,
    root_certificates: PemTexts,
}

impl RedisStoreBuilder {
    /// What all [keys](crate#what-is-written) begin with: 1 to 64 bytes without braces. Default: `logto`,
    /// or the `prefix` of the URL. Applications that share a server have one each.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = Some(prefix.into());
        self
    }

    /// How long a session may lie unused before it is gone, in whole milliseconds. Default:
    /// [`DEFAULT_IDLE_LIFETIME`]. More than 100 years have no end.
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle_lifetime = lifetime;
        self
    }

    /// A clock that idle time is measured by *too*: a session is over when this one or the server's says
    /// so. For tests, which cannot move the server's. Default: none.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// How long the server leaves a [lock](crate#the-lock-of-a-session) to a process of which it hears
    /// nothing. Default: 10 seconds; 100 milliseconds at least. More than 100 years have no end: a process
    /// that is killed then leaves its locks locked.
    ///
    /// It is renewed while it is held, so it need not be longer than what is done under the lock. It is to
    /// be longer than the process, the network or the server may hang.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

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
    /// `replicas` of the URL. A lock that too few have is not had; if too few have a value that was
    /// written, that is logged as a warning.
    pub fn wait_for_replicas(mut self, replicas: u32) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Trusts servers whose certificate this one, in PEM, has signed, and no others. May be called
    /// again for more. Default: the system's certificates.
    pub fn root_certificate(mut self, pem: impl Into<String>) -> Self {
        self.root_certificates.0.push(pem.into());
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// - [`Unsupported`](logto_core::StorageErrorKind::Unsupported) if the URL or another setting cannot be used.
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the server does not accept the user or the password.
    /// - [`Unavailable`](logto_core::StorageErrorKind::Unavailable) if no server answers there.
    /// - [`Backend`](logto_core::StorageErrorKind::Backend) if it is none of Redis, or refuses a setting.
    pub fn open(self) -> Result<RedisStore, StorageError> {
        let mut address = self.address?;
        let prefix = self.key_prefix.or(address.options.prefix.take());
        let prefix = prefix.unwrap_or_else(|| DEFAULT_PREFIX.to_owned());
        let names = Names::new(prefix.clone())?;
        let idle = self
            .clock
            .map(|clock| IdleLifetime::new(self.idle_lifetime, clock));
        let settings = Settings {
            timeout: self
                .timeout
                .or(address.options.timeout)
                .unwrap_or(DEFAULT_TIMEOUT),
            connections: self.connections,
            replicas: self.replicas.or(address.options.replicas).unwrap_or(0),
            root_certificates: self.root_certificates.0,
            prefix,
            address,
        };
        let server = Arc::new(Server::open(settings)?);
        Ok(RedisStore {
            sessions: Arc::new(Sessions {
                names,
                lifetime: Lifetime::new(self.idle_lifetime, idle),
                locks: LocalLocks::default(),
                leases: Leases::new(Arc::clone(&server), self.lease)?,
                server,
            }),
        })
    }
}

/// Shown by its number only: somebody may have put a private key beside a certificate.
#[derive(Default)]
struct PemTexts(Vec<String>);

impl fmt::Debug for PemTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.len())
    }
}
