//! What `Storage` and `SessionStore` promise, promise by promise.

mod concurrency;
mod fixture;
mod idle;
mod lock;
mod secrets;
mod storage;
mod store;
