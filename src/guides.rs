//! Guides: what concerns more than one module.

#[doc = include_str!("guides/many_machines.md")]
pub mod many_machines {}

#[doc = include_str!("guides/migrating_from_python.md")]
pub mod migrating_from_python {}

#[doc = include_str!("guides/performance.md")]
pub mod performance {}
