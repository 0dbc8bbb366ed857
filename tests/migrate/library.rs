//! `logto::migrate` itself.

use std::error::Error as _;
use std::time::Duration;

use logto::storage::{
    EncryptedStorage, EncryptionKey, MemoryStorage, MigrationCounts, OwnerDigest, Record, Sealer,
    SessionId, SessionKey, Storage, StorageErrorKind, migrate,
};
use logto::{Logto, LogtoConfig};
use logto_testing::{FakeLogto, FakeUser, Faulty, StorageCall};

use crate::scene::{ISSUER, add, change, contents, data, load, owner, save};
use crate::support::hooked::Hooked;
use crate::with_defaults::WithDefaults;

fn run(from: &dyn Storage, to: &dyn Storage) -> MigrationCounts {
    migrate(from, to).run().unwrap()
}

fn moved(from: &dyn Storage, to: &dyn Storage) -> MigrationCounts {
    migrate(from, to).remove_moved(true).run().unwrap()
}

fn counts(visited: u64, copied: u64) -> MigrationCounts {
    let mut counts = MigrationCounts::default();
    (counts.visited, counts.copied) = (visited, copied);
    counts
}

fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes([byte; 32])
}

#[test]
fn migration_copies_every_record_and_the_old_storage_stays() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    for n in 0..200 {
        add(&from, n);
    }
    change(&from, &SessionKey::ONLY, "the only one");
    let before = contents(&from);

    assert_eq!(run(&from, &to), counts(201, 201));
    assert_eq!(contents(&to), before);
    assert_eq!(contents(&from), before);
}

#[test]
fn migration_of_an_empty_storage() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    assert_eq!(run(&from, &to), counts(0, 0));
}

#[test]
fn migration_never_touches_a_session_that_is_there_already() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let (both, old) = (add(&from, 1), add(&from, 2));
    change(&to, &both, "a newer one");
    let there = add(&to, 3);

    let mut expected = counts(2, 1);
    expected.already_there = 1;
    assert_eq!(run(&from, &to), expected);
    assert_eq!(data(&to, &both).as_deref(), Some("a newer one"));
    assert_eq!(load(&to, &old), load(&from, &old));
    assert!(load(&to, &there).is_some());

    let mut again = counts(2, 0);
    again.already_there = 2;
    assert_eq!(run(&from, &to), again);
}

#[test]
fn migration_writes_a_session_in_one_step() {
    let (from, to) = (MemoryStorage::new(), Faulty::new(MemoryStorage::new()));
    for n in 0..10 {
        add(&from, n);
    }
    run(&from, &to);
    assert_eq!(to.calls(StorageCall::Save), 10);
    assert_eq!(to.calls(StorageCall::Any), 10);
}

#[test]
fn migration_counts_a_locked_session_and_copies_it_the_next_time() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let keys = [1, 2, 3].map(|n| add(&from, n));
    let held = from.lock(&keys[0], Duration::ZERO).unwrap();
    let migration = || migrate(&from, &to).lock_timeout(Duration::from_millis(5));
    let found = migration().run().unwrap();
    let mut expected = counts(3, 2);
    expected.busy = 1;
    assert_eq!(found, expected);
    assert!(!found.is_complete());
    drop(held);

    let mut again = counts(3, 1);
    again.already_there = 2;
    assert_eq!(migration().run().unwrap(), again);
    assert_eq!(contents(&to), contents(&from));
}

#[test]
fn migration_counts_a_corrupt_session_and_copies_the_others() {
    let inner = MemoryStorage::new();
    let (from, to) = (
        EncryptedStorage::new(inner.clone(), key(1)),
        MemoryStorage::new(),
    );
    let keys = [1, 2, 3, 4].map(|n| add(&from, n));
    change(&inner, &keys[0], "no sealed box");
    inner.remove(&keys[1]).unwrap();
    let other = EncryptedStorage::new(inner.clone(), key(2));
    change(&other, &keys[1], "sealed with another key");

    let found = run(&from, &to);
    let mut expected = counts(4, 2);
    expected.unreadable = 2;
    assert_eq!(found, expected);
    assert!(!found.is_complete());
    for key in &keys[..2] {
        assert_eq!(load(&to, key), None);
    }
    for key in &keys[2..] {
        assert_eq!(load(&to, key), load(&from, key));
    }
}

#[test]
fn migration_counts_what_the_new_storage_cannot_read() {
    let (from, inner) = (MemoryStorage::new(), MemoryStorage::new());
    add(&from, 1);
    run(&from, &EncryptedStorage::new(inner.clone(), key(1)));
    let before = contents(&inner);
    let found = run(&from, &EncryptedStorage::new(inner.clone(), key(2)));
    let mut expected = counts(1, 0);
    expected.unreadable = 1;
    assert_eq!(found, expected);
    assert_eq!(contents(&inner), before);
}

#[test]
fn migration_ends_at_any_other_error_and_says_how_far_it_came() {
    let (from, to) = (MemoryStorage::new(), Faulty::new(MemoryStorage::new()));
    for n in 0..5 {
        add(&from, n);
    }
    to.fail(StorageCall::Save, 3, StorageErrorKind::Backend);
    let mut seen = Vec::new();
    let migration = migrate(&from, &to).progress(|counts| seen.push(counts.visited));
    let error = migration.run().unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Backend);
    assert_eq!(*error.counts(), counts(3, 2));
    let source = error.source().unwrap().to_string();
    assert_eq!(source, "the storage was told to fail");
    assert_eq!(seen, [0, 1, 2]);

    let mut rest = counts(5, 3);
    rest.already_there = 2;
    assert_eq!(run(&from, &to), rest);
    assert_eq!(contents(to.inner()), contents(&from));
}

#[test]
fn migration_reports_progress() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    for n in 0..3 {
        add(&from, n);
    }
    let mut seen = Vec::new();
    let counts = migrate(&from, &to)
        .count_first(true)
        .progress(|counts| seen.push((counts.total, counts.visited, counts.copied)))
        .run()
        .unwrap();
    assert_eq!(counts.total, Some(3));
    let expected = [0, 1, 2, 3].map(|n| (Some(3), n, n));
    assert_eq!(seen, expected);
}

#[test]
fn migration_removes_what_was_moved() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    for n in 0..20 {
        add(&from, n);
    }
    let before = contents(&from);
    let mut expected = counts(20, 20);
    expected.removed = 20;
    assert_eq!(moved(&from, &to), expected);
    assert_eq!(contents(&to), before);
    assert!(contents(&from).is_empty());
    assert_eq!(moved(&from, &to), counts(0, 0));
}

#[test]
fn migration_keeps_a_session_that_differs_in_both_storages() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let (same, other) = (add(&from, 1), add(&from, 2));
    // As if it had been interrupted after the copies, and one user had come to the new application.
    run(&from, &to);
    change(&to, &other, "a newer one");
    let mut expected = counts(2, 0);
    (expected.already_there, expected.removed) = (2, 1);
    assert_eq!(moved(&from, &to), expected);
    assert_eq!(load(&from, &same), None);
    assert!(load(&to, &same).is_some());
    assert!(load(&from, &other).is_some());
    assert_eq!(data(&to, &other).as_deref(), Some("a newer one"));
}

#[test]
fn migration_removes_what_an_interrupted_run_has_emptied() {
    let (from, to) = (Faulty::new(MemoryStorage::new()), MemoryStorage::new());
    let key = add(from.inner(), 1);
    let record = load(from.inner(), &key);
    from.fail(StorageCall::Remove, 1, StorageErrorKind::Backend);
    migrate(&from, &to).remove_moved(true).run().unwrap_err();
    assert_eq!(data(from.inner(), &key).as_deref(), Some("{}"));
    let mut expected = counts(1, 0);
    (expected.already_there, expected.removed) = (1, 1);
    assert_eq!(moved(&from, &to), expected);
    assert_eq!(load(from.inner(), &key), None);
    assert_eq!(load(&to, &key), record);
}

#[test]
fn migration_does_not_remove_what_changed_since_the_copy() {
    let (from, to) = (Hooked::default(), MemoryStorage::new());
    let key = add(&from, 1);
    let before = load(&from, &key);
    from.interfere(1, move |storage| change(storage, &key, "meddled"));
    let found = moved(&from, &to);
    let mut expected = counts(1, 1);
    expected.not_removed = 1;
    assert_eq!(found, expected);
    assert!(!found.is_complete());
    assert_eq!(data(&from, &key).as_deref(), Some("meddled"));
    assert_eq!(load(&to, &key), before);
}

#[test]
fn migration_counts_a_failed_removal() {
    let (from, to) = (Faulty::new(MemoryStorage::new()), MemoryStorage::new());
    add(from.inner(), 1);
    from.fail(StorageCall::Save, 1, StorageErrorKind::Busy);
    let found = moved(&from, &to);
    let mut expected = counts(1, 1);
    expected.not_removed = 1;
    assert_eq!(found, expected);
    assert!(!found.is_complete(), "it is live in both stores");
    let mut again = counts(1, 0);
    (again.already_there, again.removed) = (1, 1);
    assert_eq!(moved(&from, &to), again);

    add(from.inner(), 2);
    from.fail(StorageCall::Save, 1, StorageErrorKind::Backend);
    let error = migrate(&from, &to).remove_moved(true).run().unwrap_err();
    assert_eq!(*error.counts(), counts(1, 1));
}

#[test]
fn migration_of_a_storage_into_itself_loses_nothing() {
    let storage = MemoryStorage::new();
    for n in 0..3 {
        add(&storage, n);
    }
    let before = contents(&storage);
    let migration = migrate(&storage, &storage)
        .remove_moved(true)
        .lock_timeout(Duration::from_millis(1));
    let found = migration.run().unwrap();
    assert_eq!((found.busy, found.removed), (3, 0));
    assert_eq!(contents(&storage), before);
}

#[test]
fn migration_into_itself_without_locks_loses_nothing() {
    // The lock that the trait provides excludes nobody.
    let storage = WithDefaults(MemoryStorage::new());
    add(&storage, 1);
    let before = contents(&storage);
    let found = moved(&storage, &storage);
    assert_eq!((found.not_removed, found.removed), (1, 0));
    assert_eq!(contents(&storage), before);
}

#[test]
fn migration_adds_removes_and_changes_encryption() {
    let [plain, one, two, opened] = [(); 4].map(|()| MemoryStorage::new());
    for n in 0..30 {
        add(&plain, n);
    }
    let before = contents(&plain);
    let sealed_one = EncryptedStorage::new(one.clone(), key(1));
    let sealed_two = EncryptedStorage::new(two.clone(), Sealer::from(key(2)));
    run(&plain, &sealed_one);
    run(&sealed_one, &sealed_two);
    run(&sealed_two, &opened);
    assert_eq!(contents(&opened), before);
    let text = format!("{:?}{:?}", contents(&one), contents(&two));
    assert!(!text.contains("ID token"));
}

#[test]
fn migration_keeps_the_owner() {
    let (from, inner) = (MemoryStorage::new(), MemoryStorage::new());
    let to = EncryptedStorage::new(inner, key(1));
    let session = SessionId::random().key();
    save(&from, &session, Record::new(Some(owner("alice")), "{}"));
    run(&from, &to);
    for digest in [
        OwnerDigest::of_user(ISSUER, "alice"),
        OwnerDigest::of_server_session(ISSUER, "1"),
    ] {
        assert_eq!(to.find(&digest).unwrap(), [session]);
    }
}

#[test]
fn migration_keeps_users_signed_in() {
    const RESOURCE: &str = "https://api.example.com";
    let fake = FakeLogto::builder()
        .user(FakeUser::new("alice"))
        .resource(RESOURCE, ["read:items"])
        .start();
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
        .app_secret(fake.app_secret())
        .resources([RESOURCE]);
    let logto = Logto::builder(config).clock(fake.clock()).build().unwrap();
    let (old, new) = (MemoryStorage::new(), MemoryStorage::new());

    let sign_in = |storage: &MemoryStorage, id: &SessionId| {
        let client = logto.session(storage, id);
        let url = client.sign_in("http://localhost:3000/callback");
        fake.authorize(&url.unwrap())
    };
    let planted = SessionId::random();
    let callback = sign_in(&old, &planted);
    let (id, _) = logto.finish_sign_in(&old, &planted, &callback).unwrap();
    let under_way = SessionId::random();
    let callback = sign_in(&old, &under_way);
    let token = logto.session(&old, &id).access_token(RESOURCE).unwrap();

    let mut expected = counts(2, 2);
    expected.removed = 2;
    assert_eq!(moved(&old, &new), expected);
    let client = logto.session(&new, &id);
    assert_eq!(client.id_token_claims().unwrap().sub, "alice");
    assert_eq!(client.access_token(RESOURCE).unwrap(), token);
    // A sign-in that was begun over the old store is finished over the new one.
    logto.finish_sign_in(&new, &under_way, &callback).unwrap();
    for _ in 0..2 {
        fake.clock().advance(Duration::from_secs(3600));
        assert_ne!(client.access_token(RESOURCE).unwrap(), token);
    }
    // Over the old one the user is signed out, and no used refresh token is shown to the server.
    let over_the_old = logto.session(&old, &id);
    assert_eq!(over_the_old.access_token(RESOURCE).unwrap(), None);
    fake.clock().advance(Duration::from_secs(3600));
    client.access_token(RESOURCE).unwrap();
}
