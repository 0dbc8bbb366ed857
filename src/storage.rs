//! Where sessions are kept.
//!
//! | | [`MemoryStorage`] | `SqliteStorage` | `FileStorage` | `SledStorage` | `RedisStorage` |
//! | --- | --- | --- | --- | --- | --- |
//! | feature | none | `sqlite` | `file` | `sled` | `redis` |
//! | sessions survive | nothing | restarts, `kill -9`, power failure | restarts, `kill -9`, power failure (on Windows it may undo the last writes) | restarts, `kill -9`; power failure as far as sled 0.34 does | what the server survives, as it is set |
//! | shared by | the threads of a process | the processes of a machine | the processes of a machine | the threads of a process | machines |
//! | tokens at rest | in memory only | in clear, in files of mode 0600 | encrypted | in clear, in a directory of mode 0700 | in clear, on the server |
//! | what is on disk | nothing | one file, two beside it, and lock files | a file for each session, marks of its owner, and lock files | a directory | nothing here |
//! | adds to the build | nothing | SQLite in C | nothing | sled and its dependencies, which are unmaintained | the crate `redis` |
//!
//! The guide [`storage_choice`](crate::guides::storage_choice) tells more of each, and of keys, purges and backups.
//!
//! Take `SqliteStorage` for a web application, and `FileStorage` for a desktop or command-line program, with its
//! key in the system's keyring or from a passphrase. `SledStorage` is for a program that has sled already.
//! `RedisStorage` is for an application on several machines, and needs a server of Redis or Valkey. No other is
//! for several machines, and none is for a network file system.
//!
//! [`EncryptedStorage`] around any of them encrypts the sessions; `FileStorage` always does. Encryption
//! does not keep a writer of the storage from restoring an older state, nor another program of the same user from
//! reading this one's memory.
//!
//! Each storage [finds the sessions of a user](Storage::find), for back-channel logout, and
//! [lists its sessions](Storage::for_each), so that [`migrate`] moves them from any storage to any other. The guide
//! [`many_machines`](crate::guides::many_machines) says when to move and how.
//!
//! [`open`] takes the choice from a URL, for a program that leaves it to its configuration.
//!
//! A storage of your own implements [`Storage`], which has three required methods; see the guide
//! [`writing_a_backend`](crate::guides::writing_a_backend).

mod open;

pub use logto_core::{
    Argon2Cost, DEFAULT_IDLE_LIFETIME, EncryptedStorage, EncryptionKey, EncryptionKeyError,
    IdleLifetime, LocalLock, LocalLocks, MemoryStorage, MemoryStorageBuilder, Migration,
    MigrationCounts, MigrationError, OwnerDigest, PersistKey, Record, SealError, Sealer, SessionId,
    SessionKey, SessionOwner, Storage, StorageError, StorageErrorKind, StorageLock, Unsealed,
    Version, files, migrate,
};
#[cfg(feature = "file")]
pub use logto_storage_file::{FileStorage, FileStorageBuilder};
#[cfg(feature = "redis")]
pub use logto_storage_redis::{RedisStorage, RedisStorageBuilder};
#[cfg(feature = "sled")]
pub use logto_storage_sled::{SledStorage, SledStorageBuilder};
#[cfg(feature = "sqlite-system")]
pub use logto_storage_sqlite::{SqliteStorage, SqliteStorageBuilder};

pub use self::open::{STORAGE_KEY_VARIABLE, open};
