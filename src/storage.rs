//! Where sessions are kept.
//!
//! | | [`MemoryStore`] | `SqliteStore` | `FileStore`, `FileStorage` | `SledStore` | `RedisStore` |
//! | --- | --- | --- | --- | --- | --- |
//! | feature | none | `sqlite` | `file` | `sled` | `redis` |
//! | sessions survive | nothing | restarts, `kill -9`, power failure | restarts, `kill -9`, power failure (on Windows it may undo the last writes) | restarts, `kill -9`; power failure as far as sled 0.34 does | what the server survives, as it is set |
//! | shared by | the threads of a process | the processes of a machine | the processes of a machine | the threads of a process | machines |
//! | tokens at rest | in memory only | in clear, in files of mode 0600 | encrypted | in clear, in a directory of mode 0700 | in clear, on the server |
//! | what is on disk | nothing | one file, and two or three beside it | for each session a file, a lock file, and one or two marks of its owner | a directory | nothing here |
//! | adds to the build | nothing | SQLite in C | nothing | sled and what it stands on, which nobody maintains | the crate `redis` |
//!
//! The guide [`storage_choice`](crate::guides::storage_choice) tells more of each, and of keys, purges and backups.
//!
//! A web application takes `SqliteStore`. A desktop or command-line program takes `FileStorage`, with its
//! key in the system's keyring or from a passphrase. `SledStore` is for a program that has sled already.
//! `RedisStore` is for an application on several machines, and needs a server of Redis or Valkey. No other is
//! for several machines, and none for a network file system.
//!
//! [`EncryptedStore`] around any of them encrypts the values; `FileStore` and `FileStorage` do it
//! always. What encryption does not promise: that somebody who can write the storage cannot put an
//! older state back, or that another program of the same user cannot read this one's memory.
//!
//! Each store finds the sessions of a user, or of one session at the server:
//! [`sessions_of`](SessionStore::sessions_of). That is what back-channel logout stands on.
//!
//! Each can [list its sessions](SessionStore::for_each_session), so that [`migrate`] moves them from any
//! store to any other, and nobody is signed out by a choice that was made anew. The guide
//! [`many_machines`](crate::guides::many_machines) says when to move and how.
//!
//! [`open`] takes the choice from a URL, for a program that leaves it to its configuration.
//!
//! A program with one user takes `FileStorage`, [`MemoryStorage`], or the
//! [`default_session`](SessionStore::default_session) of any store. A store of your own implements
//! [`Storage`] and [`SessionStore`]: two methods do for one user and one process, and the guide
//! [`writing_a_backend`](crate::guides::writing_a_backend) says what the others are for.

mod open;

pub use logto_core::{
    Argon2Cost, Change, DEFAULT_IDLE_LIFETIME, EncryptedStorage, EncryptedStore, EncryptionKey,
    EncryptionKeyError, FoundSession, IdleLifetime, LastBoxKey, LocalLock, LocalLocks,
    MemoryStorage, MemoryStore, MemoryStoreBuilder, Migration, MigrationCounts, MigrationError,
    Opened, OwnerDigest, PersistKey, SealError, Sealer, SessionId, SessionOwner, SessionStore,
    Storage, StorageError, StorageErrorKind, StorageLock, migrate,
};
#[cfg(feature = "file")]
pub use logto_storage_file::{FileStorage, FileStore, FileStoreBuilder};
#[cfg(feature = "redis")]
pub use logto_storage_redis::{RedisStore, RedisStoreBuilder};
#[cfg(feature = "sled")]
pub use logto_storage_sled::{SledStore, SledStoreBuilder};
#[cfg(feature = "sqlite-system")]
pub use logto_storage_sqlite::{SqliteStore, SqliteStoreBuilder};

pub use self::open::{STORAGE_KEY_VARIABLE, open};
