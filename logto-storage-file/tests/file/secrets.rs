//! What must not be seen.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::PersistKey;
use logto_core::{SessionId, SessionStore, Storage};
use logto_storage_file::FileStorage;

use crate::fixture::{Fixture, key};

const TOKEN: &str = "precious-refresh-token";

#[test]
fn no_file_has_a_token_or_an_id_in_clear_while_others_write() {
    let fixture = Fixture::new();
    let done = AtomicBool::new(false);
    let ids: Vec<_> = (0..2).map(|_| SessionId::random()).collect();
    thread::scope(|scope| {
        for id in &ids {
            let session = fixture.store.session(id);
            let done = &done;
            scope.spawn(move || {
                for length in (1..5_000).cycle().step_by(499) {
                    let value = TOKEN.repeat(length);
                    for key in PersistKey::ALL {
                        session.set(key, Some(&value)).unwrap();
                    }
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let started = Instant::now();
        let mut temporaries = 0;
        while temporaries < 20 && started.elapsed() < Duration::from_secs(20) {
            temporaries += search(&fixture, &ids);
        }
        done.store(true, Ordering::Relaxed);
        assert!(temporaries > 0);
    });
    search(&fixture, &ids);
}

/// Searches all files, and tells how many temporary ones there were.
fn search(fixture: &Fixture, ids: &[SessionId]) -> usize {
    let mut temporaries = 0;
    for entry in fs::read_dir(fixture.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // It may have been renamed.
        let bytes = fs::read(&path).unwrap_or_default();
        temporaries += usize::from(name.ends_with(".tmp") && !bytes.is_empty());
        let secrets = ids.iter().map(SessionId::expose);
        for secret in secrets.chain([TOKEN, PersistKey::RefreshToken.as_str()]) {
            assert!(!name.contains(secret));
            assert!(!contains(&bytes, secret.as_bytes()), "{name}");
        }
    }
    temporaries
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
        if haystack[from + at..].starts_with(needle) {
            return true;
        }
        from += at + 1;
    }
    false
}

#[test]
fn debug_shows_no_values_no_ids_and_no_key() {
    let fixture = Fixture::new();
    let id = SessionId::random();
    let session = fixture.store.session(&id);
    session.set(PersistKey::IdToken, Some(TOKEN)).unwrap();
    let storage = FileStorage::open(fixture.directory.path().join("session"), key()).unwrap();
    let builder = fixture.builder();
    let shown = format!("{:?} {session:?} {builder:?} {storage:?}", fixture.store);
    assert!(shown.contains("sessions"));
    for secret in [TOKEN, id.expose(), &id.digest_hex(), "5a5a", "90, 90"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn handles_can_be_shared() {
    fn assert_shared<T: Send + Sync + Clone + 'static>() {}
    assert_shared::<logto_storage_file::FileStore>();
    assert_shared::<FileStorage>();
}
