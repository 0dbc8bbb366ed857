//! Guides: what concerns more than one module.

#[doc = include_str!("guides/many_machines.md")]
pub mod many_machines {}

#[doc = include_str!("guides/performance.md")]
pub mod performance {}
