//! The blocking Rust SDK for Logto.
pub use logto_core::*;
