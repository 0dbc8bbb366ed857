//! Stores in a place of their own, and a look at the keys past them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_core::{
    OwnerDigest, Record, SessionId, SessionKey, SessionOwner, StorageError, StorageErrorKind,
};
use logto_storage_redis::{RedisStorage, RedisStorageBuilder};

use crate::server::{RedisServer, Reply, shared, shared_cluster, unique_prefix};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const ISSUER: &str = "https://foo.logto.app/oidc";

/// A prefix on the shared server or in the shared cluster.
pub(crate) struct Place {
    pub(crate) prefix: String,
    is_cluster: bool,
}

impl Place {
    pub(crate) fn on_one_server() -> Self {
        Self {
            prefix: unique_prefix(),
            is_cluster: false,
        }
    }

    pub(crate) fn in_cluster() -> Self {
        Self {
            is_cluster: true,
            ..Self::on_one_server()
        }
    }

    /// What is promised of either.
    pub(crate) fn both() -> [Self; 2] {
        [Self::on_one_server(), Self::in_cluster()]
    }

    pub(crate) fn url(&self) -> String {
        match self.is_cluster {
            true => shared_cluster().url(),
            false => shared().url(),
        }
    }

    pub(crate) fn builder(&self) -> RedisStorageBuilder {
        RedisStorage::builder(&self.url()).key_prefix(&self.prefix)
    }

    pub(crate) fn store(&self) -> RedisStorage {
        self.builder().open().unwrap()
    }

    pub(crate) fn key(&self, session: &SessionKey) -> String {
        let digest = URL_SAFE_NO_PAD.encode(session.as_bytes());
        format!("{}:{{{digest}}}", self.prefix)
    }

    pub(crate) fn lock_key(&self, session: &SessionKey) -> String {
        self.key(session) + ":lock"
    }

    pub(crate) fn index_key(&self, owner: &OwnerDigest) -> String {
        format!("{}:owner:{owner}", self.prefix)
    }

    /// One command at the server that has the key.
    pub(crate) fn command(&self, key: &str, words: &[&str]) -> Reply {
        self.server_of(key).command(words)
    }

    pub(crate) fn number(&self, key: &str, words: &[&str]) -> i64 {
        self.command(key, words).text().parse().unwrap()
    }

    pub(crate) fn field(&self, session: &SessionKey, field: &str) -> Option<String> {
        let key = self.key(session);
        match self.command(&key, &["HGET", &key, field]) {
            Reply::Nil => None,
            reply => Some(reply.text()),
        }
    }

    pub(crate) fn set_field(&self, session: &SessionKey, field: &str, value: &str) {
        let key = self.key(session);
        self.command(&key, &["HSET", &key, field, value]);
    }

    /// Milliseconds; -1 if it never ends, -2 if there is no such key.
    pub(crate) fn left(&self, key: &str) -> i64 {
        self.number(key, &["PTTL", key])
    }

    pub(crate) fn set_left(&self, key: &str, left: Duration) {
        let left = left.as_millis().to_string();
        assert_eq!(self.number(key, &["PEXPIRE", key, &left]), 1);
    }

    pub(crate) fn exists(&self, key: &str) -> bool {
        self.number(key, &["EXISTS", key]) == 1
    }

    /// How many sessions an index holds.
    pub(crate) fn indexed(&self, owner: &OwnerDigest) -> i64 {
        let key = self.index_key(owner);
        self.number(&key, &["ZCARD", &key])
    }

    fn server_of(&self, key: &str) -> &'static RedisServer {
        match self.is_cluster {
            false => shared(),
            true => {
                let cluster = shared_cluster();
                &cluster.nodes()[cluster.owner_of(cluster.slot_of(key))]
            }
        }
    }
}

pub(crate) fn user(sub: &str) -> OwnerDigest {
    OwnerDigest::of_user(ISSUER, sub)
}

pub(crate) fn owner(sub: &str) -> SessionOwner {
    SessionOwner::new(ISSUER, sub, Some("a session"))
}

pub(crate) fn owned(sub: &str, data: &str) -> Record {
    Record::new(Some(owner(sub)), data)
}

pub(crate) fn plain(data: &str) -> Record {
    Record::new(None, data)
}

pub(crate) fn any_key() -> SessionKey {
    SessionId::random().key()
}

#[track_caller]
pub(crate) fn assert_kind<T>(outcome: Result<T, StorageError>, kind: StorageErrorKind) -> String {
    let error = outcome.map(drop).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}
