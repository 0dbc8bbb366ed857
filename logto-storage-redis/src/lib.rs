//! Sessions of the Logto SDK in Redis or Valkey: one server, a master that Sentinel watches, or a cluster.
//!
//! Pick this backend for a web application on several machines, whose processes share the sessions of
//! their users. On one machine a SQLite file does the same without a server.
//!
//! ```no_run
//! use logto_core::{PersistKey, SessionId, Storage, Storage};
//! use logto_storage_redis::RedisStorage;
//!
//! let store = RedisStorage::open("redis://localhost")?;
//!
//! // A visitor comes: a new session, named by a cookie.
//! let visitor = SessionId::random();
//! let session = store.session(&visitor);
//! session.set(PersistKey::RefreshToken, Some("…"))?;
//!
//! // The same session under another id.
//! let user = SessionId::random();
//! store.rename(&visitor, &user)?;
//! assert_eq!(store.session(&user).get(PersistKey::RefreshToken)?.as_deref(), Some("…"));
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
//! - **All or nothing.** A change is one script, which no other command comes between. Who reads sees what
//!   was before it or what is after. This holds for a [rename](logto_core::Storage::rename) in a
//!   cluster too, whose two keys are on different servers: the session is under exactly one of its ids at
//!   every moment, and wherever the process is killed. What it has left undone, the next one to use the
//!   session does.
//! - **As durable as the server.** When a call has returned, the server has the change. What it keeps of
//!   that over a crash is [for you to set](#what-to-set-in-the-server).
//! - **Gone in time.** The lifetime is the key's own, by the server's clock, so that the clocks of your
//!   machines do not matter, and Redis frees what is over without [a
//!   purge](logto_core::Storage::purge_expired). A read is noted when a twentieth of the lifetime has
//!   passed, at the latest.
//! - **One round trip** for a read, and for a write. Where an owner is written, that is, at a sign-in, it is one
//!   more, and in a cluster two.
//! - **Users are found**, by an index which has a session before that has its owner, and longer than it lives.
//!   In a cluster a user's sessions are looked at one by one.
//! - **Bounded.** No call takes much longer than the [timeout](RedisStorageBuilder::timeout), whatever the
//!   server does. A connection that broke is made anew, and the call repeated.
//! - **Ids are not on the server**, only their SHA-256; nor are the users, by whom sessions are
//!   [found](logto_core::Storage::sessions_of). No error, log or `Debug` shows a value, an id or a password.
//! - **Other people's keys are left alone.** Where a key holds something else, that is an error.
//!
//! # What is not
//!
//! - **Tokens are stored in clear.** Who can read the server, its files or the network has them. Use TLS, and
//!   [`EncryptedStorage`](logto_core::EncryptedStorage) around this store.
//! - **What replicas have not got is lost in a failover.** Redis copies to replicas after it has answered.
//!   With [`wait_for_replicas`](RedisStorageBuilder::wait_for_replicas) a call waits for so many of them, which
//!   makes that rare and not impossible: Redis may promote another one. A cluster that is split, and a
//!   master that Sentinel has given up, take writes for a while that are lost.
//! - **A call that fails may have been done**, or be done a moment later: the answer may be what was lost. A call
//!   whose connection broke is sent again, and is then the last of those who wrote meanwhile. What needs
//!   more is done under the [lock](#the-lock-of-a-session).
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
//! 1 to 32 milliseconds. While the lock is held, a thread of the store renews the lease every third of it.
//!
//! - **Killed**: the next one has the lock when the lease is over.
//! - **Hanging**, stopped or cut off for longer than the lease: the next one has it then, too. When the
//!   first one wakes up, [`is_held`](logto_core::StorageLock::is_held), which asks the server, is `false`, so
//!   that the client does not send its refresh token; and **what it writes is refused** with
//!   [`Busy`](logto_core::StorageErrorKind::Busy), in the same step as it would be written, if anybody else
//!   has had the lock since: a released lock tells for ten minutes who had it last. If nobody has, it may
//!   write. This holds for the handle of the session that took the lock, whichever
//!   thread uses it; other handles write as if there were no lock.
//! - **The server fails over** to a replica that does not have the lease yet: two may hold the lock. It takes
//!   [`wait_for_replicas`](RedisStorageBuilder::wait_for_replicas) to make that rare. A server that was
//!   restarted without its data has no locks either. What is lost then is the tokens of one session: the
//!   user signs in again.
//!
//! # What is written
//!
//! All keys begin with the prefix, `logto` unless [set](RedisStorageBuilder::key_prefix). Digests are
//! in base64url without padding. Names of fields that begin with `@` are this crate's own.
//!
//! | Key | What it is |
//! |---|---|
//! | `logto:{digest of the id}` | a hash with the values of a session, by the names of [`PersistKey`](logto_core::PersistKey) |
//! | its field `@indexed` | until when the index of its owner has it, about, in milliseconds |
//! | its field `@used` | when it was used, by a [clock of the caller](RedisStorageBuilder::clock) only |
//! | its fields `@rename`, `@out`, `@in` | a rename in a cluster that is under way: which, where it goes, and what comes |
//! | `logto:{digest of the id}:lock` | a string: `held:` or `free:` and a random token |
//! | `logto:owner:digest of the owner` | a sorted set of the digests of sessions, 32 bytes each, by the time at which an entry may go. It may have more than the owner's sessions, which is found out when it is read |
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
mod lease;
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
