//! What the server's ACL must allow, and nothing else does it need.

use logto_core::Storage as _;
use logto_core::StorageErrorKind::PermissionDenied;
use logto_storage_redis::{RedisStorage, RedisStorageBuilder};
use logto_testing::TestClock;

use crate::fixture::{any_key, assert_kind, owned, user};
use crate::server::{Cluster, RedisServer, Reply};

/// As documented.
const RULES: &str = include_str!("../../acl.txt");

fn builder(url: &str) -> RedisStorageBuilder {
    let url = url.replacen("://", "://logto:secret@", 1);
    RedisStorage::builder(&url).clock(TestClock::new())
}

/// Everything that a storage does.
fn use_all(storage: &RedisStorage) {
    let (from, to) = (any_key(), any_key());
    let held = storage.lock(&from, std::time::Duration::ZERO).unwrap();
    let (first, second) = (owned("Alice", "a"), owned("Alice", "b"));
    storage.save(&from, &first, None).unwrap();
    assert!(held.is_held());
    drop(held);
    let expected = Some(first.version());
    storage.replace(&from, expected, &to, &second).unwrap();
    assert_eq!(storage.find(&user("Alice")).unwrap(), [to]);
    assert_eq!(storage.load(&to).unwrap(), Some(second));
    storage.for_each(&mut |_| Ok(())).unwrap();
    storage.purge_expired().unwrap();
    storage.remove(&to).unwrap();
}

#[test]
fn permissions_documented_rules_suffice_on_one_server() {
    let server = RedisServer::start();
    server.acl_user("logto", &format!("on >secret {RULES}"));
    use_all(&builder(&server.url()).open().unwrap());
    assert_eq!(denied(&server), "");

    let other = builder(&server.url()).key_prefix("other").open();
    assert_kind(other, PermissionDenied);
}

#[test]
fn permissions_documented_rules_suffice_in_a_cluster() {
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
fn permissions_rules_are_those_of_the_readme() {
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
