//! The master that Sentinel names is found, and followed when another becomes it.

#[path = "common/failures.rs"]
mod failures;
#[path = "common/only.rs"]
mod only;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use logto_core::StorageErrorKind::{PermissionDenied, Unavailable};

use logto_storage_redis::RedisStorage;

use failures::{SECRET, assert_failed, in_time};
use only::Only;
use server::{RedisServer, Sentinel, eventually};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_failover_is_followed() {
    let master = RedisServer::builder().password(SECRET).start();
    let replica = RedisServer::builder()
        .password(SECRET)
        .replica_of(&master)
        .start();
    let sentinel = Sentinel::start("sessions", &master);
    sentinel.await_replicas("sessions", 1);
    // The first Sentinel of the list is not there.
    let url = format!(
        "redis+sentinel://:{SECRET}@127.0.0.1:1,{}/sessions?replicas=1",
        sentinel.address()
    );
    let store = RedisStorage::builder(&url).timeout(LONG).open().unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    master.kill();
    let store = RedisStorage::builder(&url.replace("?replicas=1", ""));
    let read = in_time(move || session.get());
    assert_eq!(read.unwrap().as_deref(), Some("before"));
    assert_eq!(sentinel.master_port("sessions"), Some(replica.port()));
    let store = store.timeout(LONG).open().unwrap();
    Only::of(&store).set(Some("after")).unwrap();
    assert_ne!(replica.info("role").as_deref(), Some("slave"));
}

#[test]
fn a_master_that_was_made_a_replica_is_left() {
    let master = RedisServer::start();
    let replica = RedisServer::builder().replica_of(&master).start();
    let sentinel = Sentinel::start("sessions", &master);
    sentinel.await_replicas("sessions", 1);
    let url = format!("redis+sentinel://{}/sessions", sentinel.address());
    let store = RedisStorage::builder(&url).timeout(LONG).open().unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    eventually("the replica has it", || {
        replica.command(&["DBSIZE"]) == master.command(&["DBSIZE"])
    });
    sentinel
        .server()
        .command(&["SENTINEL", "FAILOVER", "sessions"]);
    eventually("the master is a replica", || {
        master.info("role").as_deref() == Some("slave")
    });
    in_time(move || session.set(Some("after"))).unwrap();
    assert_eq!(replica.info("role").as_deref(), Some("master"));
}

#[test]
fn a_sentinel_may_have_the_password_of_the_servers_or_none() {
    let master = RedisServer::builder().password(SECRET).start();
    for sentinel in [
        Sentinel::start("sessions", &master),
        Sentinel::start_with_password(SECRET, "sessions", &master),
    ] {
        let at = sentinel.address();
        let url = format!("redis+sentinel://default:{SECRET}@{at}/sessions/2");
        let session = Only::of(&RedisStorage::open(&url).unwrap());
        session.set(Some("value")).unwrap();
        let wrong = format!("redis+sentinel://:wrong@{at}/sessions");
        let wrong = in_time(move || RedisStorage::builder(&wrong).timeout(LONG * 1000).open());
        assert_failed(wrong, PermissionDenied, "the password");
    }
}

#[test]
fn an_unknown_service_is_named() {
    let master = RedisServer::start();
    let sentinel = Sentinel::start("sessions", &master);
    let url = format!("redis+sentinel://:{SECRET}@{}/others", sentinel.address());
    let opened = in_time(move || RedisStorage::builder(&url).timeout(LONG * 1000).open());
    assert_failed(opened, Unavailable, "\"others\"");
}
