//! What the contract does not see: the files.

mod fixture;
mod golden;
mod idle;
mod keys;
mod locks;
mod owners;
mod permissions;
mod records;
mod refused;
mod rename;
mod secrets;
mod sweep;
