//! `RedisStorage`: the contract, and what it promises beside it.

mod contract;
mod contract_fixtures;
mod crash;
#[path = "../common/server.rs"]
mod server;
