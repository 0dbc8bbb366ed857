//! Certificates of a private authority are accepted where it is given, and no others.

#[path = "common/failures.rs"]
mod failures;
#[path = "common/only.rs"]
mod only;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use logto_core::StorageError;
use logto_core::StorageErrorKind::{Backend, Unavailable, Unsupported};
use logto_storage_redis::RedisStorage;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use failures::{SECRET, assert_failed, in_time};
use only::Only;
use server::{Cluster, RedisServer, RedisServerBuilder};

/// Of a call that is not to wait for its timeout.
const NEVER: Duration = Duration::from_secs(100_000);

#[test]
fn a_private_authority_is_accepted_where_it_is_given() {
    let authority = authority();
    let server = server_of(&authority, "127.0.0.1").password(SECRET).start();
    let store = open(&server.url(), Some(authority.pem())).unwrap();
    let session = Only::of(&store);
    let large = "a".repeat(300_000);
    session.set(Some(&large)).unwrap();
    server.restart();
    assert_eq!(session.get().unwrap(), Some(large));
}

#[test]
fn nobody_else_is_accepted() {
    let authority_of_server = authority();
    let server = server_of(&authority_of_server, "127.0.0.1")
        .password(SECRET)
        .start();
    let another = open(&server.url(), Some(authority().pem()));
    assert_failed(another, Backend, "`root_certificate`");
    let by_the_system = RedisStorage::builder(&server.url()).timeout(NEVER).open();
    let error = by_the_system.unwrap_err();
    // A machine without any certificates says so before.
    assert!(error.to_string().contains("`root_certificate`"), "{error}");
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let authority = authority();
    let server = server_of(&authority, "redis.example").start();
    let opened = open(&server.url(), Some(authority.pem()));
    let error = assert_failed(opened, Backend, "TLS");
    let told = failures::all_that_is_told_by(&error);
    assert!(
        told.contains("not valid for name") || told.contains("NotValidForName"),
        "{told}"
    );
}

#[test]
fn a_connection_is_used_again() {
    let authority = authority();
    let server = server_of(&authority, "127.0.0.1").start();
    let store = open(&server.url(), Some(authority.pem())).unwrap();
    let session = Only::of(&store);
    let connections = || -> u64 {
        let count = server.info("total_connections_received").unwrap();
        count.parse().unwrap()
    };
    let before = connections();
    for _ in 0..20 {
        session.set(Some("value")).unwrap();
    }
    // One or two are the test's own.
    assert!(connections() - before <= 2);
}

#[test]
fn tls_must_be_on_both_sides() {
    let authority = authority();
    let server = server_of(&authority, "127.0.0.1").start();
    let plain = open(&server.url().replace("rediss", "redis"), None);
    assert!(plain.is_err());
    let without = RedisServer::start();
    let url = without.url().replace("redis://", "rediss://");
    let builder = RedisStorage::builder(&url).root_certificate(authority.pem());
    let opened = in_time(move || builder.timeout(Duration::from_millis(400)).open());
    assert_failed(opened, Unavailable, "");
}

#[test]
fn what_is_no_certificate_is_refused() {
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let opened = open("rediss://127.0.0.1:1", Some(pem.to_owned()));
        assert_failed(opened, Unsupported, "`root_certificate`");
    }
}

#[test]
fn a_cluster_has_tls_too() {
    let authority = authority();
    let node = server_of(&authority, "127.0.0.1")
        .config("tls-cluster yes")
        .config("tls-replication yes");
    let cluster = Cluster::start_with(node, 2, 0);
    let url = cluster.url().replace("redis+cluster", "rediss+cluster");
    let session = Only::of(&open(&url, Some(authority.pem())).unwrap());
    session.set(Some("value")).unwrap();
    assert_eq!(session.get().unwrap().as_deref(), Some("value"));
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // OpenSSL takes a certificate whose issuer has its own name for self-signed.
    params
        .distinguished_name
        .push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for this name.
fn server_of(authority: &Authority, name: &str) -> RedisServerBuilder {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    RedisServer::builder().tls(&certificate.pem(), &key.serialize_pem(), &authority.pem())
}

fn open(url: &str, authority: Option<String>) -> Result<RedisStorage, StorageError> {
    let mut builder = RedisStorage::builder(url).timeout(NEVER);
    if let Some(authority) = authority {
        builder = builder.root_certificate(authority);
    }
    in_time(move || builder.open())
}
