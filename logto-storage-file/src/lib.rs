//! x
mod directory;
mod error;
mod fs;
mod owners;
mod record;
mod storage;
#[cfg(test)]
mod tests;

pub use storage::{FileStorage, FileStorageBuilder};
