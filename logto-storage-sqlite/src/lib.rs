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
//! // The visitor has signed in: the same session under an id that nobody could have planted.
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
//! process, and the clock of a test:
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
//! an hour from a thread of your own, say.
//!
//! # What is promised
//!
//! - **Durable.** A write has reached the disk when the call returns, and is there whole or not at
//!   all after a crash or a power failure (`synchronous=FULL` over a write-ahead log).
//! - **Concurrent.** Threads and processes of one machine use the file at once. Reads do not wait for
//!   writes or for one another; writes take turns. A store opens up to 16 connections.
//! - **Private to the user account.** A file that the store creates has the mode 0600, and so have
//!   the two that SQLite puts beside it (`-wal` and `-shm`). A file that was there keeps its mode; a
//!   warning is logged if others may read it. On Windows the directory's access list applies.
//! - **Ids are not in the file**, only their SHA-256.
//! - **Other people's files are left alone.** The store refuses a database of another application, or
//!   of a newer version of this crate, and does not change it.
//!
//! # What is not
//!
//! - **Tokens are stored in clear.** Who can read the file, or a backup of it, has them. What is
//!   removed is overwritten in the database (`secure_delete`), and in the write-ahead log the next
//!   time that SQLite starts it over.
//! - **The lock of a session holds within one process**, among all stores that have the same file
//!   open. Two processes that refresh the tokens of one session at the same moment do not exclude each
//!   other yet; the next version adds that.
//! - **No network file systems.** A write-ahead log needs memory that all its users share.
//! - **No databases in memory**: that is [`MemoryStore`](logto_core::MemoryStore).
//!
//! Do not move, copy or delete the file while a program has it open; `sqlite3 sessions.db ".backup
//! copy.db"` makes a safe copy.
//!
//! # Features
//!
//! `bundled`, on by default, compiles SQLite in, which takes a C compiler. Without it the system's
//! library is linked; it must be version 3.45.3 or newer.

mod database;
mod error;
mod idle;
mod lease;
mod lock;
mod locks;
mod permissions;
mod pool;
mod presence;
mod schema;
mod storage;
mod store;

pub use store::{SqliteStore, SqliteStoreBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
