//! Backends that break promises.

pub(crate) mod files;
pub(crate) mod memory;
