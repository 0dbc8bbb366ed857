//! What went wrong with a server, as the storage's error.

use std::fmt;
use std::io;
use std::time::Duration;

use logto_core::{StorageError, StorageErrorKind};

/// Why commands came to nothing. Holds nothing that was sent, and nothing that was stored.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection could be made.
    Connect(io::Error),
    /// The name of the host has no address.
    UnknownHost(io::Error),
    /// The server's certificate was refused, or it does not speak TLS.
    Tls(rustls::Error),
    /// The connection broke.
    Broken(io::Error),
    /// Nothing came within the time that was left.
    TimedOut,
    /// All connections are in use.
    PoolExhausted(usize),
    /// What came is not Redis' protocol, or too much of it.
    NotRedis,
    /// What came is Redis' protocol, but no answer to what was asked.
    Unexpected(&'static str),
    /// It does not know the user or the password, or wants none.
    NotLoggedIn,
    /// It has no database of this number.
    NoDatabase(u32),
    /// The server answered with an error.
    Refused(Refusal),
    /// Fewer replicas than wanted have what was written.
    TooFewReplicas { wanted: u32, reached: u32 },
    /// Sentinel knows no such service, or no master of it.
    NoMaster(String),
    /// `redis+sentinel://` at something else.
    IsNoSentinel,
    /// No node of the cluster could be asked, or none has the slot.
    NoNode,
    /// `redis://` at a node of a cluster.
    IsCluster,
    /// `redis+cluster://` at a server that is in none.
    IsNoCluster,
}

/// The server's error by its code alone: its text may repeat what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    /// `slot host:port`, of `MOVED` and `ASK`.
    pub(crate) redirect: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.code)
    }
}

impl std::error::Error for Refusal {}

impl Failure {
    /// The error of what could not be `opened`, `read` or `written` at this address.
    pub(crate) fn at(
        self,
        address: &dyn fmt::Display,
        done: &str,
        limit: Duration,
    ) -> StorageError {
        let message = format!(
            "Redis at {address} could not be {done}: {}",
            self.why(limit)
        );
        let error = StorageError::new(self.kind(), message);
        match self {
            Failure::Connect(source) | Failure::UnknownHost(source) | Failure::Broken(source) => {
                error.with_source(source)
            }
            Failure::Tls(source) => error.with_source(source),
            Failure::Refused(source) => error.with_source(source),
            _ => error,
        }
    }

    fn kind(&self) -> StorageErrorKind {
        match self {
            Failure::PoolExhausted(_) => StorageErrorKind::Busy,
            Failure::Connect(_)
            | Failure::UnknownHost(_)
            | Failure::Broken(_)
            | Failure::TimedOut
            | Failure::NoMaster(_)
            | Failure::NoNode => StorageErrorKind::Unavailable,
            Failure::Unexpected(_) => StorageErrorKind::Corrupt,
            Failure::Refused(refusal) => refusal.kind(),
            Failure::NotLoggedIn => StorageErrorKind::PermissionDenied,
            _ => StorageErrorKind::Backend,
        }
    }

    fn why(&self, limit: Duration) -> String {
        match self {
            Failure::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "the connection was refused; is the server running there?".into()
            }
            Failure::Connect(_) => "no connection can be made".into(),
            Failure::UnknownHost(_) => "the name of the host has no address".into(),
            Failure::Tls(_) => "TLS failed; it may be a server without TLS, or a certificate that is not trusted (`root_certificate`)".into(),
            Failure::Broken(_) => {
                "the server closed the connection, as one does that wants TLS (rediss://)".into()
            }
            Failure::TimedOut => format!(
                "there was no answer within {limit:?} (`timeout`); none comes either from a server without TLS to `rediss://`"
            ),
            Failure::PoolExhausted(limit) => format!(
                "all {limit} connections are in use; allow more (`connections`)"
            ),
            Failure::NotRedis => {
                "what answers there is not Redis, or wants TLS (rediss://)".into()
            }
            Failure::NotLoggedIn => {
                "the server does not accept the user or the password, or has no password".into()
            }
            Failure::NoDatabase(number) => format!("the server has no database {number}"),
            Failure::Unexpected(what) => (*what).into(),
            Failure::Refused(refusal) => refusal.why(),
            Failure::TooFewReplicas { wanted, reached } => format!(
                "{reached} of {wanted} replicas have what was written"
            ),
            Failure::NoMaster(service) => format!("Sentinel knows no master of the service {service:?}"),
            Failure::IsNoSentinel => {
                "what answers is no Sentinel; the address of a server begins with redis://".into()
            }
            Failure::NoNode => "no node of the cluster answers for the key".into(),
            Failure::IsCluster => "this is a cluster; its address begins with redis+cluster://".into(),
            Failure::IsNoCluster => "this server is not in a cluster; its address begins with redis://".into(),
        }
    }
}

impl Refusal {
    pub(crate) fn of(error: &redis::ServerError) -> Self {
        let is_code = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        let code = match error.code() {
            code if code.len() <= 32 && code.chars().all(is_code) => code,
            _ => "an error",
        };
        let redirect = match code {
            "MOVED" | "ASK" => error.details().map(str::to_owned),
            _ => None,
        };
        Self {
            code: code.to_owned(),
            redirect,
        }
    }

    /// What a replica answers to those who write.
    pub(crate) fn read_only() -> Self {
        Self {
            code: "READONLY".to_owned(),
            redirect: None,
        }
    }

    fn kind(&self) -> StorageErrorKind {
        match self.code.as_str() {
            "NOAUTH" | "WRONGPASS" | "NOPERM" | "READONLY" | "DENIED" => {
                StorageErrorKind::PermissionDenied
            }
            "WRONGTYPE" => StorageErrorKind::Corrupt,
            "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "NOREPLICAS" | "TRYAGAIN" | "MOVED"
            | "ASK" => StorageErrorKind::Unavailable,
            _ => StorageErrorKind::Backend,
        }
    }

    fn why(&self) -> String {
        match self.code.as_str() {
            "NOAUTH" => "the server wants a password".into(),
            "WRONGPASS" => "the server does not accept the user or the password".into(),
            "NOPERM" => {
                "the user may not do this; the documentation of this crate says what its ACL must allow".into()
            },
            "READONLY" => "this is a read-only replica; give the address of the master".into(),
            "DENIED" => "the server is in protected mode; give it a password".into(),
            "MISCONF" => "the server cannot save to its disk".into(),
            "NOREPLICAS" => "the server has too few replicas (min-replicas-to-write)".into(),
            "LOADING" => "the server is still loading its data".into(),
            "MOVED" | "ASK" => "the nodes of the cluster disagree about who has the key".into(),
            "CLUSTERDOWN" => "the cluster is down, or does not serve all slots".into(),
            "OOM" => "the server's memory limit is reached (maxmemory)".into(),
            "WRONGTYPE" => {
                "a key of the session holds what this crate did not write; take another prefix"
                    .into()
            }
            code => format!("the server answered {code}"),
        }
    }
}

/// An address or a setting that cannot be used.
pub(crate) fn refused_setting(why: impl Into<String>) -> StorageError {
    StorageError::new(StorageErrorKind::Unsupported, why.into())
}

/// What is stored is not as this crate writes it.
pub(crate) fn corrupt(what: &'static str) -> StorageError {
    StorageError::new(StorageErrorKind::Corrupt, what)
}

/// A script gave an answer that is none of its own.
pub(crate) fn unexpected() -> StorageError {
    corrupt("a script on the Redis server gave an answer that it does not have")
}
