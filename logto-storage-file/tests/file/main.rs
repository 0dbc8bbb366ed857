//! What the contract does not see: the files.

mod damage;
mod files;
mod fixture;
mod golden;
mod keys;
#[cfg(unix)]
mod permissions;
mod secrets;
