//! Replacements that something comes between.

use std::thread;
use std::time::Duration;

use logto_core::Storage as _;
use logto_core::StorageErrorKind::Conflict;
use logto_storage_redis::RedisStorage;

use crate::fixture::{Place, any_key, assert_kind, owned};
use crate::server::{RedisServer, eventually};

#[test]
fn replace_after_a_removal_is_a_conflict() {
    for place in Place::both() {
        let (storage, from, to) = (place.store(), any_key(), any_key());
        let record = owned("Alice", "a");
        storage.save(&from, &record, None).unwrap();
        storage.remove(&from).unwrap();
        let expected = Some(record.version());
        let replaced = storage.replace(&from, expected, &to, &owned("Alice", "b"));
        assert_kind(replaced, Conflict);
        assert!(!place.exists(&place.key(&to)));
    }
}

#[test]
fn replace_with_a_removal_between_its_steps_is_a_conflict() {
    let server = RedisServer::start();
    let builder = || RedisStorage::builder(&server.url()).timeout(Duration::from_secs(60));
    let (storage, other) = (builder().open().unwrap(), builder().open().unwrap());
    let (from, to, record) = (any_key(), any_key(), owned("Alice", "a"));
    storage.save(&from, &record, None).unwrap();
    let blocked = |count: &str| {
        let what = format!("{count} blocked");
        eventually(&what, || server.info("blocked_clients").unwrap() == count);
    };
    // Writes wait, in the order in which they came: the replacement's save, then the removal.
    server.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let replaced = thread::scope(|scope| {
        let next = owned("Alice", "b");
        let replacing = {
            let (storage, from, to) = (&storage, &from, &to);
            scope.spawn(move || storage.replace(from, Some(record.version()), to, &next))
        };
        blocked("1");
        let removing = scope.spawn(|| other.remove(&from));
        blocked("2");
        server.command(&["CLIENT", "UNPAUSE"]);
        removing.join().unwrap().unwrap();
        replacing.join().unwrap()
    });
    assert_kind(replaced, Conflict);
    for session in [&from, &to] {
        assert!(storage.load(session).unwrap().is_none());
    }
}
