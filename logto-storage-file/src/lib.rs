//! x
mod directory;
mod error;
mod fs;
mod owners;
mod record;
mod storage;

pub use storage::{FileStorage, FileStorageBuilder};
