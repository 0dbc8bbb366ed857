//! Encrypted storages around memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_core::PersistKey::{AccessTokenMap, IdToken, RefreshToken};
use logto_core::{
    Change, Clock, EncryptedStorage, EncryptedStore, EncryptionKey, MemoryStorage, MemoryStore,
    PersistKey, Sealer, SessionId, SessionStore, Storage, StorageError, StorageErrorKind,
    StorageLock,
};

const TOKEN: &str = "eyJhbGciOiJFUzM4NCJ9.a-refresh-token";

#[test]
fn every_value_comes_back_and_none_is_stored_in_the_clear() {
    let (inner, store, id) = fixture();
    let large = "ü€😀\0\n\"".repeat(1 << 16);
    for value in ["", "a", TOKEN, &large] {
        for key in PersistKey::ALL {
            store.session(&id).set(key, Some(value)).unwrap();
            assert!(store.session(&id).get(key).unwrap().as_deref() == Some(value));
            let stored = inner.session(&id).get(key).unwrap().unwrap();
            assert!(value.len() < 4 || !shows(&stored, value), "{key}");
            assert_eq!(stored.len(), ((value.len() + 86) * 4).div_ceil(3));
        }
    }
    store.session(&id).set(IdToken, None).unwrap();
    assert_eq!(store.session(&id).get(IdToken).unwrap(), None);
    assert_eq!(inner.session(&id).get(IdToken).unwrap(), None);
}

#[test]
fn an_update_reaches_the_inner_storage_as_one() {
    let inner = Counting::default();
    let storage = EncryptedStorage::new(inner.clone(), key(1));
    storage.set(IdToken, Some("old")).unwrap();
    let changes = [
        Change::set(RefreshToken, "first"),
        Change::set(RefreshToken, TOKEN),
        Change::remove(IdToken),
    ];
    storage.update(&changes).unwrap();
    assert_eq!(storage.get(RefreshToken).unwrap().as_deref(), Some(TOKEN));
    assert_eq!(storage.get(IdToken).unwrap(), None);
    assert_eq!(inner.updates.load(Ordering::SeqCst), 1);
}

#[test]
fn a_value_copied_into_another_session_stays_shut() {
    let (inner, store, alice) = fixture();
    let mallory = SessionId::random();
    store
        .session(&mallory)
        .set(RefreshToken, Some("mine"))
        .unwrap();
    copy(&inner, (&alice, RefreshToken), (&mallory, RefreshToken));
    assert_refused(&store, &mallory, RefreshToken, StorageErrorKind::Corrupt);

    copy(&inner, (&alice, RefreshToken), (&alice, IdToken));
    assert_refused(&store, &alice, IdToken, StorageErrorKind::Corrupt);

    inner.rename(&alice, &mallory).unwrap();
    assert_refused(&store, &mallory, RefreshToken, StorageErrorKind::Corrupt);
}

#[test]
fn a_changed_value_stays_shut_and_stays_what_it_is() {
    let (inner, store, id) = fixture();
    let whole = stored(&inner, &id);
    for at in 0..whole.len() {
        let other = if &whole[at..=at] == "A" { "B" } else { "A" };
        let changed = [&whole[..at], other, &whole[at + 1..]].concat();
        inner
            .session(&id)
            .set(RefreshToken, Some(&changed))
            .unwrap();
        let error = store.session(&id).get(RefreshToken).unwrap_err();
        assert!(!error.is_retryable(), "{at}: {error}");
        assert_eq!(stored(&inner, &id), changed);
    }
    for end in 0..whole.len() {
        let cut = &whole[..end];
        inner.session(&id).set(RefreshToken, Some(cut)).unwrap();
        assert_refused(&store, &id, RefreshToken, StorageErrorKind::Corrupt);
    }
}

#[test]
fn a_plain_value_is_refused() {
    let (inner, store, id) = fixture();
    for plain in ["", "plain", TOKEN, "a.b.c", ".", "{}"] {
        inner.session(&id).set(RefreshToken, Some(plain)).unwrap();
        assert_refused(&store, &id, RefreshToken, StorageErrorKind::Corrupt);
    }
    store.session(&id).set(RefreshToken, Some("new")).unwrap();
    assert_value(&store, &id, Some("new"));
}

#[test]
fn another_key_is_told_and_destroys_nothing() {
    let (inner, store, id) = fixture();
    let before = stored(&inner, &id);
    let wrong = EncryptedStore::new(inner.clone(), key(2));
    assert_refused(&wrong, &id, RefreshToken, StorageErrorKind::WrongKey);
    let renamed = wrong.rename(&id, &SessionId::random()).unwrap_err();
    assert_eq!(renamed.kind(), StorageErrorKind::WrongKey);
    assert_eq!(stored(&inner, &id), before);
    assert_value(&store, &id, Some(TOKEN));
}

#[test]
fn a_key_is_replaced_at_the_next_write() {
    let (inner, old, id) = fixture();
    let both = EncryptedStore::new(inner.clone(), Sealer::new(key(2)).with_older_key(key(1)));
    let new = EncryptedStore::new(inner.clone(), key(2));

    let before = stored(&inner, &id);
    assert_value(&both, &id, Some(TOKEN));
    assert_eq!(stored(&inner, &id), before, "a read writes nothing");

    both.session(&id).set(RefreshToken, Some("next")).unwrap();
    assert_value(&new, &id, Some("next"));
    assert_refused(&old, &id, RefreshToken, StorageErrorKind::WrongKey);

    let older = SessionId::random();
    old.session(&older).set(RefreshToken, Some(TOKEN)).unwrap();
    let renamed = SessionId::random();
    both.rename(&older, &renamed).unwrap();
    assert_value(&new, &renamed, Some(TOKEN));
}

#[test]
fn a_renamed_session_is_under_its_new_id_only() {
    let (inner, store, from) = fixture();
    let to = SessionId::random();
    store
        .session(&from)
        .set(AccessTokenMap, Some("{}"))
        .unwrap();
    store.session(&to).set(IdToken, Some("gone")).unwrap();
    store.rename(&from, &to).unwrap();
    assert_value(&store, &from, None);
    assert_value(&store, &to, Some(TOKEN));
    let to_session = store.session(&to);
    assert_eq!(
        to_session.get(AccessTokenMap).unwrap().as_deref(),
        Some("{}")
    );
    assert_eq!(to_session.get(IdToken).unwrap(), None);
    assert!(!stored(&inner, &to).contains('.'), "one box is left");

    store.rename(&to, &to).unwrap();
    assert_value(&store, &to, Some(TOKEN));
    store.rename(&from, &to).unwrap();
    assert_value(&store, &to, Some(TOKEN));
}

#[test]
fn a_rename_under_the_lock_of_the_session_does_not_wait() {
    let (_, store, from) = fixture();
    let to = SessionId::random();
    let session = store.session(&from);
    let held = session.lock(Duration::ZERO).unwrap();
    assert!(held.is_exclusive());
    assert!(store.session(&from).lock(Duration::ZERO).is_err());
    store.rename(&from, &to).unwrap();
    drop(held);
    assert_value(&store, &to, Some(TOKEN));
}

#[test]
fn a_rename_that_stops_anywhere_loses_nothing() {
    for steps in 0.. {
        let (inner, _, from) = fixture();
        let to = SessionId::random();
        let failing = Failing {
            inner: inner.clone(),
            writes_left: Arc::new(AtomicUsize::new(steps)),
        };
        let renamed = EncryptedStore::new(failing, key(1)).rename(&from, &to);
        let store = EncryptedStore::new(inner.clone(), key(1));
        let (there, gone) = match renamed {
            Ok(()) => (&to, &from),
            Err(_) => (&from, &to),
        };
        assert_value(&store, there, Some(TOKEN));
        assert_value(&store, gone, None);

        let next = SessionId::random();
        store.rename(there, &next).unwrap();
        assert_value(&store, &next, Some(TOKEN));
        assert!(!stored(&inner, &next).contains('.'));
        if steps == 3 {
            break;
        }
    }
}

#[test]
fn one_storage_is_the_default_session_of_a_store() {
    let inner = MemoryStore::new();
    let store = EncryptedStore::new(inner.clone(), key(1));
    let storage = EncryptedStorage::new(inner.default_session(), key(1));
    store.default_session().set(IdToken, Some(TOKEN)).unwrap();
    assert_eq!(storage.get(IdToken).unwrap().as_deref(), Some(TOKEN));
}

#[test]
fn removing_and_purging_are_the_inner_store_s() {
    let clock = Hours::default();
    let inner = MemoryStore::builder().clock(clock.clone());
    let inner = inner.idle_lifetime(Duration::from_secs(3600)).build();
    let store = EncryptedStore::new(inner, key(1));
    store
        .session(&SessionId::random())
        .set(IdToken, Some("a"))
        .unwrap();
    assert_eq!(store.purge_expired().unwrap(), 0);
    clock.0.store(2, Ordering::SeqCst);
    assert_eq!(store.purge_expired().unwrap(), 1);
    let (inner, store, id) = fixture();
    store.remove(&id).unwrap();
    assert_eq!(inner.session(&id).get(RefreshToken).unwrap(), None);
}

#[test]
fn many_threads_count_under_the_lock() {
    let (_, store, id) = fixture();
    let session = store.session(&id);
    session.set(IdToken, Some("0")).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let _lock = session.lock(Duration::from_secs(60)).unwrap();
                    let count: u32 = session.get(IdToken).unwrap().unwrap().parse().unwrap();
                    session
                        .set(IdToken, Some(&(count + 1).to_string()))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(session.get(IdToken).unwrap().as_deref(), Some("400"));
}

#[test]
fn debug_shows_no_value_and_no_id() {
    let (inner, store, id) = fixture();
    let storage = EncryptedStorage::new(MemoryStorage::new(), key(1));
    let shown = format!("{store:?} {:?} {storage:?}", store.session(&id));
    for secret in [TOKEN, id.expose(), &stored(&inner, &id), &id.digest_hex()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Memory, encrypted, with a session that has a refresh token.
fn fixture() -> (MemoryStore, EncryptedStore, SessionId) {
    let inner = MemoryStore::new();
    let store = EncryptedStore::new(inner.clone(), key(1));
    let id = SessionId::random();
    store.session(&id).set(RefreshToken, Some(TOKEN)).unwrap();
    (inner, store, id)
}

fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes([byte; 32])
}

fn stored(inner: &MemoryStore, id: &SessionId) -> String {
    inner.session(id).get(RefreshToken).unwrap().unwrap()
}

/// Whether a stored text has the value in it, as it is or in base64.
fn shows(stored: &str, value: &str) -> bool {
    let decoded = URL_SAFE_NO_PAD.decode(stored).unwrap();
    let found = |text: &[u8]| {
        text.windows(value.len())
            .any(|part| part == value.as_bytes())
    };
    found(stored.as_bytes()) || found(&decoded)
}

fn copy(inner: &MemoryStore, from: (&SessionId, PersistKey), to: (&SessionId, PersistKey)) {
    let value = inner.session(from.0).get(from.1).unwrap();
    inner.session(to.0).set(to.1, value.as_deref()).unwrap();
}

#[track_caller]
fn assert_value(store: &EncryptedStore, id: &SessionId, value: Option<&str>) {
    let found = store.session(id).get(RefreshToken).unwrap();
    assert_eq!(found.as_deref(), value);
}

#[track_caller]
fn assert_refused(store: &EncryptedStore, id: &SessionId, key: PersistKey, kind: StorageErrorKind) {
    assert_eq!(store.session(id).get(key).unwrap_err().kind(), kind);
}

/// A clock that is set to the hour.
#[derive(Debug, Clone, Default)]
struct Hours(Arc<AtomicU64>);

impl Clock for Hours {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(3600 * self.0.load(Ordering::SeqCst))
    }
}

/// Counts the updates that it gets.
#[derive(Debug, Clone, Default)]
struct Counting {
    inner: MemoryStorage,
    updates: Arc<AtomicUsize>,
}

impl Storage for Counting {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.inner.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.inner.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.updates.fetch_add(1, Ordering::SeqCst);
        self.inner.update(changes)
    }
}

/// Writes so many times, and then fails.
#[derive(Debug, Clone)]
struct Failing {
    inner: MemoryStore,
    writes_left: Arc<AtomicUsize>,
}

impl Failing {
    fn write(&self) -> Result<(), StorageError> {
        let left = |left: usize| left.checked_sub(1);
        self.writes_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
            .map(drop)
            .map_err(|_| StorageError::new(StorageErrorKind::Backend, "the disk is full"))
    }
}

impl SessionStore for Failing {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        Arc::new(FailingSession {
            store: self.clone(),
            inner: self.inner.session(id),
        })
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        self.write()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.write()?;
        self.inner.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.inner.purge_expired()
    }
}

#[derive(Debug)]
struct FailingSession {
    store: Failing,
    inner: Arc<dyn Storage>,
}

impl Storage for FailingSession {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.inner.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.store.write()?;
        self.inner.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.store.write()?;
        self.inner.update(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.inner.lock(timeout)
    }
}
