//! The protocol and the client of the Logto SDK, and the storage traits that its backends implement.

mod clock;
mod crypto;
mod error;
mod secret;
mod storage;

pub use clock::{Clock, SystemClock};
pub use error::{StorageError, StorageErrorKind};
pub use secret::Secret;
pub use storage::{
    Change, DEFAULT_IDLE_LIFETIME, InvalidSessionId, LocalLock, LocalLocks, MemoryStorage,
    MemoryStore, MemoryStoreBuilder, PersistKey, SessionId, SessionStore, Storage, StorageLock,
};
