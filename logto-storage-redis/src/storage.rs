//! The sessions on one server or a cluster.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Clock, DEFAULT_IDLE_LIFETIME, IdleLifetime, OwnerDigest, Record, SessionKey, Storage,
    StorageError, StorageErrorKind, StorageLock, Version,
};

use crate::error::{damaged, unexpected};
use crate::lifetime::Lifetime;
use crate::lock::Locks;
use crate::names::Names;
use crate::owners::Index;
use crate::record::{self, Answer, Fields, text_of};
use crate::scripts;
use crate::server::{Address, Server, Settings};

const DEFAULT_PREFIX: &str = "logto";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_CONNECTIONS: usize = 16;
const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// Sessions in Redis or Valkey.
///
/// `Clone` is cheap and shares the connections. Storages that were opened apart, in this process or in
/// others, see the same sessions if they have one server and one prefix.
///
/// ```no_run
/// use logto_core::{Record, SessionKey, Storage};
/// use logto_storage_redis::RedisStorage;
///
/// let storage = RedisStorage::open("redis://localhost")?;
/// let record = Record::new(None, "{}");
/// storage.save(&SessionKey::ONLY, &record, None)?;
/// assert_eq!(storage.clone().load(&SessionKey::ONLY)?, Some(record));
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Clone)]
pub struct RedisStorage {
    inner: Arc<Inner>,
}

struct Inner {
    server: Arc<Server>,
    names: Names,
    lifetime: Lifetime,
    locks: Locks,
}

impl RedisStorage {
    /// Connects with the defaults of the [builder](Self::builder).
    ///
    /// # Errors
    ///
    /// Same as [`RedisStorageBuilder::open`].
    pub fn open(url: &str) -> Result<Self, StorageError> {
        Self::builder(url).open()
    }

    /// Sets what differs from the defaults. The crate documentation describes the [URLs](crate#addresses).
    pub fn builder(url: &str) -> RedisStorageBuilder {
        RedisStorageBuilder {
            address: Address::parse(url),
            key_prefix: None,
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            clock: None,
            lease: DEFAULT_LEASE,
            timeout: None,
            connections: DEFAULT_CONNECTIONS,
            replicas: None,
            root_certificates: Vec::new(),
        }
    }
}

impl Inner {
    fn index(&self) -> Index<'_> {
        Index {
            server: &self.server,
            names: &self.names,
            lifetime: &self.lifetime,
        }
    }

    /// `last` as in [`record::ask`].
    fn answer(&self, session: &SessionKey, last: &str) -> Result<Answer, StorageError> {
        let (key, mut commands) = (self.names.session(session), redis::pipe());
        record::ask(&mut commands, &key, last);
        commands.cmd("PTTL").arg(&key);
        // A key without any of the fields was written between the two commands, or is damaged.
        for _ in 0..2 {
            let answer: Answer = self.server.read(&key, &commands)?;
            if answer.1 == -2 || answer.0 != Fields::default() {
                return Ok(answer);
            }
        }
        Err(damaged())
    }

    /// The version of a session that lives.
    fn version(&self, session: &SessionKey) -> Result<Option<Version>, StorageError> {
        let (fields, _) = self.answer(session, "data")?;
        match record::is_live(&fields, &self.lifetime) {
            true => Ok(Some(record::read(fields)?.version())),
            false => Ok(None),
        }
    }

    /// Whether this call removed the session, if it is to have a version. A session that is missing when the
    /// call is repeated counts as removed by it.
    fn remove(&self, session: &SessionKey, version: Option<Version>) -> Result<bool, StorageError> {
        let (key, version) = (self.names.session(session), text_of(version));
        let (script, server, mut may_have_run) = (&scripts::REMOVE, &self.server, false);
        let removed: i64 = server.write_or_repeat(script, &[&key], version, &mut may_have_run)?;
        Ok(removed == 1 || removed == 2 && may_have_run)
    }

    /// Best effort: a session that was loaded is there, whether or not that could be noted.
    fn note_use(&self, session: &SessionKey, record: &Record) {
        let (key, version) = (self.names.session(session), text_of(Some(record.version())));
        let ([now, _], lifetime) = (self.lifetime.times(), &self.lifetime);
        let touch = |is_indexed: bool| {
            let of_lifetime = (&now, lifetime.millis, lifetime.index_span);
            let arguments = (&version, of_lifetime, is_indexed);
            self.server.write(&scripts::TOUCH, &[&key], arguments)
        };
        let noted = touch(false).and_then(|noted: i64| match (noted, record.owner()) {
            (2, Some(owner)) => {
                self.index().add(session, &owner)?;
                touch(true)
            }
            _ => Ok(noted),
        });
        if let Err(error) = noted {
            log::debug!("the use of a session is noted at a later load: {error}");
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for RedisStorage {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        let (fields, left) = self.inner.answer(session, "data")?;
        if !record::is_live(&fields, &self.inner.lifetime) {
            return Ok(None);
        }
        let used = record::used(&fields);
        let record = record::read(fields)?;
        if self.inner.lifetime.should_note(used, left) {
            self.inner.note_use(session, &record);
        }
        Ok(Some(record))
    }

    /// A new session is in the indexes of its owner before the script is sent, and any other if the script says so.
    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let inner = &self.inner;
        let (key, lifetime) = (inner.names.session(session), &inner.lifetime);
        let (owner, times) = (record.owner(), lifetime.times());
        let owner_text = owner.map(|owner| owner.to_string()).unwrap_or_default();
        let versions = [expected, Some(record.version())].map(text_of);
        let add_to_index = || owner.map_or(Ok(()), |owner| inner.index().add(session, &owner));
        let mut is_indexed = expected.is_none();
        if is_indexed {
            add_to_index()?;
        }
        loop {
            let of_lifetime = (&times, lifetime.millis, lifetime.index_span);
            let arguments = (
                &versions,
                &owner_text,
                record.data(),
                of_lifetime,
                is_indexed,
            );
            match inner.server.write(&scripts::SAVE, &[&key], arguments)? {
                1 => return Ok(()),
                0 => return Err(StorageError::conflict()),
                -1 => return Err(damaged()),
                2 if !is_indexed => add_to_index()?,
                _ => return Err(unexpected()),
            }
            is_indexed = true;
        }
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.inner.remove(session, None).map(drop)
    }

    /// Three steps, since the two keys may lie on different servers. A crash in between leaves both sessions.
    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        if self.inner.version(from)? != expected {
            return Err(StorageError::conflict());
        }
        self.save(to, record, None)?;
        let removed = expected.map_or(Ok(true), |_| self.inner.remove(from, expected));
        if let Ok(true) = removed {
            return Ok(());
        }
        let undone = self.inner.remove(to, Some(record.version()));
        if let Err(error) = undone {
            log::warn!("a session that was not replaced has a second id for now: {error}");
        }
        Err(removed.err().unwrap_or_else(StorageError::conflict))
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        let holding = self
            .inner
            .locks
            .acquire(&self.inner.names, session, timeout)?;
        Ok(StorageLock::lease(holding, |holding| holding.is_held()))
    }

    /// Without a [clock](RedisStorageBuilder::clock) this does nothing and returns 0: Redis frees what has
    /// expired by itself. With one, it looks at every session.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        let (server, names) = (&self.inner.server, &self.inner.names);
        let mut purged = 0;
        if self.inner.lifetime.clock.is_none() {
            return Ok(purged);
        }
        server.scan(&names.pattern_of_sessions(), &mut |key| {
            if let Some(session) = names.session_of_key(key) {
                let [_, oldest] = self.inner.lifetime.times();
                let key = names.session(&session);
                match server.write::<i64>(&scripts::PURGE, &[&key], oldest) {
                    // Another type of key does not keep the others from their end.
                    Err(error) if error.kind() == StorageErrorKind::Corrupt => {}
                    done => purged += u64::from(done? == 1),
                }
            }
            Ok(())
        })?;
        Ok(purged)
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        self.inner.index().find(owner)
    }

    /// By `SCAN` of every master. The server may name a session twice; it is visited once.
    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let (names, lifetime) = (&self.inner.names, &self.inner.lifetime);
        let mut visited = HashSet::new();
        self.inner
            .server
            .scan(&names.pattern_of_sessions(), &mut |key| {
                let Some(session) = names.session_of_key(key) else {
                    return Ok(());
                };
                let is_live = match self.inner.answer(&session, "none") {
                    Err(error) if error.kind() == StorageErrorKind::Corrupt => true,
                    answer => record::is_live(&answer?.0, lifetime),
                };
                match is_live && visited.insert(session) {
                    true => visit(&session),
                    false => Ok(()),
                }
            })
    }
}

impl fmt::Debug for RedisStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStorage")
            .field("server", &self.inner.server)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`RedisStorage`].
#[must_use = "nothing is opened until `open`"]
pub struct RedisStorageBuilder {
    address: Result<Address, StorageError>,
    key_prefix: Option<String>,
    idle_lifetime: Duration,
    clock: Option<Arc<dyn Clock>>,
    lease: Duration,
    timeout: Option<Duration>,
    connections: usize,
    replicas: Option<u32>,
    root_certificates: Vec<String>,
}

impl RedisStorageBuilder {
    /// What all [keys](crate#what-is-written) begin with: 1 to 64 bytes without braces. Default: `logto`,
    /// or the `prefix` of the URL. Applications that share a server have one each.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = Some(prefix.into());
        self
    }

    /// How long a session may lie unused before it expires, in whole milliseconds. Default:
    /// [`DEFAULT_IDLE_LIFETIME`]. More than 100 years are taken for 100.
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
    /// nothing. Default: 10 seconds; 100 milliseconds at least. More than 100 years are taken for
    /// 100.
    ///
    /// It is renewed while it is held, so it need not be longer than what is done under the lock. It is to
    /// be longer than the process, the network or the server may hang.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long a call may take in all: waiting for a connection, connecting, the answer, and
    /// trying again. Default: 5 seconds, or the `timeout` of the URL, in milliseconds. More than a year is
    /// taken for one.
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
    /// `replicas` of the URL. A lock that too few have is not taken; if too few have a record that was
    /// saved, that is logged as a warning.
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

    /// Connects.
    ///
    /// # Errors
    ///
    /// - [`Unsupported`](logto_core::StorageErrorKind::Unsupported) if the URL or another setting cannot be used.
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the server does not accept the user or the password.
    /// - [`Unavailable`](logto_core::StorageErrorKind::Unavailable) if no server answers there.
    /// - [`Backend`](logto_core::StorageErrorKind::Backend) if it is none of Redis, or refuses a setting.
    pub fn open(self) -> Result<RedisStorage, StorageError> {
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
            root_certificates: self.root_certificates,
            prefix,
            address,
        };
        let server = Arc::new(Server::open(settings)?);
        Ok(RedisStorage {
            inner: Arc::new(Inner {
                names,
                lifetime: Lifetime::new(self.idle_lifetime, idle),
                locks: Locks::new(Arc::clone(&server), self.lease)?,
                server,
            }),
        })
    }
}

impl fmt::Debug for RedisStorageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStorageBuilder")
            .field("address", &self.address.as_ref().map(Address::to_string))
            .finish_non_exhaustive()
    }
}
