//! What the targets try, which is what the property tests of the package `logto` try too.

#[path = "../../tests/hostile/mod.rs"]
pub mod hostile;
