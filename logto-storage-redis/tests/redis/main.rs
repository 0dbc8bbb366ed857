//! `RedisStorage`: the contract, and what it promises beside it.

mod contract;
mod contract_fixtures;
mod crash;
mod damage;
mod fixture;
mod idle;
mod lock;
mod owners;
mod permissions;
mod replace;
#[path = "../common/server.rs"]
mod server;
mod traffic;
