//! What `SqliteStore` promises beside the contract, and how it keeps that in its tables.

mod concurrency;
mod damage;
mod fixture;
mod idle;
mod lock;

mod secrets;
mod storage;
mod store;
mod write_lock;
