//! Sessions of the Logto SDK in one SQLite file.
//!
//! Pick this backend for a web application on one machine whose users are to stay signed in over a
//! restart, and for a desktop program that already has a database. It needs no server, and takes as
//! many sessions as the disk does.
//!
//! ```
//! use logto_core::{Record, SessionId, Storage};
//! use logto_storage_sqlite::SqliteStorage;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions.db");
//! let storage = SqliteStorage::open(&path)?;
//! let session = SessionId::random().key();
//! let record = Record::new(None, r#"{"refreshToken":"…"}"#);
//! storage.save(&session, &record, None)?;
//!
//! // The program restarts: the session is still there.
//! drop(storage);
//! assert_eq!(SqliteStorage::open(&path)?.load(&session)?, Some(record));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Settings
//!
//! [`SqliteStorage::builder`] sets how long a session may lie unused, how long a write waits for other writers, and
//! the clock of a test:
//!
//! ```
//! use logto_storage_sqlite::SqliteStorage;
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions.db");
//! let storage = SqliteStorage::builder(&path)
//!     .idle_lifetime(Duration::from_secs(24 * 60 * 60))
//!     .busy_timeout(Duration::from_secs(2))
//!     .open()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A session that lay unused for longer is absent from that moment on.
//! [`purge_expired`](logto_core::Storage::purge_expired) frees its space: call it now and then, such as once
//! an hour from a thread of your own. It deletes some sessions at a time, and leaves others as much time to write in
//! between.
//!
//! # The table
//!
//! One row is one session, and `sqlite3 sessions.db 'SELECT * FROM sessions'` shows it: the SHA-256 of the session id,
//! the digests of the user and of the user's session at Logto, the last use, and the data as JSON. A `user` is the
//! SHA-256 of `sub`, the issuer and the user's id, with a zero byte between them, in base64url.
//!
//! # What is promised
//!
//! - **Durable.** A write has reached the disk when the call returns, and is there whole or not at
//!   all after a crash or a power failure (`synchronous=FULL` over a write-ahead log).
//! - **Concurrent.** Threads and processes of one machine use the file at once. Loads do not wait for
//!   writes or for one another; writes take turns. A storage keeps up to 16 connections.
//! - **One refresh at a time.** The [lock](#the-lock-of-a-session) of a session excludes all
//!   other threads and processes, and is free at once when its holder is killed.
//! - **Private to the user account.** A file that the storage creates has the mode 0600, and so have
//!   those beside it: SQLite's `-wal` and `-shm`, and the lock files. A file that was there keeps its mode; a warning
//!   is logged if others may read it. On Windows the directory's access list applies.
//! - **Ids are not in the file**, only their SHA-256, and so are users.
//! - **Other people's files are left alone.** The storage refuses a database of another application, or
//!   of a newer version of this crate, and does not change it.
//! - **Damage stays visible.** A row that cannot be read is
//!   [`Corrupt`](logto_core::StorageErrorKind::Corrupt) to a load and to a save, until it is removed or expires.
//!   It stops no search and no purge.
//!
//! # What is not
//!
//! - **Tokens are stored in clear.** Who can read the file, or a backup of it, has them. What is
//!   removed is overwritten in the database (`secure_delete`), and in the write-ahead log the next
//!   time that SQLite starts it over.
//! - **No network file systems.** A write-ahead log needs memory that all its users share. So do two
//!   containers that share a file: they must run on one kernel, and mount its directory, not the file.
//! - **No databases in memory**: that is [`MemoryStorage`](logto_core::MemoryStorage).
//! - **No connection of yours.** A storage is opened by a path. To take a `rusqlite::Connection` would
//!   put a version of rusqlite into this crate's interface, and one connection is not enough for
//!   readers that do not wait. Give sessions a file of their own.
//! - **No fork.** SQLite's connections must not be carried into a child process: open the storage after
//!   the fork.
//!
//! Do not move, copy or delete the file, or those beside it, while a program has it open; `sqlite3
//! sessions.db ".backup copy.db"` makes a safe copy.
//!
//! # The lock of a session
//!
//! Two processes that refresh the tokens of one session at once show the server the same refresh token, and it
//! signs the user out. So the client refreshes under [`Storage::lock`](logto_core::Storage::lock). Here
//! that is a file of the directory `sessions.db-locks`, locked by the operating system, which frees it however
//! its holder ends. There are 256 files at most, all empty; sessions that share one wait for each other. A holder that
//! hangs keeps its lock until its process ends.
//!
//! # Features
//!
//! `bundled`, on by default, compiles SQLite in, which takes a C compiler. Without it the system's
//! library is linked; it must be version 3.45.3 or newer.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod connections;
mod error;
mod rows;
mod schema;
mod storage;

pub use storage::{SqliteStorage, SqliteStorageBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
