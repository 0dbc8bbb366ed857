//! Sessions of the Logto SDK in one sled database, which is a directory.
//!
//! Pick this backend where the storage is to be built without a C compiler and one process has all
//! sessions, such as a desktop program or a small web application. Otherwise pick SQLite: see
//! [below](#when-to-pick-sqlite).
//!
//! ```
//! use logto_core::{PersistKey, SessionId, SessionStore, Storage};
//! use logto_storage_sled::SledStore;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! let store = SledStore::open(&path)?;
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
//! let store = SledStore::open(&path)?;
//! assert!(store.session(&user).get(PersistKey::RefreshToken)?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Settings
//!
//! [`SledStore::builder`] sets how long a session may lie unused, and the clock of a test:
//!
//! ```
//! use logto_storage_sled::SledStore;
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! let store = SledStore::builder(&path)
//!     .idle_lifetime(Duration::from_secs(24 * 60 * 60))
//!     .open()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A session that lay unused for longer is absent from that moment on. The space that it takes is
//! freed by [`purge_expired`](logto_core::SessionStore::purge_expired): call it now and then, once
//! an hour from a thread of your own, say. It reads all sessions.
//!
//! # What is promised
//!
//! - **Whole.** A change of a session is there whole or not at all, whenever the process ends.
//! - **Durable.** See [below](#durability).
//! - **Concurrent.** All threads use the store at once. Reads do not wait for the disk, unless a value
//!   longer than a few thousand bytes is written, or a session renamed or purged: then sled holds up all
//!   readers of the process. Threads that write at once share the trips to the disk.
//! - **One process.** sled locks its directory, and a second process gets an error of the kind
//!   [`Busy`](logto_core::StorageErrorKind::Busy), after two seconds in which the first one may end.
//!   All stores that one process opens over a directory share one database and its locks, whatever the
//!   directory is called. Open the store after a fork, not before.
//! - **Private to the user account.** A directory that the store creates has the mode 0700. One that was
//!   there keeps its mode; a warning is logged if others may read it. On Windows the access list of the
//!   directory above applies.
//! - **Ids are not in the files**, only their SHA-256. So are the users that sessions are
//!   [found](logto_core::SessionStore::sessions_of) by, in a tree that is written in one transaction with
//!   the session.
//! - **Other people's files are left alone.** Whose a directory is stands in its file `logto-sessions`,
//!   which is read before sled opens, and so writes to, anything. A directory that has other files and not
//!   this one, or that a newer version of this crate wrote, is refused and not changed.
//!
//! Values may be up to 16 MiB long. sled keeps up to 64 MiB of pages in memory.
//!
//! # Durability
//!
//! On Linux sled's flush ends with `sync_file_range`. That hands the data to the disk, but leaves it in
//! the disk's own cache, and does not write down that a file has grown: after a power failure, what was
//! flushed may be missing. Large pages go into files of their own, which are not synced at all.
//! So before a write returns this crate
//!
//! 1. has sled flush its log,
//! 2. syncs those files of large pages that are new, and their directory,
//! 3. syncs the log (`fdatasync`, which syncs the file, through whichever handle; `F_FULLFSYNC` on macOS).
//!
//! Values are stored in pieces, so that there normally are no large pages. When a database is opened,
//! all of its files and the directory are synced.
//!
//! So every byte of what was reported as written is on the disk. What is not promised is that sled reads it
//! after *every* power failure: it reuses parts of its log, and between two syncs the disk may write in
//! any order. A process that is killed is no such case, and is tested; power was never cut.
//!
//! Other threads may read a change a moment before it is durable. The last use of a session that is
//! noted by a read is written within half a second, and not waited for.
//!
//! If a write fails, nobody can know what is on the disk, so the store refuses all further calls; open it
//! anew in a new process. A store whose files are damaged gives errors of the kind
//! [`Corrupt`](logto_core::StorageErrorKind::Corrupt). For that it catches panics of sled, which prints
//! them first; in a program with `panic = "abort"` they end it. Damage near the end of the log looks to
//! sled like a write that was not finished: it goes on without it and what followed, and sessions may be
//! missing or be as they were before.
//!
//! # When to pick SQLite
//!
//! - Several processes use the sessions: workers of a web server, or two programs of a desktop.
//! - A restart must not wait for the old process to end.
//! - It must be maintained. sled 0.34.7 is from 2021; the 1.0 that followed is an alpha with another
//!   format. Of its dependencies `fxhash` and `instant` are unmaintained.
//! - Space matters. sled writes a log, and cleans it up lazily: a directory takes several times what its
//!   sessions hold, and more after long values.
//! - What is removed is to be overwritten. Here it stays in the log until its place is used again.
//!
//! sled logs what it stores at the level `trace`: keep its target (`sled`) above that.
//!
//! Tokens are stored in clear, as in SQLite. sled's files cannot be copied while a program has them open.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod database;
mod directory;
mod durable;
mod error;

mod record;
mod storage;

pub use storage::{SledStorage, SledStorageBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
