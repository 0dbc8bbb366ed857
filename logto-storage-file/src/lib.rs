//! Sessions of the Logto SDK in encrypted files: one for each session.
//!
//! Pick this backend for a desktop or command-line program, whose one session is then one encrypted
//! file, and for a web application on one machine whose tokens must not lie on its disk in clear. It
//! needs no C library, and nothing but a directory.
//!
//! ```
//! use logto_core::{EncryptionKey, PersistKey, SessionId, SessionStore, Storage};
//! use logto_storage_file::FileStore;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! # fn from_environment(_: &str) -> logto_core::Secret { EncryptionKey::generate_base64() }
//! // Once, on the command line: openssl rand -base64 32
//! let key = EncryptionKey::from_base64(from_environment("SESSION_KEY").expose())?;
//! let store = FileStore::open(&path, &key)?;
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
//! let store = FileStore::open(&path, &key)?;
//! assert!(store.session(&user).get(PersistKey::RefreshToken)?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program with one user gives a [`FileStorage`] the path of one file.
//!
//! # Settings
//!
//! [`FileStore::builder`] sets how long a session may lie unused, how long a write waits for other
//! writers, and the clock of a test. A [`Sealer`](logto_core::Sealer) in the place of the key also
//! reads what older keys have sealed; each session is sealed with the new one when it is next written:
//!
//! ```
//! use logto_core::{EncryptionKey, Sealer};
//! use logto_storage_file::FileStore;
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sessions");
//! # let (new_key, old_key) = (EncryptionKey::from_bytes([1; 32]), EncryptionKey::from_bytes([2; 32]));
//! let store = FileStore::builder(&path, Sealer::new(new_key).with_older_key(old_key))
//!     .idle_lifetime(Duration::from_secs(24 * 60 * 60))
//!     .busy_timeout(Duration::from_secs(2))
//!     .open()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A session that lay unused for longer is absent from that moment on. The space that it takes is
//! freed by [`purge_expired`](logto_core::SessionStore::purge_expired), which opens every file: call
//! it now and then, once an hour from a thread of your own, say.
//!
//! # What is promised
//!
//! - **Encrypted.** No value is ever in a file in clear, temporary ones included, and a file that is
//!   copied over that of another session opens there for nobody.
//! - **Durable.** A write has reached the disk when the call returns, and is there whole or not at
//!   all after a crash or a power failure: a new file is written and synced, takes the place of the
//!   old one in one step, and the directory is synced.
//! - **Concurrent.** Threads and processes of one machine use the directory at once. Reads wait for
//!   nobody. Writes to one session take turns, so that two that change different values both count;
//!   writes to different sessions seldom meet.
//! - **One at a time where it matters.** The [lock](#locks) of a session excludes all other threads
//!   and processes, and is free again at once when its holder is killed.
//! - **Private to the user account.** Directories are created with the mode 0700 and files with 0600. A
//!   session file that other users may open is refused, and so is a store's directory that lets others
//!   in, or one with a [`FileStorage`] in it to which others may write. On Windows the directory's access
//!   list applies.
//! - **Ids are not on the disk**, only their SHA-256.
//! - **Nothing is destroyed by mistake.** A file of another key, of a newer version, damaged, too long,
//!   a symbolic link or open to others is an error of its own, and stays as it is. It is never
//!   overwritten by an update; [`remove`](logto_core::SessionStore::remove) removes it.
//!
//! # What is not
//!
//! - **An old file can be put back.** Who can write to the directory can put an earlier file of a
//!   session in the place of today's, and nobody can tell. They cannot make one.
//! - **No network file systems.** They promise neither the locks nor the order of writes that this is
//!   built on. Two containers that share a directory must run on one kernel.
//! - **No protection from programs of the same user**, nor from the administrator: they can read the
//!   key and the tokens where the program has them, in its memory.
//! - **Lengths and times show**: how many sessions there are, how long each is, when it was last
//!   written, and which of them have one user. With a passphrase, whoever knows the `sub` of a user can
//!   tell which sessions are theirs.
//! - **What is removed is not overwritten.** Its blocks are freed, sealed as they are.
//! - **A disk that fails while it syncs.** If the very last sync of a write is refused the call is an
//!   error, and the new content may be there nevertheless. It is whole.
//! - **On Windows a directory cannot be synced.** After a power failure the last writes may be undone,
//!   each of them whole.
//!
//! # Files
//!
//! A store's directory has:
//!
//! | name | what |
//! | --- | --- |
//! | `<digest>.session` | a session, by the SHA-256 of its id in 64 lower-case hexadecimal digits |
//! | `<digest>.lock` | empty; locked by the holder of the session's lock |
//! | `<2 digits>.write` | empty; locked while a session is written whose digest starts so |
//! | `<digest>.session.<16 digits>.tmp` | a session that is being written |
//! | `owners/<owner>.<digest>` | empty; says that a session is found by this owner |
//!
//! and a [`FileStorage`] `name` has `name`, `name.lock`, `name.write` and `name.<16 digits>.tmp`.
//!
//! A temporary file that a killed process left is removed when the directory is opened again, and by
//! `purge_expired`; not one that somebody is writing, because it is done in the turn to write.
//!
//! The files in `owners`, *marks*, are what [`sessions_of`](logto_core::SessionStore::sessions_of) finds
//! sessions by: it lists that directory, and opens the files of the sessions that are named in it. The owner
//! is what [stands for](logto_core::OwnerDigest::hidden_by_each_key) the user under the key, in 64
//! digits. A mark is on the disk before its session has the owner, and is removed after; the session's file
//! is the truth, and a mark that it does not bear out is removed when it is met, and by `purge_expired`
//! if the session is gone.
//!
//! The lock files are never deleted: two processes that lock a file of the same name, one before it was
//! deleted and one after, would both believe that they are alone. So each session that was ever locked
//! costs an empty file: an inode and a line in the directory. They can be deleted by hand while no
//! program has the directory open.
//!
//! # The format
//!
//! A session file is one [sealed box](logto_core::Sealer#the-format) with nothing around it. Its context is
//! one part: `logto session file` in ASCII. In it, version 1, numbers big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version: 1 |
//! | 8 | when the session was last used, in milliseconds since 1970-01-01T00:00:00Z, signed |
//! | 1 | the number of owners: 1, or 2 while the session is renamed |
//! | 32 each | the owners: the SHA-256 of the session's id, then that of its next id |
//! | | then for each value, to the end: |
//! | 1 | n, the length of its key's name |
//! | n | the name, in ASCII, such as `refreshToken`; none comes twice |
//! | 4 | m, the length of the value, unsigned |
//! | m | the value, in UTF-8 |
//!
//! The owner of a [`FileStorage`] is the SHA-256 of `default`, as that of a store's
//! [`default_session`](logto_core::SessionStore::default_session) is. Names that this version does not know
//! are kept. A file without values is not written but removed. None is longer than 64 MiB, and none
//! that is longer is read.
//!
//! ## Why it is so
//!
//! - *Why all values in one box?* They are written in one step then, and a file shows no names of keys.
//! - *Why the owners inside?* They are what keeps Alice's file from being read as Mallory's, and must be
//!   authentic. They could be part of the context as well; but then no file could belong to two ids, and
//!   a rename would have to write one file and remove another, which is two steps.
//! - *How is a session renamed?* Its file is written for both ids. Then it takes the other name, in one
//!   step. Then it is written for the new id alone; if that fails, the next write does it. Wherever that
//!   stops, the session is whole under one of the two ids and absent under the other.
//! - *Why is the last use inside?* A file's time can be set by whoever owns it, and a copy has another.
//!
//! # Locks
//!
//! There are two for each session, both of the operating system (`flock`, `LockFileEx`) on an empty file,
//! each behind one in memory where the threads of a process queue. The system unlocks them when a
//! process ends, however it ends.
//!
//! - The **session's lock** is [`Storage::lock`](logto_core::Storage::lock): its holder refreshes tokens, and
//!   may take as long as the server does. A process that waits looks again after 1 to 32 milliseconds.
//! - The **turn to write** is taken by every write for the moment that it lasts, to read the file and to
//!   replace it. There are 256, by the first byte of the digest. A rename takes two, the lower first.
//!
//! Whoever takes both takes the session's lock first, and nobody waits for it in a turn to write; so they
//! cannot wait for each other. Reads take none: they open a file that is never changed once it has its
//! name.
//!
//! A holder that hangs keeps its lock until its process ends. Do not `fork` while one is held: the child has
//! it too.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod directory;
mod error;
mod fs;
mod lock;
mod locks;
mod owners;
mod place;
mod record;
mod storage;
mod store;
mod system;
#[cfg(test)]
mod tests;

pub use storage::FileStorage;
pub use store::{FileStore, FileStoreBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
