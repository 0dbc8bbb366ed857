//! Guides: what concerns more than one module.

#[doc = include_str!("guides/many_machines.md")]
pub mod many_machines {}

#[doc = include_str!("guides/performance.md")]
pub mod performance {}

#[doc = include_str!("guides/storage_choice.md")]
pub mod storage_choice {}

#[doc = include_str!("guides/writing_a_backend.md")]
pub mod writing_a_backend {}

#[doc = include_str!("guides/testing.md")]
pub mod testing {}

#[doc = include_str!("guides/threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("guides/failures.md")]
pub mod failures {}

#[doc = include_str!("../DESIGN.md")]
pub mod design {}
