//! Servers that go and come again: calls wait for them, and nothing is lost.

#[path = "common/failures.rs"]
mod failures;
#[path = "common/only.rs"]
mod only;
#[path = "common/server.rs"]
mod server;

use std::thread;
use std::time::Duration;

use logto_core::StorageErrorKind::{Busy, Unavailable};

use logto_storage_redis::{RedisStorage, RedisStorageBuilder};

use failures::{assert_failed, in_time};
use only::Only;
use server::{Cluster, RedisServer};

const SOON: Duration = Duration::from_millis(400);
/// Longer than a server is away, in every test.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_restart_is_not_noticed() {
    let server = RedisServer::builder()
        .append_fsync("always")
        .password("secret")
        .start();
    let store = RedisStorage::builder(&server.url())
        .timeout(LONG)
        .open()
        .unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    server.restart();
    assert_eq!(session.get().unwrap().as_deref(), Some("before"));
    server.kill();
    server.start_again();
    session.set(Some("after")).unwrap();
    assert_eq!(session.get().unwrap().as_deref(), Some("after"));
}

#[test]
fn all_idle_connections_may_be_broken() {
    let server = RedisServer::start();
    let store = builder_of(&server).connections(4).open().unwrap();
    in_many_threads(&store, 8);
    for _ in 0..3 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        in_many_threads(&store, 8);
    }
    server.restart();
    in_many_threads(&store, 8);
}

#[test]
fn a_call_waits_for_a_server_that_is_starting() {
    let server = RedisServer::start();
    let store = builder_of(&server).open().unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    server.stop();
    let waiting = thread::spawn(move || session.get());
    thread::sleep(Duration::from_millis(200));
    server.start_again();
    assert_eq!(waiting.join().unwrap().unwrap().as_deref(), Some("before"));
}

#[test]
fn a_server_that_stays_away_is_told_after_the_timeout() {
    let server = RedisServer::start();
    let store = RedisStorage::builder(&server.url())
        .timeout(SOON)
        .open()
        .unwrap();
    let session = Only::of(&store);
    server.stop();
    let read = in_time(move || session.get());
    assert_failed(read, Unavailable, "refused");
}

#[test]
fn more_threads_than_connections_take_turns() {
    let server = RedisServer::start();
    let store = builder_of(&server).connections(1).open().unwrap();
    in_many_threads(&store, 16);
    let clients = server.command(&["CLIENT", "LIST", "TYPE", "normal"]).text();
    // The one of this question is among them.
    assert_eq!(clients.lines().count(), 2, "{clients}");
}

#[test]
fn who_gets_no_connection_is_told_of_the_setting() {
    let server = RedisServer::start();
    let store = RedisStorage::builder(&server.url());
    let store = store.connections(1).timeout(SOON * 5).open().unwrap();
    let holder = Only::of(&store);
    server.pause();
    let hanging = thread::spawn(move || holder.get());
    thread::sleep(SOON);
    let patient = thread::spawn(move || Only::of(&store).get());
    assert_failed(hanging.join().unwrap(), Unavailable, "(`timeout`)");
    // It has the place after the first, for what is left of its time, or none.
    let error = patient.join().unwrap().unwrap_err();
    assert!([Unavailable, Busy].contains(&error.kind()), "{error}");
    server.resume();
}

#[test]
fn a_slot_may_move_while_it_is_in_use() {
    let cluster = Cluster::start(3, 0);
    let store = RedisStorage::builder(&cluster.url())
        .timeout(LONG)
        .open()
        .unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    let slot = slot_of_the_session(&cluster);
    let to = (cluster.owner_of(slot) + 1) % 3;
    cluster.begin_move(slot, to);
    assert_eq!(session.get().unwrap().as_deref(), Some("before"));
    session.set(Some("while it moves")).unwrap();
    cluster.end_move(slot, to);
    for _ in 0..2 {
        let read = session.get().unwrap();
        assert_eq!(read.as_deref(), Some("while it moves"));
    }
    session.set(Some("after")).unwrap();
}

#[test]
fn a_new_session_in_a_moving_slot_is_made_where_it_will_be() {
    let cluster = Cluster::start(2, 0);
    let store = RedisStorage::builder(&cluster.url())
        .timeout(LONG)
        .open()
        .unwrap();
    let session = Only::of(&store);
    session.set(Some("first")).unwrap();
    let slot = slot_of_the_session(&cluster);
    session.set(None).unwrap();
    let from = cluster.owner_of(slot);
    let to = 1 - from;
    cluster.begin_move(slot, to);
    session.set(Some("second")).unwrap();
    assert_eq!(session.get().unwrap().as_deref(), Some("second"));
    let count = |node: usize| {
        let slot = slot.to_string();
        cluster.nodes()[node]
            .command(&["CLUSTER", "COUNTKEYSINSLOT", &slot])
            .text()
    };
    assert_ne!(count(to), "0");
    cluster.end_move(slot, to);
    assert_eq!(session.get().unwrap().as_deref(), Some("second"));
}

#[test]
fn a_replica_of_a_cluster_takes_over() {
    let cluster = Cluster::start(3, 1);
    let store = RedisStorage::builder(&cluster.url())
        .timeout(LONG)
        .open()
        .unwrap();
    write_to_replicas_too(&cluster);
    let master = cluster.owner_of(slot_of_the_session(&cluster));
    cluster.nodes()[master].kill();
    let session = Only::of(&store);
    let read = in_time(move || {
        let read = session.get();
        session.set(Some("after")).unwrap();
        read
    });
    assert_eq!(read.unwrap().as_deref(), Some("before"));
}

#[test]
fn a_master_that_hangs_is_not_asked_again() {
    let cluster = Cluster::start(3, 1);
    let store = RedisStorage::builder(&cluster.url())
        .timeout(SOON * 5)
        .open()
        .unwrap();
    let session = Only::of(&store);
    write_to_replicas_too(&cluster);
    let master = cluster.owner_of(slot_of_the_session(&cluster));
    cluster.nodes()[master].pause();
    let mut read = None;
    server::eventually("the replica answers", || {
        read = session.get().ok();
        read.is_some()
    });
    assert_eq!(read.flatten().as_deref(), Some("before"));
}

fn builder_of(server: &RedisServer) -> RedisStorageBuilder {
    RedisStorage::builder(&server.url()).timeout(LONG)
}

fn in_many_threads(store: &RedisStorage, count: usize) {
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let session = Only::of(store);
                for _ in 0..20 {
                    session.set(Some("value")).unwrap();
                    assert!(session.get().unwrap().is_some());
                }
            });
        }
    });
}

fn write_to_replicas_too(cluster: &Cluster) {
    let url = format!("{}?replicas=1", cluster.url());
    let store = RedisStorage::builder(&url).timeout(LONG).open().unwrap();
    Only::of(&store).set(Some("before")).unwrap();
}

/// The slot of the only session.
fn slot_of_the_session(cluster: &Cluster) -> u16 {
    let keys = cluster.nodes().iter().flat_map(|node| {
        let keys = node.command(&["KEYS", "logto:{*"]);
        keys.list().to_vec()
    });
    let key = keys
        .into_iter()
        .next()
        .expect("the session is there")
        .text();
    cluster.slot_of(&key)
}
