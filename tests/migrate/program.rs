//! The example, as its reader runs it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use logto::storage::{
    EncryptedStorage, EncryptionKey, FileStorage, OwnerDigest, Record, RedisStorage,
    STORAGE_KEY_VARIABLE, SessionId, SledStorage, SqliteStorage, Storage,
};
use logto::{Logto, LogtoConfig};
use logto_testing::{FakeLogto, FakeUser};
use tempfile::TempDir;

use crate::scene::{Contents, ISSUER, add, change, contents, data, load, owner, save};
use crate::server::{Cluster, RedisServer};
use crate::support::program;

/// 32 bytes of 7, in base64.
const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// 32 bytes of 8.
const OTHER_KEY: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

/// Storages in a folder.
struct Scene(TempDir);

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn url(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}://{}", self.path(name).display())
    }

    fn sqlite(&self, name: &str) -> SqliteStorage {
        SqliteStorage::open(self.path(name)).unwrap()
    }

    fn file(&self, name: &str) -> FileStorage {
        let key = EncryptionKey::from_base64(KEY).unwrap();
        FileStorage::open(self.path(name), key).unwrap()
    }

    fn sled(&self, name: &str) -> SledStorage {
        SledStorage::open(self.path(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::command("migrate", self.0.path());
        command
            .arg("--")
            .args(arguments)
            .env(STORAGE_KEY_VARIABLE, KEY)
            .env("KEY", KEY)
            .env("OTHER_KEY", OTHER_KEY);
        command
    }

    fn migrate(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().expect("cargo runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let outcome = Outcome {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        outcome
    }

    /// Returns the last words.
    #[track_caller]
    fn migrates(&self, arguments: &[&str]) -> String {
        let outcome = self.migrate(arguments);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stdout
    }

    /// Runs it, and kills it as soon as so many sessions are in the storage. Returns whether it was killed in the midst.
    fn is_killed_at(&self, sessions: usize, storage: &dyn Storage, arguments: &[&str]) -> bool {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo runs");
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return false;
            }
            if count(storage) >= sessions {
                child.kill().unwrap();
                return !child.wait().unwrap().success();
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn count(storage: &dyn Storage) -> usize {
    let mut sessions = 0;
    let counted = storage.for_each(&mut |_| {
        sessions += 1;
        Ok(())
    });
    counted.unwrap();
    sessions
}

fn fill(storage: &dyn Storage, sessions: usize) -> Contents {
    for n in 0..sessions {
        add(storage, n);
    }
    contents(storage)
}

#[test]
fn migrate_program_moves_thousands_of_sessions_through_every_storage() {
    const SESSIONS: usize = 2_000;
    let scene = Scene::new();
    let mut before = fill(&scene.sqlite("first.db"), SESSIONS);
    let alice = SessionId::random().key();
    let record = Record::new(Some(owner("alice")), "{}");
    save(&scene.sqlite("first.db"), &alice, record.clone());
    before.insert(alice, record);

    let (redis, cluster) = (RedisServer::start(), Cluster::start(3, 0));
    let urls = [
        scene.url("sqlite", "first.db"),
        scene.url("file", "files"),
        scene.url("sled", "sled"),
        redis.url(),
        cluster.url(),
        scene.url("sqlite", "last.db"),
    ];
    for way in urls.windows(2) {
        let words = scene.migrates(&[&way[0], &way[1]]);
        assert_eq!(words, "2001 sessions: 2001 copied, 0 there already\n");
    }
    let last = scene.sqlite("last.db");
    let [in_redis, in_cluster] =
        [redis.url(), cluster.url()].map(|url| RedisStorage::open(&url).unwrap());
    let (files, sled) = (scene.file("files"), scene.sled("sled"));
    let storages: [&dyn Storage; 5] = [&files, &sled, &in_redis, &in_cluster, &last];
    for storage in storages {
        assert!(
            contents(storage) == before,
            "the sessions differ in {storage:?}"
        );
        for digest in [
            OwnerDigest::of_user(ISSUER, "alice"),
            OwnerDigest::of_server_session(ISSUER, "1"),
        ] {
            assert!(storage.find(&digest).unwrap().contains(&alice));
        }
        let found = storage.find(&OwnerDigest::of_user(ISSUER, "alice"));
        assert_eq!(found.unwrap(), [alice]);
    }
    assert!(contents(&scene.sqlite("first.db")) == before);
}

#[test]
fn migrate_program_killed_again_and_again_ends_well() {
    const SESSIONS: usize = 1_200;
    let scene = Scene::new();
    let before = fill(&scene.sqlite("from.db"), SESSIONS);
    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("file", "to"));
    let storage = scene.file("to");
    let mut killed = 0;
    for at in [1, 100, 300, 301, 600] {
        killed += usize::from(scene.is_killed_at(at, &storage, &[&from, &to]));
        let there = contents(&storage);
        let mut there = there.iter();
        assert!(there.all(|(session, record)| before[session] == *record));
    }
    assert!(killed >= 3, "it was killed {killed} times");
    let words = scene.migrates(&[&from, &to]);
    assert!(words.starts_with("1200 sessions: "), "{words}");
    assert!(contents(&storage) == before);
    assert!(contents(&scene.sqlite("from.db")) == before);
}

#[test]
fn migrate_program_killed_while_it_moves_loses_nothing() {
    const SESSIONS: usize = 1_200;
    let scene = Scene::new();
    let from_storage = scene.file("from");
    let before = fill(&from_storage, SESSIONS);
    let (from, to) = (scene.url("file", "from"), scene.url("sqlite", "to.db"));
    let storage = scene.sqlite("to.db");
    let arguments = ["--move", &from, &to];
    let mut killed = 0;
    for at in [1, 100, 300, 301, 600] {
        killed += usize::from(scene.is_killed_at(at, &storage, &arguments));
        let (left, there) = (contents(&from_storage), contents(&storage));
        // At most one session is in both, which is empty in the old storage if it was about to be removed.
        let in_both = there.keys().filter(|session| left.contains_key(*session));
        assert!(in_both.count() <= 1);
        let mut all = left;
        all.extend(there);
        assert!(all == before, "a session is lost, or changed");
    }
    assert!(killed >= 3, "it was killed {killed} times");
    scene.migrates(&arguments);
    assert!(contents(&storage) == before);
    assert_eq!(count(&from_storage), 0);
}

#[test]
fn a_damaged_session_is_told_of_and_the_others_are_copied() {
    let scene = Scene::new();
    let inner = scene.sqlite("from.db");
    let key = || EncryptionKey::from_base64(KEY).unwrap();
    let sealed = EncryptedStorage::new(inner.clone(), key());
    let keys = [1, 2, 3].map(|n| add(&sealed, n));
    change(&inner, &keys[1], "s3cr3t-that-is-no-sealed-box");
    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("sled", "to"));
    let outcome = scene.migrate(&["--from-key", "KEY", &from, &to]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    let expected = "3 sessions: 2 copied, 0 there already, 1 unreadable: see above\n";
    assert_eq!(outcome.stdout, expected);
    assert!(
        outcome.stderr.contains("is not copied"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
    let storage = scene.sled("to");
    assert_eq!(count(&storage), 2);
    for key in [&keys[0], &keys[2]] {
        assert_eq!(load(&storage, key), load(&sealed, key));
    }
}

#[test]
fn a_newer_session_in_the_new_store_stays() {
    let scene = Scene::new();
    let (old, new) = (scene.sqlite("from.db"), scene.sqlite("to.db"));
    let (both, other) = (add(&old, 1), add(&old, 2));
    change(&new, &both, "a newer one");
    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("sqlite", "to.db"));
    let words = scene.migrates(&["--move", &from, &to]);
    let expected = "2 sessions: 1 copied, 1 there already; 1 removed from the old storage\n";
    assert_eq!(words, expected);
    assert_eq!(data(&new, &both).as_deref(), Some("a newer one"));
    assert!(load(&new, &other).is_some());
    assert!(load(&old, &both).is_some());
    assert_eq!(load(&old, &other), None);
}

#[test]
fn a_signed_in_user_is_refreshed_over_the_new_store() {
    const RESOURCE: &str = "https://api.example.com";
    let scene = Scene::new();
    let fake = FakeLogto::builder()
        .user(FakeUser::new("alice"))
        .resource(RESOURCE, ["read:items"])
        .start();
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
        .app_secret(fake.app_secret())
        .resources([RESOURCE]);
    let logto = Logto::builder(config).clock(fake.clock()).build().unwrap();
    let old = scene.sqlite("from.db");
    let planted = SessionId::random();
    let url = logto
        .session(&old, &planted)
        .sign_in("http://localhost:3000/callback");
    let callback = fake.authorize(&url.unwrap());
    let (id, _) = logto.finish_sign_in(&old, &planted, &callback).unwrap();
    logto.session(&old, &id).access_token(RESOURCE).unwrap();

    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("file", "to"));
    scene.migrates(&["--move", "--to-key", "OTHER_KEY", &from, &to]);
    let key = EncryptionKey::from_base64(OTHER_KEY).unwrap();
    let new = EncryptedStorage::new(scene.file("to"), key);
    let client = logto.session(&new, &id);
    for _ in 0..3 {
        fake.clock().advance(Duration::from_secs(3600));
        client.access_token(RESOURCE).unwrap();
    }
    let user = OwnerDigest::of_user(&format!("{}/oidc", fake.endpoint()), "alice");
    assert_eq!(new.find(&user).unwrap(), [id.key()]);
    assert!(!logto.session(&old, &id).is_authenticated().unwrap());
}

#[test]
fn a_store_that_is_not_there_is_not_made_to_be_moved() {
    let scene = Scene::new();
    let (from, to) = (scene.url("sqlite", "typo.db"), scene.url("sqlite", "to.db"));
    let outcome = scene.migrate(&[&from, &to]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("there is no storage at"),
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_dir(scene.0.path()).unwrap().count(), 0);
}

#[test]
fn a_store_that_is_encrypted_is_not_encrypted_again() {
    let scene = Scene::new();
    let key = EncryptionKey::from_base64(OTHER_KEY).unwrap();
    add(&EncryptedStorage::new(scene.sqlite("from.db"), key), 1);
    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("sqlite", "to.db"));
    let outcome = scene.migrate(&["--to-key", "OTHER_KEY", &from, &to]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("give --from-key too"),
        "{}",
        outcome.stderr
    );
    assert!(contents(&scene.sqlite("to.db")).is_empty());
    scene.migrates(&[
        "--from-key",
        "OTHER_KEY",
        "--to-key",
        "OTHER_KEY",
        &from,
        &to,
    ]);
    assert_eq!(contents(&scene.sqlite("to.db")).len(), 1);
}

#[test]
fn a_key_that_cannot_be_used_is_told_and_not_shown() {
    let scene = Scene::new();
    add(&scene.sqlite("from.db"), 1);
    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("sqlite", "to.db"));
    let outcome = scene.migrate(&["--to-key", "NOWHERE", &from, &to]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("NOWHERE is not set"),
        "{}",
        outcome.stderr
    );
    let bad = scene
        .command(&["--to-key", "BAD", &from, &to])
        .env("BAD", "s3cr3t")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&bad.stderr);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        stderr.contains("the key in BAD") && !stderr.contains("s3cr3t"),
        "{stderr}"
    );
    // Of a storage that nobody sealed nothing can be read with a key.
    let outcome = scene.migrate(&["--from-key", "KEY", &from, &to]);
    assert_eq!(outcome.code, Some(3));
    assert_eq!(count(&scene.sqlite("to.db")), 0);
}

#[test]
fn wrong_arguments_are_answered_with_the_usage() {
    let scene = Scene::new();
    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("sqlite", "to.db"));
    for (arguments, mistake) in [
        (&[][..], "two URLs are expected, and not 0"),
        (&[from.as_str()], "two URLs are expected, and not 1"),
        (&[&from, &from], "the same storage"),
        (&["--all", &from, &to], "--all is no option"),
        (&[&from, &to, "--to-key"], "--to-key is to be followed"),
        (&[&from, "memory:"], "memory: is gone"),
        (&["env:NOWHERE", &to], "NOWHERE is not set"),
    ] {
        let outcome = scene.migrate(arguments);
        assert_eq!(outcome.code, Some(2), "{mistake}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(mistake),
            "{mistake}: {}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains("Usage: migrate"));
    }
    let help = scene.migrates(&["--help"]);
    assert!(help.starts_with("Usage: migrate"));
    assert_eq!(fs::read_dir(scene.0.path()).unwrap().count(), 0);
}

#[test]
fn an_argument_that_is_no_text_is_a_wrong_one() {
    let scene = Scene::new();
    let url = OsStr::from_bytes(b"sqlite:///\xff.db");
    let output = scene.command(&["sqlite:a.db"]).arg(url).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn that_nobody_reads_the_last_words_is_no_failure() {
    let scene = Scene::new();
    add(&scene.sqlite("from.db"), 1);
    let (from, to) = (scene.url("sqlite", "from.db"), scene.url("sqlite", "to.db"));
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let status = scene.command(&[&from, &to]).stdout(writer).status();
    assert_eq!(status.unwrap().code(), Some(0));
    assert_eq!(count(&scene.sqlite("to.db")), 1);
}

#[test]
fn a_url_may_stand_in_a_variable() {
    let scene = Scene::new();
    add(&scene.sqlite("from.db"), 1);
    let to = scene.url("sqlite", "to.db");
    let output = scene
        .command(&["env:FROM_URL", &to])
        .env("FROM_URL", scene.url("sqlite", "from.db"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(count(&scene.sqlite("to.db")), 1);
}

#[test]
fn the_guide_names_options_that_there_are() {
    let help = Scene::new().migrates(&["--help"]);
    let guide = include_str!("../../src/guides/many_machines.md");
    let commands = guide.split("--example migrate -- ").skip(1);
    let words: Vec<_> = commands
        .flat_map(|rest| rest.lines().next().unwrap_or_default().split(['`', ' ']))
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(words.contains(&"--move") && words.contains(&"--to-key"));
    for option in words.iter().chain(&["--from-key", "env:NAME"]) {
        assert!(help.contains(option) && guide.contains(option), "{option}");
    }
}
