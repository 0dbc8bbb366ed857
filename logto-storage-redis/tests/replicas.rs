//! Replicas that are waited for: a write that they miss is warned of, a lock that they miss is not had.

#[path = "common/failures.rs"]
mod failures;
#[path = "common/only.rs"]
mod only;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use logto_core::StorageErrorKind::Backend;

use logto_storage_redis::RedisStorage;

use failures::{assert_failed, keep_the_log, logged};
use only::Only;
use server::{RedisServer, unique_prefix};

/// A fifth of it is waited for replicas.
const TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn a_replica_that_is_there_is_waited_for() {
    keep_the_log();
    let master = RedisServer::start();
    let replica = RedisServer::builder().replica_of(&master).start();
    server::eventually("the replica is linked", || {
        replica.info("master_link_status").as_deref() == Some("up")
    });
    let url = format!("{}?replicas=1", master.url());
    let store = RedisStorage::builder(&url)
        .timeout(Duration::MAX)
        .open()
        .unwrap();
    let session = Only::of(&store);
    session.set(Some("value")).unwrap();
    assert_eq!(replica.command(&["DBSIZE"]), master.command(&["DBSIZE"]));
    assert!(session.lock(TIMEOUT).unwrap().is_held());
    assert!(!logged().contains(&master.address()), "{}", logged());
}

#[test]
fn a_replica_that_is_missing_is_told() {
    keep_the_log();
    let master = RedisServer::start();
    let prefix = unique_prefix();
    let store = RedisStorage::builder(&master.url()).wait_for_replicas(1);
    let store = store.key_prefix(prefix).timeout(TIMEOUT).open().unwrap();
    let session = Only::of(&store);
    session.set(Some("value")).unwrap();
    assert_eq!(session.get().unwrap().as_deref(), Some("value"));
    let logged = logged();
    let mut lines = logged
        .lines()
        .filter(|line| line.contains(&master.address()));
    assert!(
        lines.any(|line| line.starts_with("WARN") && line.contains("0 of 1 replicas")),
        "{logged}"
    );
    assert_failed(session.lock(TIMEOUT), Backend, "0 of 1 replicas");
    // It was given back.
    let others = RedisStorage::builder(&master.url()).open().unwrap();
    assert!(Only::of(&others).lock(TIMEOUT).unwrap().is_held());
}
