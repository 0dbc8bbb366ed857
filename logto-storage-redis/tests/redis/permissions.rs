//! What the server's ACL must allow, and nothing else does it need.

use logto_core::PersistKey::{IdToken, Owner};
use logto_core::StorageErrorKind::PermissionDenied;
use logto_core::{SessionId, SessionStore, Storage};
use logto_storage_redis::RedisStore;
use logto_testing::TestClock;

use crate::fixture::{assert_kind, assert_value, found, owner, set};
use crate::server::{Cluster, RedisServer, Reply};

/// As documented.
const RULES: &str = include_str!("../../acl.txt");

fn builder(url: &str) -> logto_storage_redis::RedisStoreBuilder {
    let url = url.replacen("://", "://logto:secret@", 1);
    RedisStore::builder(&url).clock(TestClock::new())
}

/// Everything that a store does.
fn use_all(store: &RedisStore) {
    let (id, other) = (SessionId::random(), SessionId::random());
    let session = store.session(&id);
    let held = session.lock(std::time::Duration::ZERO).unwrap();
    set(&session, IdToken, "a");
    set(&session, Owner, &owner("Alice"));
    assert!(held.is_held());
    drop(held);
    store.rename(&id, &other).unwrap();
    assert_eq!(found(store, "Alice"), [other.digest()]);
    assert_value(&store.session(&other), IdToken, Some("a"));
    store.purge_expired().unwrap();
    store.remove(&other).unwrap();
}

#[test]
fn the_documented_rules_suffice_on_one_server() {
    let server = RedisServer::start();
    server.acl_user("logto", &format!("on >secret {RULES}"));
    use_all(&builder(&server.url()).open().unwrap());
    assert_eq!(denied(&server), "");

    let other = builder(&server.url()).key_prefix("other").open();
    assert_kind(other, PermissionDenied);
}

#[test]
fn the_documented_rules_suffice_in_a_cluster() {
    let cluster = Cluster::start(3, 0);
    for node in cluster.nodes() {
        node.acl_user("logto", &format!("on >secret {RULES}"));
    }
    let store = builder(&cluster.url()).open().unwrap();
    for _ in 0..10 {
        use_all(&store);
    }
    for node in cluster.nodes() {
        assert_eq!(denied(node), "");
    }
}

#[test]
fn the_rules_are_those_of_the_readme() {
    assert!(include_str!("../../README.md").contains(RULES));
}

/// What the server has refused, however it was taken.
fn denied(server: &RedisServer) -> String {
    let log = server.command(&["ACL", "LOG"]);
    let objects = log.list().iter().map(|entry| {
        let words: Vec<_> = entry.list().iter().map(Reply::text).collect();
        let object = words.iter().position(|word| word == "object");
        object.map_or(String::new(), |at| words[at + 1].clone())
    });
    objects.collect::<Vec<_>>().join(" ")
}
