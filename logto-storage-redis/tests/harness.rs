//! The servers of the tests do what the tests expect of them.

#[path = "common/server.rs"]
mod server;

use server::{Cluster, RedisServer, Reply, Sentinel, eventually, shared, unique_prefix};

#[test]
fn a_restarted_server_has_what_it_had() {
    let server = RedisServer::builder().password("secret").start();
    server.command(&["SET", "a", "1"]);
    server.restart();
    assert_eq!(server.command(&["GET", "a"]).text(), "1");
    server.pause();
    server.resume();
    server.kill();
    assert!(matches!(server.try_command(&["PING"]), Reply::Error(_)));
    server.start_again();
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let server = RedisServer::start();
    let directory = server.directory().to_owned();
    assert!(directory.exists());
    drop(server);
    assert!(!directory.exists());
}

#[test]
fn the_shared_server_answers_all() {
    let prefix = unique_prefix();
    shared().command(&["SET", &prefix, "1"]);
    assert_ne!(prefix, unique_prefix());
}

#[test]
fn a_cluster_moves_slots_and_a_replica_takes_over() {
    let cluster = Cluster::start(3, 1);
    let slot = cluster.slot_of("a");
    let (from, to) = (cluster.owner_of(slot), (cluster.owner_of(slot) + 1) % 3);
    cluster.nodes()[from].command(&["SET", "a", "1"]);
    cluster.move_slot(slot, to);
    assert_eq!(cluster.owner_of(slot), to);
    assert_eq!(cluster.nodes()[to].command(&["GET", "a"]).text(), "1");
}

#[test]
fn sentinel_makes_the_replica_the_master() {
    let master = RedisServer::start();
    let replica = RedisServer::builder().replica_of(&master).start();
    let sentinel = Sentinel::start("service", &master);
    assert_eq!(sentinel.master_port("service"), Some(master.port()));
    sentinel.await_replicas("service", 1);
    master.kill();
    eventually("failover", || {
        sentinel.master_port("service") == Some(replica.port())
    });
}
