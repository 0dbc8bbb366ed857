//! Sessions of the Logto SDK in one SQLite file.
//!
//! Pick this backend for a web application on one machine whose users are to stay signed in over a
//! restart, and for a desktop program that already has a database. It needs no server, and takes as
//! many sessions as the disk does.
//!
//! ```
//! use logto_core::{PersistKey, SessionId, SessionStore, Storage};
//! use logto_storage_sqlite::SqliteStore;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions.db");
//! let store = SqliteStore::open(&path)?;
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
//!
//! // The program restarts: the session is still there.
//! drop((session, store));
//! let store = SqliteStore::open(&path)?;
//! assert!(store.session(&user).get(PersistKey::RefreshToken)?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Settings
//!
//! [`SqliteStore::builder`] sets how long a session may lie unused, how long a call waits for another
//! process, how long a lock is left to a holder that hangs, and the clock of a test:
//!
//! ```
//! use logto_storage_sqlite::SqliteStore;
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions.db");
//! let store = SqliteStore::builder(&path)
//!     .idle_lifetime(Duration::from_secs(24 * 60 * 60))
//!     .busy_timeout(Duration::from_secs(2))
//!     .open()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A session that lay unused for longer is absent from that moment on. The space that it takes is
//! freed by [`purge_expired`](logto_core::SessionStore::purge_expired): call it now and then, once
//! an hour from a thread of your own, say. It deletes a few sessions at a time, for some milliseconds
//! each, and leaves others as much time to write in between.
//!
//! # What is promised
//!
//! - **Durable.** A write has reached the disk when the call returns, and is there whole or not at
//!   all after a crash or a power failure (`synchronous=FULL` over a write-ahead log).
//! - **Concurrent.** Threads and processes of one machine use the file at once. Reads do not wait for
//!   writes or for one another; writes take turns. A store opens up to 17 connections, as many as are used
//!   at once, and each keeps up to 16 MiB of a large file in memory.
//! - **One at a time where it matters.** The [lock](#the-lock-of-a-session) of a session excludes all
//!   other threads and processes, and is free again at once when its holder is killed.
//! - **Private to the user account.** A file that the store creates has the mode 0600, and so have
//!   those beside it: SQLite's `-wal` and `-shm`, and `-alive0`, `-alive1` and so on of the processes
//!   that lock sessions. A file that was there keeps its mode; a warning is logged if others may read
//!   it. On Windows the directory's access list applies.
//! - **Ids are not in the file**, only their SHA-256. So are the users that sessions are
//!   [found](logto_core::SessionStore::sessions_of) by, in a table of their own that is written with the
//!   session and looked up by its index.
//! - **Other people's files are left alone.** The store refuses a database of another application, or
//!   of a newer version of this crate, and does not change it.
//!
//! # What is not
//!
//! - **Tokens are stored in clear.** Who can read the file, or a backup of it, has them. What is
//!   removed is overwritten in the database (`secure_delete`), and in the write-ahead log the next
//!   time that SQLite starts it over.
//! - **No network file systems.** A write-ahead log needs memory that all its users share. So do two
//!   containers that share a file: they must run on one kernel, and mount its directory, not the file.
//! - **No databases in memory**: that is [`MemoryStore`](logto_core::MemoryStore).
//! - **No connection of yours.** A store is opened by a path. To take a `rusqlite::Connection` would
//!   put a version of rusqlite into this crate's interface, and one connection is not enough for
//!   readers that do not wait. Give sessions a file of their own.
//! - **No fork.** SQLite's connections must not be carried into a child process: open the store after
//!   the fork.
//!
//! Do not move, copy or delete the file, or those beside it, while a program has it open; `sqlite3
//! sessions.db ".backup copy.db"` makes a safe copy.
//!
//! # The lock of a session
//!
//! Two who refresh the tokens of one session at once show the server the same refresh token, and it
//! signs the user out. So the client does it under [`Storage::lock`](logto_core::Storage::lock). Here
//! that is a *lease*: a row that names the holder. It is written without waiting for the disk,
//! because it is worth nothing after a power failure, and deleted so, or in one transaction with the
//! [last write](logto_core::StorageLock::last_write) under it. Threads of one process queue in memory, and
//! one of them asks for the lease; a process that waits looks again after 1 to 32 milliseconds. No
//! transaction is open while the lock is held, so nobody waits for it but those who want the same lock.
//!
//! A [lock to write](logto_core::Storage::lock_to_write) needs no lease: whatever its holder's thread writes to
//! the session finds out, in its transaction, whether another process has changed or locked the session
//! since. Each session counts its changes for that.
//!
//! A holder may die, and it may hang. These are told apart:
//!
//! - **Killed**, by `kill -9` or any other way: the next one has the lock at once. Each process
//!   that locks sessions keeps one of the `-alive` files locked while it lives. The operating system
//!   unlocks it at the end of the process, and the lease names the file. These files are used again,
//!   never deleted, and hold 32 random bytes.
//! - **Hanging**, stopped or very slow: the next one has the lock when it has watched the same lease
//!   for two minutes ([`lease`](SqliteStoreBuilder::lease)). Each waiting process measures them itself by
//!   a clock that only goes forward, and counts no long pause, so that neither setting the time of day
//!   nor a machine that sleeps ends a lease. A single call need not wait for so long: the count goes on
//!   over calls that end as [`Busy`](logto_core::StorageErrorKind::Busy).
//! - **Killed where files cannot be locked**, or after somebody has deleted the `-alive` file: as
//!   hanging. A warning is logged when files cannot be locked.
//!
//! Two minutes are longer than all that the client does under a lock with its default timeouts. A holder
//! that was suspended for longer than its lease does not know it when it wakes up. It will not release
//! the lock of its successor, and a warning is logged when it would; but what it writes until then is
//! written. To refuse that would save nothing: by then both may have shown the server the same refresh
//! token. [`Duration::MAX`](std::time::Duration::MAX) as the lease rules that out, and leaves a
//! session to a holder that hangs until its process ends.
//!
//! # Features
//!
//! `bundled`, on by default, compiles SQLite in, which takes a C compiler. Without it the system's
//! library is linked; it must be version 3.45.3 or newer.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod checkpoint;
mod database;
mod error;
mod lease;
mod lock;
mod locks;
mod owners;
mod permissions;
mod pool;
mod presence;
mod purge;
mod schema;
mod storage;
mod store;
mod version;
mod write_lock;

pub use store::{SqliteStore, SqliteStoreBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
