//! What went wrong with a server, as the storage's error.

use std::fmt;
use std::io;
use std::time::Duration;

use logto_core::StorageErrorKind::{Backend, Corrupt, PermissionDenied, Unavailable, Unsupported};
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
    /// The server answered with an error.
    Refused(Refusal),
    /// Sentinel knows no such service, or no master of it.
    NoMaster(String),
    /// No node of the cluster could be asked, or none has the slot.
    NoNode,
    /// Anything else.
    Told(StorageErrorKind, String),
}

/// The server's error by its code alone: its text may repeat what was sent.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    /// `slot host:port`, of `MOVED` and `ASK`.
    pub(crate) redirect: Option<String>,
}

impl Failure {
    /// What came is not Redis' protocol, or too much of it.
    pub(crate) fn not_redis() -> Self {
        let why = "what answers there is not Redis, or wants TLS (rediss://)";
        Self::Told(Backend, why.into())
    }

    /// `redis://` at a node of a cluster.
    pub(crate) fn is_cluster() -> Self {
        let why = "this is a cluster; its address begins with redis+cluster://";
        Self::Told(Backend, why.into())
    }

    /// The code of the server's error.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }

    /// This in place of the server's plain `ERR`, which says too little.
    pub(crate) fn told_if_err(self, kind: StorageErrorKind, why: &str) -> Self {
        match self.code() {
            Some("ERR") => Self::Told(kind, why.to_owned()),
            _ => self,
        }
    }

    /// Whether another server may be the master now.
    pub(crate) fn may_be_of_the_wrong_server(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::UnknownHost(_)
            | Self::Tls(_)
            | Self::Broken(_)
            | Self::TimedOut => true,
            Self::Refused(refusal) => matches!(
                refusal.code.as_str(),
                "READONLY" | "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "MOVED"
            ),
            _ => false,
        }
    }

    /// The error of what could not be `opened`, `read` or `written` at this address.
    pub(crate) fn at(
        self,
        address: &dyn fmt::Display,
        done: &str,
        limit: Duration,
    ) -> StorageError {
        let (kind, why) = self.told(limit);
        let message = format!("Redis at {address} could not be {done}: {why}");
        let error = StorageError::new(kind, message);
        match self {
            Self::Connect(source) | Self::UnknownHost(source) | Self::Broken(source) => {
                error.with_source(source)
            }
            Self::Tls(source) => error.with_source(source),
            _ => error,
        }
    }

    fn told(&self, limit: Duration) -> (StorageErrorKind, String) {
        let (kind, why) = match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => (
                Unavailable,
                "the connection was refused; is the server running there?",
            ),
            Self::Connect(_) => (Unavailable, "no connection can be made"),
            Self::UnknownHost(_) => (Unavailable, "the name of the host has no address"),
            Self::Tls(_) => (
                Backend,
                "TLS failed; it may be a server without TLS, or a certificate that is not trusted (`root_certificate`)",
            ),
            Self::Broken(_) => (
                Unavailable,
                "the server closed the connection, as one does that wants TLS (rediss://)",
            ),
            Self::TimedOut => (
                Unavailable,
                &*format!(
                    "there was no answer within {limit:?} (`timeout`); none comes either from a server without TLS to `rediss://`"
                ),
            ),
            Self::Refused(refusal) => refusal.told(),
            Self::NoMaster(service) => (
                Unavailable,
                &*format!("Sentinel knows no master of the service {service:?}"),
            ),
            Self::NoNode => (Unavailable, "no node of the cluster answers for the key"),
            Self::Told(kind, why) => (*kind, why.as_str()),
        };
        let code = self.code().map(|code| format!(" ({code})"));
        (kind, format!("{why}{}", code.unwrap_or_default()))
    }
}

impl Refusal {
    pub(crate) fn of(error: &redis::ServerError) -> Self {
        let is_code = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        let code = match error.code() {
            code if code.len() <= 32 && code.chars().all(is_code) => code,
            _ => "UNKNOWN",
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

    fn told(&self) -> (StorageErrorKind, &'static str) {
        match self.code.as_str() {
            "NOAUTH" => (PermissionDenied, "the server wants a password"),
            "WRONGPASS" => (
                PermissionDenied,
                "the server does not accept the user or the password",
            ),
            "NOPERM" => (
                PermissionDenied,
                "the user may not do this; the documentation of this crate says what its ACL must allow",
            ),
            "READONLY" => (
                PermissionDenied,
                "this is a read-only replica; give the address of the master",
            ),
            "DENIED" => (
                PermissionDenied,
                "the server is in protected mode; give it a password",
            ),
            "MISCONF" => (Backend, "the server cannot save to its disk"),
            "NOREPLICAS" => (
                Unavailable,
                "the server has too few replicas (min-replicas-to-write)",
            ),
            "LOADING" => (Unavailable, "the server is still loading its data"),
            "MASTERDOWN" | "TRYAGAIN" => (Unavailable, "the server cannot answer yet"),
            "MOVED" | "ASK" => (
                Unavailable,
                "the nodes of the cluster disagree about who has the key",
            ),
            "CLUSTERDOWN" => (
                Unavailable,
                "the cluster is down, or does not serve all slots",
            ),
            "OOM" => (Backend, "the server's memory limit is reached (maxmemory)"),
            "WRONGTYPE" => (
                Corrupt,
                "a key of the session holds what this crate did not write; take another prefix",
            ),
            _ => (Backend, "the server answered with an error"),
        }
    }
}

/// An address or a setting that cannot be used.
pub(crate) fn refused_setting(why: impl Into<String>) -> StorageError {
    StorageError::new(Unsupported, why.into())
}

/// What is stored is not as this crate writes it.
pub(crate) fn damaged() -> StorageError {
    StorageError::new(Corrupt, "a session on the Redis server is damaged")
}

/// A script gave an answer that is none of its own. That says nothing about the session.
pub(crate) fn unexpected() -> StorageError {
    StorageError::new(Backend, "a script on Redis gave an unknown answer")
}
