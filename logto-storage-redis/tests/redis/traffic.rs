//! What is sent: one round trip in the usual case.

use std::time::Duration;

use logto_core::Storage as _;
use logto_storage_redis::RedisStorage;

use crate::fixture::{any_key, owned, plain};
use crate::server::RedisServer;

/// How often the server was sent this.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let statistics = server.info(&format!("cmdstat_{command}"));
    let calls = statistics.map(|text| text["calls=".len()..].split_once(',').unwrap().0.to_owned());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[test]
fn traffic_is_one_round_trip_a_call() {
    let server = RedisServer::start();
    let storage = RedisStorage::open(&server.url()).unwrap();
    let session = any_key();
    let mut record = owned("Alice", "a");
    storage.save(&session, &record, None).unwrap();
    storage.save(&any_key(), &plain("a"), None).unwrap();
    storage.remove(&any_key()).unwrap();
    drop(storage.lock(&session, Duration::ZERO).unwrap());
    let sent = |does: &mut dyn FnMut()| {
        server.command(&["CONFIG", "RESETSTAT"]);
        does();
        assert_eq!(calls(&server, "eval"), 0);
        calls(&server, "evalsha")
    };
    assert_eq!(sent(&mut || drop(storage.load(&session).unwrap())), 0);
    assert_eq!((calls(&server, "hmget"), calls(&server, "pttl")), (1, 1));
    let save = &mut || {
        let next = owned("Alice", "b");
        storage
            .save(&session, &next, Some(record.version()))
            .unwrap();
        record = next;
    };
    assert_eq!(sent(save), 1);
    let save_new = &mut || {
        storage
            .save(&any_key(), &owned("Alice", "a"), None)
            .unwrap()
    };
    assert_eq!(sent(save_new), 2);
    assert_eq!(sent(&mut || storage.remove(&session).unwrap()), 1);
    let lock = &mut || drop(storage.lock(&session, Duration::ZERO).unwrap());
    assert_eq!(sent(lock), 2);
}

#[test]
fn traffic_server_that_forgot_the_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let storage = RedisStorage::open(&server.url()).unwrap();
    for _ in 0..2 {
        storage.save(&any_key(), &plain("a"), None).unwrap();
        server.command(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(calls(&server, "eval"), 2);
}

#[test]
fn traffic_of_a_listing_has_no_data() {
    let server = RedisServer::start();
    let storage = RedisStorage::open(&server.url()).unwrap();
    let data = "a".repeat(1 << 20);
    storage
        .save(&any_key(), &owned("Alice", &data), None)
        .unwrap();
    server.command(&["CONFIG", "RESETSTAT"]);
    let mut visits = 0;
    let visit = &mut |_: &_| {
        visits += 1;
        Ok(())
    };
    storage.for_each(visit).unwrap();
    assert_eq!(visits, 1);
    let sent = server.info("total_net_output_bytes").unwrap();
    assert!(sent.parse::<u64>().unwrap() < 10_000, "{sent}");
}
