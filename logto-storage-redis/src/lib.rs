//! Sessions of the Logto SDK in Redis or Valkey: one server, a master that Sentinel watches, or a cluster.
//!
//! Pick this backend for a web application on several machines, whose processes share the sessions of
//! their users. On one machine a SQLite file does the same without a server.
//!
//! ```no_run
//! use logto_core::{Record, SessionId, Storage};
//! use logto_storage_redis::RedisStorage;
//!
//! let storage = RedisStorage::open("redis://localhost")?;
//! let session = SessionId::random().key(); // the id is in the cookie
//! let record = Record::new(None, "{}");
//! storage.save(&session, &record, None)?;
//! assert_eq!(storage.load(&session)?, Some(record));
//! # Ok::<(), logto_core::StorageError>(())
//! ```
//!
//! # Addresses
//!
//! - `redis://[user[:password]@]host[:port][/database]` is one server. `rediss://` is the same over TLS.
//! - `redis+sentinel://[user[:password]@]host[:port],host[:port],…/service[/database]` is the master of a
//!   service, whichever server that is now; `rediss+sentinel://` over TLS.
//! - `redis+cluster://[user[:password]@]host[:port],host[:port],…` is a cluster, by some of its nodes;
//!   `rediss+cluster://` over TLS.
//!
//! `valkey` and `valkeys` are the same as `redis` and `rediss`. Characters of a user or a password that
//! mean something in a URL are percent-encoded. A query may set `prefix`, `replicas` and `timeout` (in
//! milliseconds), so that all that a deployment chooses can stand in one variable:
//! `redis://sessions:secret@db/2?prefix=shop&timeout=2000`.
//!
//! # Settings
//!
//! [`RedisStorage::builder`] sets how long a session may lie unused, the prefix of keys, how long a call may
//! take, how many connections there are, the lease of a lock, how many replicas are waited for, and whose
//! certificate is trusted:
//!
//! ```no_run
//! use logto_storage_redis::RedisStorage;
//! use std::time::Duration;
//!
//! let store = RedisStorage::builder("rediss://sessions.internal")
//!     .key_prefix("shop")
//!     .idle_lifetime(Duration::from_secs(24 * 60 * 60))
//!     .timeout(Duration::from_secs(2))
//!     .connections(32)
//!     .wait_for_replicas(1)
//!     .root_certificate(std::fs::read_to_string("internal.pem")?)
//!     .open()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! - **Atomic writes.** A save is one script, which compares the version and swaps the record. A save that is
//!   sent twice, because its answer was lost, succeeds once more and changes nothing, unless another save
//!   came between: it then conflicts.
//! - **A [replacement](logto_core::Storage::replace) is three steps**: compare, save, remove, since the two keys
//!   may be on different servers. A crash in between leaves both sessions.
//! - **As durable as the server.** When a call has returned, the server has the change. What it keeps of
//!   that over a crash is [for you to set](#what-to-set-in-the-server).
//! - **Gone in time.** The lifetime is the key's own, by the server's clock, so that the clocks of your
//!   machines do not matter, and Redis frees what is over without [a
//!   purge](logto_core::Storage::purge_expired). A read is noted when a twentieth of the lifetime has
//!   passed, at the latest.
//! - **One round trip** for a load, a save and a removal. A save with a new owner takes one more to index the
//!   session, and in a cluster one for each index.
//! - **Users are found**, by an index which has a session before that has its owner, and longer than it lives.
//!   In a cluster a user's sessions are looked at one by one.
//! - **Bounded.** No call takes much longer than the [timeout](RedisStorageBuilder::timeout), whatever the
//!   server does. A connection that broke is made anew, and the call repeated.
//! - **Ids are not on the server**, only their SHA-256; nor are the users, by whom sessions are
//!   [found](logto_core::Storage::find). No error, log or `Debug` shows a value, an id or a password.
//! - **Damage is not overwritten.** A session that lacks a field or has an odd version, or a key of another type,
//!   is an error to loads and saves. A removal removes it.
//!
//! # What is not
//!
//! - **Tokens are stored in clear.** Who can read the server, its files or the network has them. Use TLS, and
//!   [`EncryptedStorage`](logto_core::EncryptedStorage) around this storage.
//! - **What replicas have not got is lost in a failover.** Redis copies to replicas after it has answered.
//!   With [`wait_for_replicas`](RedisStorageBuilder::wait_for_replicas) a call waits for so many of them, which
//!   makes that rare and not impossible: Redis may promote another one. A cluster that is split, and a
//!   master that Sentinel has given up, take writes for a while that are lost.
//! - **A call that fails may have been done**, or be done a moment later: the answer may be what was lost. A call
//!   whose connection broke is sent again.
//! - **Servers are believed.** The password is sent to whatever host a Sentinel or a node of the cluster
//!   names. With TLS, the certificate is checked against that name, which for a cluster that announces
//!   addresses is the address; trust an authority of your own
//!   ([`root_certificate`](RedisStorageBuilder::root_certificate)), since who has a name on the internet has a
//!   certificate that the system trusts.
//! - **No reads from replicas**, which would show a session as it was.
//! - **No client-side caching, and no publish and subscribe.**
//! - **No connection of yours**: to take one would put another crate's version into this crate's interface.
//! - **No different lifetimes, if it can be helped.** Stores with one prefix have one
//!   [lifetime](RedisStorageBuilder::idle_lifetime); while it is changed, each use of a session sets that of
//!   the store it is used through, but a read never shortens it.
//! - **No fork.** Open the store after it.
//!
//! # The lock of a session
//!
//! Two who refresh the tokens of one session at once show the server the same refresh token, and it
//! signs the user out. So the client does it under [`Storage::lock`](logto_core::Storage::lock). Threads of
//! one process queue in memory, and one of them asks for a *lease*: a key that names the holder and goes by
//! itself after 10 seconds ([`lease`](RedisStorageBuilder::lease)). A process that waits looks again after
//! 1 to 32 milliseconds. While the lock is held, a thread renews the lease every third of it.
//!
//! - **Killed**: the next one has the lock when the lease is over.
//! - **Hanging**, stopped or cut off for longer than the lease: the next one has it then, too. When the
//!   first one wakes up, [`is_held`](logto_core::StorageLock::is_held), which asks the server, is `false`, so
//!   that the client does not send its refresh token. The lock does not guard saves: each compares the version.
//! - **The server fails over** to a replica that does not have the lease yet: two may hold the lock. It takes
//!   [`wait_for_replicas`](RedisStorageBuilder::wait_for_replicas) to make that rare. A server that was
//!   restarted without its data has no locks either. What is lost then is the tokens of one session: the
//!   user signs in again.
//!
//! # What is written
//!
//! All keys begin with the prefix, `logto` unless [set](RedisStorageBuilder::key_prefix). Session keys
//! are in base64url without padding.
//!
//! | Key | What it is |
//! |---|---|
//! | `logto:{session key}` | a hash with five fields |
//! | its field `version` | the version of the record, in hexadecimal |
//! | its field `owner` | the digests of the owner, or empty |
//! | its field `data` | the data of the record |
//! | its field `indexed` | until when the indexes of the owner have the session, about, in milliseconds, or empty |
//! | its field `used` | when it was used, by a [clock of the caller](RedisStorageBuilder::clock), or empty |
//! | `logto:{session key}:lock` | a string: the random token of the lock holder |
//! | `logto:owner:digest of the owner` | a sorted set of session keys, 32 bytes each, by the time at which an entry may go. It may have more than the owner's sessions; `find` checks each |
//!
//! The braces keep a session and its lock on one server of a cluster. To keep the sessions of an application
//! apart from others, give it a prefix, not a database: a cluster has none.
//!
//! # What to set in the server
//!
//! - **Version**: Redis 7 or newer, or Valkey. It is tested with Redis 7.0.
//! - **`maxmemory-policy noeviction`.** Every other policy that evicts removes sessions when memory is short,
//!   which signs users out; a warning is logged at [`open`](RedisStorage::open) then. With it, writes fail when
//!   memory is full, and reads do not.
//! - **Persistence**: `appendonly yes`, or users sign in again when the server was restarted. By
//!   `appendfsync everysec`, Redis' default, a power failure may take back a second: users whose
//!   tokens were refreshed in it sign in again. `appendfsync always` loses nothing, and is as slow as
//!   the disk.
//! - **A user of its own**, with the password in the URL. These ACL rules suffice; `role` is asked of a master
//!   that Sentinel names, and `select` is needed beside them if the URL names a database other
//!   than 0. Another prefix than `logto` stands in the first rule:
//!
//! ```text
#![doc = include_str!("../acl.txt")]
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod lifetime;
mod lock;
mod names;
mod owners;
mod record;
mod scripts;
mod server;
mod storage;

pub use storage::{RedisStorage, RedisStorageBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
