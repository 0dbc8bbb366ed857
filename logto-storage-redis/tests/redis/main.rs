//! What `RedisStore` promises beside the contract, and how it keeps that in its keys.

mod damage;
mod fixture;
mod idle;
mod lock;
mod moving;
mod owners;
mod permissions;
#[path = "../common/server.rs"]
mod server;
mod traffic;
