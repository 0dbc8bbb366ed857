//! Sessions of the Logto SDK in one sled database, which is a directory.
//!
//! Pick this backend for a build without a C compiler where one process has all
//! sessions, such as a desktop program or a small web application. Otherwise pick SQLite: see
//! [below](#when-to-pick-sqlite).
//!
//! ```
//! use logto_core::{Record, SessionId, Storage};
//! use logto_storage_sled::SledStorage;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! let storage = SledStorage::open(&path)?;
//!
//! // A visitor comes: a new session, named by a cookie.
//! let visitor = SessionId::random().key();
//! let record = Record::new(None, "{}");
//! storage.save(&visitor, &record, None)?;
//!
//! // The visitor signs in: a new session under another id takes its place.
//! let user = SessionId::random().key();
//! let signed_in = Record::new(None, r#"{"refreshToken":"…"}"#);
//! storage.replace(&visitor, Some(record.version()), &user, &signed_in)?;
//!
//! // The program restarts: the session is still there.
//! drop(storage);
//! let storage = SledStorage::open(&path)?;
//! assert_eq!(storage.load(&user)?, Some(signed_in));
//! assert_eq!(storage.load(&visitor)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Settings
//!
//! [`SledStorage::builder`] sets the idle lifetime of sessions, and the clock of a test:
//!
//! ```
//! use logto_storage_sled::SledStorage;
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! let storage = SledStorage::builder(&path)
//!     .idle_lifetime(Duration::from_secs(24 * 60 * 60))
//!     .open()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A session that was unused for longer is absent from that moment.
//! [`purge_expired`](logto_core::Storage::purge_expired) frees its space: call it once an hour, for example, from
//! a thread of your program. It reads all sessions.
//!
//! # Guarantees
//!
//! - **Atomic.** A sled transaction compares the version, writes the record and its index entries. A crash leaves
//!   all of them or none, and [`replace`](logto_core::Storage::replace) is one step.
//! - **Durable.** See [below](#durability).
//! - **Concurrent.** All threads use the storage at once. A load does not wait for the disk. A transaction stops
//!   the loads of the process while it writes in memory. Threads that save at once share one sync.
//! - **One process.** sled locks its directory. A second process gets an error of the kind
//!   [`Busy`](logto_core::StorageErrorKind::Busy), after two seconds in which the first one may end.
//!   All storages that one process opens over a directory share one database and its locks, by whatever path.
//!   Open the storage after a fork, not before.
//! - **Private to the user account.** A directory that the storage creates has the mode 0700. An existing
//!   directory keeps its mode; a warning is logged if other users may read it. On Windows the access list of the
//!   parent directory applies.
//! - **No session ids and no user ids in the files**, only their SHA-256.
//! - **Foreign directories stay untouched.** The file `logto-sessions` marks a directory of this crate. It is
//!   read before sled opens, and so writes to, the database. A directory that has other files and no marker, or that
//!   a newer version of this crate wrote, is refused and not changed.
//! - **Damaged records stay untouched.** Loading or saving one is an error of the kind
//!   [`Corrupt`](logto_core::StorageErrorKind::Corrupt). `for_each` visits it, `find` and `purge_expired` pass
//!   over it, and `remove` removes it.
//!
//! sled keeps up to 64 MiB of pages in memory.
//!
//! # Durability
//!
//! On Linux sled's flush ends with `sync_file_range`. That hands the data to the disk, but leaves it in
//! the disk's cache, and does not write down that a file has grown: after a power failure, flushed
//! data may be missing. Pages above 128 KiB go into files under `blobs`, which sled does not sync at all.
//! So before a write returns, this crate
//!
//! 1. flushes sled's log,
//! 2. syncs new files of large pages, and their directory,
//! 3. syncs the log (`fdatasync`, which syncs the file through any handle; `F_FULLFSYNC` on macOS).
//!
//! Opening a database syncs all of its files and the directory.
//!
//! So every byte of a completed write is on the disk. sled may still fail to read it
//! after a power failure: it reuses parts of its log, and between two syncs the disk may write in
//! any order. Tests kill the process; they don't cut the power.
//!
//! Other threads may load a record a moment before it is durable. The last use that a load
//! notes is written within half a second, and the load does not wait for it.
//!
//! If a write fails, memory and disk may differ, so the storage refuses all further calls; open it
//! in a new process. Damaged files give errors of the kind
//! [`Corrupt`](logto_core::StorageErrorKind::Corrupt). For that, this crate catches panics of sled, which prints
//! them first; with `panic = "abort"` they end the program. sled takes damage near the end of its log for
//! an unfinished write: it continues without it and all later writes, and sessions may be
//! missing or in an earlier state.
//!
//! # When to pick SQLite
//!
//! - Several processes use the sessions: workers of a web server, or two programs of a desktop.
//! - A restart must not wait for the old process to end.
//! - The database must be maintained. sled 0.34.7 is from 2021; the 1.0 that followed is an alpha with another
//!   format. Its dependencies `fxhash` and `instant` are unmaintained.
//! - Space matters. sled writes a log and cleans it up lazily: a directory takes several times the size of its
//!   sessions.
//! - Removed data must be overwritten. Here it stays in the log until sled reuses its place.
//!
//! sled logs stored data at the level `trace`: keep its target (`sled`) above that.
//!
//! Tokens are stored in clear, as in SQLite. sled's files cannot be copied while a program has them open.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod database;
mod directory;
mod durable;
mod error;
mod storage;

pub use storage::{SledStorage, SledStorageBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
