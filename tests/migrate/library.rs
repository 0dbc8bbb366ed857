//! `logto::migrate` itself.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use logto::storage::{
    EncryptedStorage, EncryptionKey, MemoryStorage, Sealer, Storage, StorageError,
    StorageErrorKind, StorageLock, migrate,
};
use logto::{
    Logto, LogtoConfig, MigrationCounts, OwnerDigest, PersistKey, SessionId, SessionOwner,
};
use logto_testing::{FakeLogto, FakeUser, Faulty, StorageCall};

use crate::scene::{ISSUER, add, contents, get, owner, set};
use crate::wrapped::Wrapped;

use PersistKey::{IdToken, Owner, PendingRefreshToken, RefreshToken, SignInSession};

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
fn every_value_of_every_session_is_copied_and_the_old_store_stays() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    for n in 0..200 {
        add(&from, n);
    }
    set(&from, &SessionId::random(), SignInSession, "{}");
    from.default_session()
        .set(IdToken, Some("the only one"))
        .unwrap();
    let before = contents(&from);

    assert_eq!(run(&from, &to), counts(202, 202));
    assert_eq!(contents(&to), before);
    assert_eq!(contents(&from), before);
    let only = to.default_session().get(IdToken).unwrap();
    assert_eq!(only.as_deref(), Some("the only one"));
}

#[test]
fn an_empty_store_is_moved_at_once() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    assert_eq!(run(&from, &to), counts(0, 0));
}

#[test]
fn a_session_that_is_there_already_is_never_touched() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let (both, old) = (add(&from, 1), add(&from, 2));
    set(&to, &both, RefreshToken, "a newer one");
    let there = SessionId::random();
    set(&to, &there, IdToken, "of the new application");

    let mut expected = counts(2, 1);
    expected.already_there = 1;
    assert_eq!(run(&from, &to), expected);
    assert_eq!(
        get(&to, &both, RefreshToken).as_deref(),
        Some("a newer one")
    );
    assert_eq!(get(&to, &both, IdToken), None);
    assert_eq!(get(&to, &old, IdToken), get(&from, &old, IdToken));
    assert!(get(&to, &there, IdToken).is_some());

    let mut again = counts(2, 0);
    again.already_there = 2;
    assert_eq!(run(&from, &to), again);
}

#[test]
fn a_session_is_written_in_one_step() {
    let (from, to) = (MemoryStorage::new(), Faulty::new(MemoryStorage::new()));
    for n in 0..10 {
        add(&from, n);
    }
    run(&from, &to);
    assert_eq!(to.calls(StorageCall::Update), 10);
    assert_eq!(to.calls(StorageCall::Set), 0);
    assert_eq!(to.calls(StorageCall::Lock), 10);
}

#[test]
fn a_session_in_use_is_counted_and_copied_the_next_time() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let ids = [1, 2, 3].map(|n| add(&from, n));
    let [of_old, of_new] = [from.session(&ids[0]), to.session(&ids[1])];
    let held = [&of_old, &of_new].map(|session| session.lock(Duration::ZERO).unwrap());
    let migration = || migrate(&from, &to).lock_timeout(Duration::from_millis(5));
    let found = migration().run().unwrap();
    let mut expected = counts(3, 1);
    expected.busy = 2;
    assert_eq!(found, expected);
    assert!(!found.is_complete());
    drop(held);

    let mut again = counts(3, 2);
    again.already_there = 1;
    assert_eq!(migration().run().unwrap(), again);
    assert_eq!(contents(&to), contents(&from));
}

#[test]
fn a_session_that_cannot_be_read_is_counted_and_in_nobodys_way() {
    let inner = MemoryStorage::new();
    let (from, to) = (
        EncryptedStorage::new(inner.clone(), key(1)),
        MemoryStorage::new(),
    );
    let ids = [1, 2, 3, 4].map(|n| add(&from, n));
    set(&inner, &ids[0], IdToken, "no sealed box");
    let other = EncryptedStorage::new(inner.clone(), key(2));
    set(&other, &ids[1], IdToken, "sealed with another key");

    let found = run(&from, &to);
    let mut expected = counts(4, 2);
    expected.unreadable = 2;
    assert_eq!(found, expected);
    assert!(!found.is_complete());
    for id in &ids[..2] {
        assert_eq!(get(&to, id, RefreshToken), None);
        assert_eq!(get(&to, id, IdToken), None);
    }
    for id in &ids[2..] {
        assert_eq!(get(&to, id, IdToken), get(&from, id, IdToken));
    }
}

#[test]
fn what_the_new_store_cannot_read_is_not_called_there() {
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
fn any_other_error_ends_it_and_says_how_far_it_came() {
    let (from, to) = (MemoryStorage::new(), Faulty::new(MemoryStorage::new()));
    for n in 0..5 {
        add(&from, n);
    }
    to.fail(StorageCall::Update, 3, StorageErrorKind::Backend);
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
fn whoever_asks_is_told_of_the_total_and_of_each_session() {
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
fn what_was_moved_is_removed_from_the_old_store() {
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
fn what_is_not_the_same_in_both_stores_stays_in_both() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let (same, other) = (add(&from, 1), add(&from, 2));
    // As if it had been interrupted after the copies, and one user had come to the new application.
    run(&from, &to);
    set(&to, &other, RefreshToken, "a newer one");
    let mut expected = counts(2, 0);
    (expected.already_there, expected.removed) = (2, 1);
    assert_eq!(moved(&from, &to), expected);
    assert_eq!(get(&from, &same, IdToken), None);
    assert!(get(&to, &same, IdToken).is_some());
    assert!(get(&from, &other, IdToken).is_some());
    assert_eq!(
        get(&to, &other, RefreshToken).as_deref(),
        Some("a newer one")
    );
}

#[test]
fn what_changed_since_it_was_copied_is_not_removed() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let id = add(&from, 1);
    let from = Wrapped {
        inner: from,
        wrap: |session| Arc::new(MeddledSession(session)),
    };
    let found = moved(&from, &to);
    let mut expected = counts(1, 1);
    expected.not_removed = 1;
    assert_eq!(found, expected);
    assert!(!found.is_complete());
    assert_eq!(get(&from.inner, &id, IdToken).as_deref(), Some("meddled"));
    assert_eq!(get(&to, &id, IdToken).as_deref(), Some("ID token 1"));
}

#[test]
fn a_failed_removal_is_no_failed_copy() {
    let (from, to) = (Faulty::new(MemoryStorage::new()), MemoryStorage::new());
    add(from.inner(), 1);
    from.fail(StorageCall::Update, 1, StorageErrorKind::Busy);
    let found = moved(&from, &to);
    let mut expected = counts(1, 1);
    expected.not_removed = 1;
    assert_eq!(found, expected);
    assert!(!found.is_complete(), "it is live in both stores");
    let mut again = counts(1, 0);
    (again.already_there, again.removed) = (1, 1);
    assert_eq!(moved(&from, &to), again);

    add(from.inner(), 2);
    from.fail(StorageCall::Update, 1, StorageErrorKind::Backend);
    let error = migrate(&from, &to).remove_moved(true).run().unwrap_err();
    assert_eq!(*error.counts(), counts(1, 1));
}

#[test]
fn a_store_that_is_moved_into_itself_loses_nothing() {
    let store = MemoryStorage::new();
    for n in 0..3 {
        add(&store, n);
    }
    let before = contents(&store);
    let migration = migrate(&store, &store)
        .remove_moved(true)
        .lock_timeout(Duration::from_millis(1));
    let found = migration.run().unwrap();
    assert_eq!((found.busy, found.removed), (3, 0));
    assert_eq!(contents(&store), before);
}

#[test]
fn nothing_is_removed_from_a_store_without_locks() {
    let (inner, to) = (MemoryStorage::new(), MemoryStorage::new());
    add(&inner, 1);
    let from = Wrapped {
        inner: inner.clone(),
        wrap: |session| Arc::new(WithoutLock(session)),
    };
    let error = migrate(&from, &to).remove_moved(true).run().unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unsupported);
    assert_eq!(contents(&inner).len(), 1);
    assert_eq!(run(&from, &to), counts(1, 1));
}

#[test]
fn a_key_is_given_taken_and_changed() {
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
fn a_user_is_found_in_the_new_store() {
    let (from, inner) = (MemoryStorage::new(), MemoryStorage::new());
    let to = EncryptedStorage::new(inner, key(1));
    let id = SessionId::random();
    set(&from, &id, Owner, &owner("alice"));
    set(&from, &id, PendingRefreshToken, "{}");
    run(&from, &to);
    for digest in [
        OwnerDigest::of_user(ISSUER, "alice"),
        OwnerDigest::of_server_session(ISSUER, "1"),
    ] {
        let found = to.find(&digest).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].digest(), id.digest());
    }
    assert!(SessionOwner::of_value(&get(&to, &id, Owner).unwrap()).is_some());
}

#[test]
fn a_signed_in_user_goes_on_over_the_new_store() {
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

    let sign_in = |store: &MemoryStorage, id: &SessionId| {
        let url = logto
            .session(store, id)
            .sign_in("http://localhost:3000/callback");
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

/// A session to which somebody who holds no lock writes as soon as it has been read.
#[derive(Debug)]
struct MeddledSession(Arc<dyn Storage>);

impl Storage for MeddledSession {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let value = self.0.get(key)?;
        // The last one that is read.
        if key == PersistKey::ALL[PersistKey::ALL.len() - 1] {
            self.0.set(IdToken, Some("meddled"))?;
        }
        Ok(value)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.0.set(key, value)
    }

    fn update(&self, changes: &[logto::Change<'_>]) -> Result<(), StorageError> {
        self.0.update(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.0.lock(timeout)
    }
}

/// A session that cannot be locked.
#[derive(Debug)]
struct WithoutLock(Arc<dyn Storage>);

impl Storage for WithoutLock {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.0.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.0.set(key, value)
    }
}
