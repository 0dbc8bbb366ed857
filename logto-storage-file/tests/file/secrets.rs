//! Secrets: in no file, no name and no `Debug`.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{OwnerDigest, Record, SessionId, SessionOwner, Storage as _};
use logto_storage_file::FileStorage;

use crate::fixture::{Fixture, key, session};

const TOKEN: &str = "precious-refresh-token";
const ISSUER: &str = "https://foo.logto.app/oidc";

#[test]
fn secrets_are_in_no_file_while_others_write() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let owner = SessionOwner::new(ISSUER, "alice", None);
    let digest = hex(OwnerDigest::of_user(ISSUER, "alice").as_bytes());
    let secrets = [id.expose(), TOKEN, digest.as_str()];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut version = None;
            while !done.load(Ordering::Relaxed) {
                let record = Record::new(Some(owner), TOKEN.repeat(5_000));
                fixture.storage.save(&id.key(), &record, version).unwrap();
                version = Some(record.version());
            }
        });
        let started = Instant::now();
        let mut temporaries = 0;
        while temporaries < 20 && started.elapsed() < Duration::from_secs(20) {
            temporaries += search(&fixture.path(), &secrets);
        }
        done.store(true, Ordering::Relaxed);
        assert!(temporaries > 0);
    });
    search(&fixture.path(), &secrets);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Searches all files, and tells how many temporary ones there were.
fn search(directory: &Path, secrets: &[&str]) -> usize {
    let mut temporaries = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            temporaries += search(&path, secrets);
            continue;
        }
        // It may have been renamed.
        let bytes = fs::read(&path).unwrap_or_default();
        temporaries += usize::from(name.ends_with(".tmp") && !bytes.is_empty());
        for secret in secrets {
            assert!(!name.contains(secret));
            let mut windows = bytes.windows(secret.len());
            assert!(!windows.any(|part| part == secret.as_bytes()), "{name}");
        }
    }
    temporaries
}

#[test]
fn secrets_are_in_no_debug() {
    let fixture = Fixture::new();
    fixture.put(0, TOKEN);
    let shown = format!("{:?} {:?}", fixture.storage, fixture.builder(key()));
    assert!(shown.contains("sessions"));
    for secret in [TOKEN, &session(0).to_hex(), "5a5a", "90, 90"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn storage_can_be_shared() {
    fn assert_shared<T: Send + Sync + Clone + 'static>() {}
    assert_shared::<FileStorage>();
}
