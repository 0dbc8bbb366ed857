//! A storage by its URL: what is compiled in is opened, and anything else says what to do.

use std::process::Command;

#[path = "../logto-storage-redis/tests/common/server.rs"]
mod server;

use logto::storage::{self, PersistKey, STORAGE_KEY_VARIABLE};
use logto::{ConfigError, EncryptionKey, LogtoError, Session, SessionId, StorageErrorKind};

fn works(url: &str) {
    let key = SessionId::random().key();
    let value = |session: &Session| session.get(PersistKey::IdToken).unwrap();
    let session = Session::new(storage::open(url).unwrap(), key);
    session.set(PersistKey::IdToken, "value").unwrap();
    assert_eq!(value(&session).as_deref(), Some("value"), "{url}");
    if url != "memory:" {
        drop(session);
        let again = Session::new(storage::open(url).unwrap(), key);
        assert_eq!(value(&again).as_deref(), Some("value"), "{url}");
    }
}

#[test]
fn every_storage_is_opened_by_its_url() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    works("memory:");
    works(&format!("sqlite://{}", path("sessions.db")));
    works(&format!("sled://{}", path("sled")));
}

#[test]
fn redis_is_opened_by_each_of_its_urls() {
    let one = server::RedisServer::start();
    works(&one.url());
    works(&format!("valkey://{}/3?prefix=shop", one.address()));
    let cluster = server::Cluster::start(3, 0);
    works(&cluster.url());
    works(&cluster.url().replacen("redis", "valkey", 1));
    let sentinel = server::Sentinel::start("sessions", &one);
    works(&format!("redis+sentinel://{}/sessions", sentinel.address()));
}

#[test]
fn the_password_of_a_url_is_in_no_error() {
    let guarded = server::RedisServer::builder().password("right").start();
    let address = guarded.address();
    for (url, kind) in [
        (
            format!("redis://:s3cr3t@{address}"),
            StorageErrorKind::PermissionDenied,
        ),
        (
            format!("rediss+cluster://u:s3cr3t@{address}/x"),
            StorageErrorKind::Unsupported,
        ),
        (
            format!("valkeys+sentinel://u:s3cr3t@{address}"),
            StorageErrorKind::Unsupported,
        ),
        (
            format!("redis://u:s3cr3t/x@{address}"),
            StorageErrorKind::Unsupported,
        ),
        ("redis:u:s3cr3t".to_owned(), StorageErrorKind::Unsupported),
    ] {
        let error = storage::open(&url).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("s3cr3t"), "{said}");
        match error {
            LogtoError::Storage(error) => assert_eq!(error.kind(), kind, "{said}"),
            other => panic!("{url}: {other:?}"),
        }
    }
}

fn config_error(url: &str) -> ConfigError {
    match storage::open(url).unwrap_err() {
        LogtoError::Config(error) => error,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn a_url_that_names_no_storage_says_what_there_is() {
    for url in [
        "",
        "mysql://localhost",
        "redis+other://localhost",
        "/var/lib/sessions.db",
        "SQLITE://x",
    ] {
        let error = config_error(url);
        assert!(
            matches!(error, ConfigError::UnknownStorage { .. }),
            "{url}: {error}"
        );
        assert!(error.to_string().contains("sqlite://"), "{error}");
    }
    for url in ["sqlite:", "sqlite://", "sled://", "file://"] {
        let error = config_error(url);
        assert!(
            matches!(error, ConfigError::StorageWithoutPath { .. }),
            "{url}: {error}"
        );
    }
}

/// Does nothing by itself: the tests start this in processes with a key of their own.
#[test]
fn process_that_opens_files() {
    if let Ok(url) = std::env::var("STORAGE_CHOICE_URL") {
        match storage::open(&url) {
            Ok(_) => works(&url),
            Err(error) => println!("refused: {error}"),
        }
    }
}

fn open_files_with(key: Option<&str>) -> String {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().join("sessions").display());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "process_that_opens_files", "--nocapture"]);
    child
        .env("STORAGE_CHOICE_URL", url)
        .env_remove(STORAGE_KEY_VARIABLE);
    if let Some(key) = key {
        child.env(STORAGE_KEY_VARIABLE, key);
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn encrypted_files_take_their_key_from_the_environment() {
    let key = EncryptionKey::generate_base64();
    let said = open_files_with(Some(key.expose()));
    assert!(!said.contains("refused"), "{said}");
    for (key, expected) in [
        (None, "is not set"),
        (Some(" "), "is not set"),
        (Some("c2hvcnQ"), "is not a key"),
    ] {
        let said = open_files_with(key);
        assert!(
            said.contains(STORAGE_KEY_VARIABLE) && said.contains(expected),
            "{said}"
        );
        assert!(!said.contains("c2hvcnQ"), "{said}");
    }
}
