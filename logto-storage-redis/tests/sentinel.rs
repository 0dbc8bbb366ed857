//! The master that Sentinel names is found, and followed when another becomes it.

#[path = "common/failures.rs"]
mod failures;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use logto_core::StorageErrorKind::{PermissionDenied, Unavailable};
use logto_core::{PersistKey, SessionStore, Storage};
use logto_storage_redis::RedisStore;

use failures::{SECRET, assert_failed, in_time};
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
    let store = RedisStore::builder(&url).timeout(LONG).open().unwrap();
    let session = store.default_session();
    session.set(PersistKey::IdToken, Some("before")).unwrap();
    master.kill();
    let store = RedisStore::builder(&url.replace("?replicas=1", ""));
    let read = in_time(move || session.get(PersistKey::IdToken));
    assert_eq!(read.unwrap().as_deref(), Some("before"));
    assert_eq!(sentinel.master_port("sessions"), Some(replica.port()));
    let store = store.timeout(LONG).open().unwrap();
    store
        .default_session()
        .set(PersistKey::IdToken, Some("after"))
        .unwrap();
    assert_ne!(replica.info("role").as_deref(), Some("slave"));
}

#[test]
fn a_master_that_was_made_a_replica_is_left() {
    let master = RedisServer::start();
    let replica = RedisServer::builder().replica_of(&master).start();
    let sentinel = Sentinel::start("sessions", &master);
    sentinel.await_replicas("sessions", 1);
    let url = format!("redis+sentinel://{}/sessions", sentinel.address());
    let store = RedisStore::builder(&url).timeout(LONG).open().unwrap();
    let session = store.default_session();
    session.set(PersistKey::IdToken, Some("before")).unwrap();
    eventually("the replica has it", || {
        replica.command(&["DBSIZE"]) == master.command(&["DBSIZE"])
    });
    sentinel
        .server()
        .command(&["SENTINEL", "FAILOVER", "sessions"]);
    eventually("the master is a replica", || {
        master.info("role").as_deref() == Some("slave")
    });
    in_time(move || session.set(PersistKey::IdToken, Some("after"))).unwrap();
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
        let session = RedisStore::open(&url).unwrap().default_session();
        session.set(PersistKey::IdToken, Some("value")).unwrap();
        let wrong = format!("redis+sentinel://:wrong@{at}/sessions");
        let wrong = in_time(move || RedisStore::builder(&wrong).timeout(LONG * 1000).open());
        assert_failed(wrong, PermissionDenied, "the password");
    }
}

#[test]
fn an_unknown_service_is_named() {
    let master = RedisServer::start();
    let sentinel = Sentinel::start("sessions", &master);
    let url = format!("redis+sentinel://:{SECRET}@{}/others", sentinel.address());
    let opened = in_time(move || RedisStore::builder(&url).timeout(LONG * 1000).open());
    assert_failed(opened, Unavailable, "\"others\"");
}
