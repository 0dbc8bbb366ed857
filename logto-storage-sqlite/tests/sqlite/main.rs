//! What `SqliteStore` promises beside the contract, and how it keeps that in its tables.

mod concurrency;
mod fixture;
mod idle;
mod lock;
mod numbers;
mod secrets;
mod storage;
mod store;
mod write_lock;
