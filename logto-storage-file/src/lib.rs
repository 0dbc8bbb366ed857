//! Sessions of the Logto SDK in encrypted files: one for each session, in one directory.
//!
//! Pick this backend for a desktop or command-line program, and for a web application on one machine whose
//! tokens must not lie on its disk in clear. It needs no C library and no server.
//!
//! ```
//! use logto_core::{EncryptionKey, Record, SessionId, SessionKey, Storage};
//! use logto_storage_file::FileStorage;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! # fn from_environment(_: &str) -> logto_core::Secret { EncryptionKey::generate_base64() }
//! // Once, on the command line: openssl rand -base64 32
//! let key = EncryptionKey::from_base64(from_environment("SESSION_KEY").expose())?;
//! let storage = FileStorage::open(&path, &key)?;
//!
//! // A web application has a session for each visitor, named by a cookie.
//! let visitor = SessionId::random();
//! storage.save(&visitor.key(), &Record::new(None, "{}"), None)?;
//!
//! // A program with one user has one session.
//! storage.save(&SessionKey::ONLY, &Record::new(None, "{}"), None)?;
//!
//! // The program restarts: the sessions are still there.
//! drop(storage);
//! let storage = FileStorage::open(&path, &key)?;
//! assert!(storage.load(&visitor.key())?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Settings
//!
//! [`FileStorage::builder`] sets the idle lifetime, how long a write waits for other writers, and the clock
//! of a test. A [`Sealer`](logto_core::Sealer) in the place of the key also reads what older keys have sealed;
//! each session is sealed with the new key at its next save:
//!
//! ```
//! use logto_core::{EncryptionKey, Sealer};
//! use logto_storage_file::FileStorage;
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! # let (new_key, old_key) = (EncryptionKey::from_bytes([1; 32]), EncryptionKey::from_bytes([2; 32]));
//! let storage = FileStorage::builder(&path, Sealer::new(new_key).with_older_key(old_key))
//!     .idle_lifetime(Duration::from_secs(24 * 60 * 60))
//!     .busy_timeout(Duration::from_secs(2))
//!     .open()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An expired session is absent at once. [`purge_expired`](logto_core::Storage::purge_expired) frees its
//! space: call it now and then, once an hour from a thread of your own, say.
//!
//! # Promises
//!
//! - **Encrypted.** No token is ever in a file in clear, temporary files included. A session file opens under
//!   its own name in its own directory only: two users' files cannot be swapped.
//! - **Durable.** A write has reached the disk when the call returns, and is there whole or not at all
//!   after a crash or a power failure: a new file is written and synced, takes the place of the old one in
//!   one step, and the directory is synced.
//! - **Concurrent.** Threads and processes of one machine use the directory at once. Loads wait for nobody.
//!   Writes to one session take turns, and each compares and swaps in its turn.
//! - **One refresh at a time.** The [lock](logto_core::Storage::lock) of a session excludes all other threads
//!   and processes, and is free at once when its holder is killed.
//! - **Private to the user account.** Directories have the mode 0700 and files 0600. A directory or a session
//!   file that other users may open is refused. On Windows the directory's access list applies.
//! - **Session ids and users are not on the disk**: a file is named by the SHA-256 of the id, and the owner index
//!   by a [pseudonym](logto_core::OwnerDigest::hidden_by_each_key) of the user under the key.
//! - **Nothing is destroyed by mistake.** A file of another key, of a newer version, damaged, too long, a
//!   symbolic link or open to others is an error of its own, and no save overwrites it before it expires.
//!
//! # Limits
//!
//! - **An old file can be put back.** Who can write to the directory can replace a session's file by an
//!   earlier one of the same session. They can also keep a session from expiring, by the file's time.
//! - **No network file systems.** They promise neither the locks nor the order of writes that this crate needs. Two
//!   containers that share a directory must run on one kernel.
//! - **No protection from programs of the same user**, nor from the administrator: they can read the key and
//!   the tokens in the memory of the program.
//! - **Lengths and times show**: how many sessions there are, how long each is, when it was last used, and which
//!   of them have one user. A passphrase hides no user: anyone who knows the `sub` can tell which sessions are theirs.
//! - **Removed files are not overwritten.** Their blocks are freed, sealed as they are.
//! - **A disk that fails at the last sync.** If the sync of the directory is refused, the call is an error and the
//!   new content may be there nevertheless. It is whole.
//! - **A crash within [`replace`](logto_core::Storage::replace)** may leave both sessions.
//! - **On Windows a directory cannot be synced.** After a power failure the last writes may be undone, each of
//!   them whole.
//!
//! # Files
//!
//! | name | content |
//! | --- | --- |
//! | `marker` | the random id of the directory |
//! | `<key>.session` | a session, by its [`SessionKey`](logto_core::SessionKey) in 64 hexadecimal digits |
//! | `<name>.<64 digits>.tmp` | a file that is being written |
//! | `owners/<owner>.<key>` | empty: the session is found by this owner |
//! | `locks/<2 digits>` | empty: locked by the holder of a session's lock |
//! | `turns/<2 digits>` | empty: locked while a session is written |
//!
//! The directory is for this storage alone. One that has other files and no marker is refused.
//!
//! There are at most 256 files in `locks` and in `turns`, by the first byte of the key. They are
//! never removed while the storage is in use.
//!
//! Temporary files of killed processes are removed when the directory is opened, and by `purge_expired`; one of a
//! living writer is not, because it has its turn.
//!
//! A file in `owners` is on the disk before its session has the owner, and is removed after. The session file decides:
//! [`find`](logto_core::Storage::find) reads it. A file in `owners` without a session is removed by `purge_expired`.
//!
//! # Backup
//!
//! Copy the whole directory. It can be restored at any path, because the marker says which directory it is; without
//! the marker no session file opens. Keep the times of the files (`cp -p`), or each session counts as
//! used when it was copied.
//!
//! # The format
//!
//! The marker and the session files are one [sealed box](logto_core::Sealer#the-format) each. The marker's context is
//! `logto session directory`, and it holds:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the format of the directory: 1 |
//! | 32 | the id of the directory, random |
//!
//! The context of a session file has three parts: `logto session file`, the id of the directory, and the session key. It
//! holds:
//!
//! | bytes | what |
//! | --- | --- |
//! | 16 | the version of the record |
//! | 1 | the number of owner digests: 0, 1 or 2 |
//! | 32 each | the digest of the user, and that of the server session |
//! | to the end | the data, in UTF-8 |
//!
//! The last use of a session is the modification time of its file, so that noting a use rewrites nothing. No file is
//! longer than 64 MiB, and none that is longer is read.
//!
//! When an older key has sealed the marker, opening the storage seals it with the current key.
//!
//! # Locks
//!
//! All locks are of the operating system (`flock`, `LockFileEx`), which frees them when a process ends. The holder of
//! a session's lock may take as long as the server does, and saves meanwhile; so the turn to write is another
//! lock, held for one write. A replacement takes two turns, the lower first. Nobody waits for a
//! session's lock in a turn to write, so no two wait for each other.
//!
//! A holder that hangs keeps its lock until its process ends. Do not `fork` while one is held: the child has it too.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod directory;
mod error;
mod fs;
mod owners;
mod storage;
#[cfg(test)]
mod tests;

pub use storage::{FileStorage, FileStorageBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
