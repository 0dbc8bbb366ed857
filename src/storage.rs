//! Where sessions are kept.
//!
//! | store | sessions survive | shared by | feature |
//! | --- | --- | --- | --- |
//! | [`MemoryStore`] | nothing: they are gone with the process | the threads of one process | none |
//! | `SqliteStore` | restarts, `kill -9`, power failure | the threads and processes of one machine | `sqlite` |
//! | `FileStore`, `FileStorage` | restarts, `kill -9`, power failure | the threads and processes of one machine | `file` |
//! | `SledStore` | restarts, `kill -9`, and power failure as far as sled 0.34 does | the threads of one process | `sled` |
//!
//! `FileStore` and `FileStorage` are encrypted. [`EncryptedStore`] around any other encrypts the values.
//!
//! [`open`] takes the choice from a URL, for a program that leaves it to its configuration.
//!
//! A program with one user takes `FileStorage`, [`MemoryStorage`], or the
//! [`default_session`](SessionStore::default_session) of any store. A store of your own implements
//! [`Storage`] and [`SessionStore`]; two methods make a working one.

mod open;

pub use logto_core::{
    Argon2Cost, Change, DEFAULT_IDLE_LIFETIME, EncryptedStorage, EncryptedStore, EncryptionKey,
    EncryptionKeyError, IdleLifetime, LocalLock, LocalLocks, MemoryStorage, MemoryStore,
    MemoryStoreBuilder, Opened, PersistKey, SealError, Sealer, SessionId, SessionStore, Storage,
    StorageError, StorageErrorKind, StorageLock,
};
#[cfg(feature = "file")]
pub use logto_storage_file::{FileStorage, FileStore, FileStoreBuilder};
#[cfg(feature = "sled")]
pub use logto_storage_sled::{SledStore, SledStoreBuilder};
#[cfg(feature = "sqlite-system")]
pub use logto_storage_sqlite::{SqliteStore, SqliteStoreBuilder};

pub use self::open::{STORAGE_KEY_VARIABLE, open};
