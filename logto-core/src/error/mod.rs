//! What can go wrong.

mod storage;

pub use storage::{StorageError, StorageErrorKind};
