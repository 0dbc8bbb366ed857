//! What is sent: one request in the usual case.

use std::time::Duration;

use logto_core::PersistKey::{AccessTokenMap, IdToken, Owner, RefreshToken};
use logto_core::{Change, SessionId, SessionStore, Storage};
use logto_storage_redis::RedisStore;

use crate::fixture::{found, owner, set};
use crate::server::RedisServer;

/// How often the server was sent this, scripts counting for one.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let statistics = server.info(&format!("cmdstat_{command}"));
    let calls = statistics.map(|text| text["calls=".len()..].split_once(',').unwrap().0.to_owned());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[test]
fn a_read_is_one_request_and_so_is_a_write() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url()).unwrap();
    let id = SessionId::random();
    let session = store.session(&id);
    let owner = owner("Alice");
    let changes = [Change::set(IdToken, "a"), Change::set(Owner, &owner)];
    session.update(&changes).unwrap();

    server.command(&["CONFIG", "RESETSTAT"]);
    for _ in 0..20 {
        session.get(IdToken).unwrap();
        session.get(RefreshToken).unwrap();
    }
    assert_eq!(calls(&server, "hget"), 40);
    assert_eq!(calls(&server, "pttl"), 40);
    assert_eq!(calls(&server, "evalsha"), 0);

    let changes = [
        Change::set(RefreshToken, "a"),
        Change::set(AccessTokenMap, "b"),
    ];
    for _ in 0..20 {
        session.update(&changes).unwrap();
        set(&session, IdToken, "b");
    }
    assert_eq!(calls(&server, "evalsha"), 40);
    assert_eq!(calls(&server, "eval"), 0);

    // One to take it, one to write, and one to release it.
    for _ in 0..20 {
        let _held = session.lock(Duration::ZERO).unwrap();
        set(&session, IdToken, "c");
    }
    assert_eq!(calls(&server, "evalsha"), 100);
    assert_eq!(found(&store, "Alice"), [id.digest()]);
}

#[test]
fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let store = RedisStore::open(&server.url()).unwrap();
    let session = store.session(&SessionId::random());
    for _ in 0..2 {
        set(&session, IdToken, "a");
        server.command(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(calls(&server, "eval"), 2);
}
