//! What encryption promises beside the contract of a storage, and what a storage says that overrides nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto_core::{
    Argon2Cost, EncryptedStorage, EncryptionKey, MemoryStorage, OwnerDigest, Record, Sealer,
    SessionId, SessionKey, SessionOwner, Storage, StorageError, StorageErrorKind, Version, migrate,
};

const ISSUER: &str = "https://foo.logto.app/oidc";
const DATA: &str = r#"{"refreshToken":"a-refresh-token"}"#;

#[test]
fn encrypted_record_shows_neither_data_nor_owner() {
    let (inner, storage, session) = fixture();
    let sealed = stored(&inner, &session);
    let bytes = URL_SAFE_NO_PAD.decode(sealed.data()).unwrap();
    for text in [sealed.data().as_bytes(), &bytes] {
        assert!(!text.windows(13).any(|part| part == b"refresh-token"));
    }
    assert_eq!(inner.find(&alice()).unwrap(), []);
    assert_ne!(sealed.owner(), Some(owner()));
    assert_eq!(storage.find(&alice()).unwrap(), [session]);
    assert_eq!(
        storage.load(&session).unwrap().unwrap().owner(),
        Some(owner())
    );
    let shown = format!("{storage:?} {sealed:?} {session:?}");
    for secret in [sealed.data(), &session.to_hex()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn encrypted_record_copied_to_another_session_stays_shut() {
    let (inner, storage, alice) = fixture();
    let mallory = SessionId::random().key();
    inner.save(&mallory, &stored(&inner, &alice), None).unwrap();
    assert_refused(&storage, &mallory, StorageErrorKind::Corrupt);
}

#[test]
fn encrypted_record_that_is_damaged_stays_shut_and_stays_what_it_is() {
    let (inner, storage, session) = fixture();
    let sealed = stored(&inner, &session);
    let whole = sealed.data();
    let changed = (0..whole.len()).map(|at| {
        let other = if &whole[at..=at] == "A" { "B" } else { "A" };
        [&whole[..at], other, &whole[at + 1..]].concat()
    });
    for text in changed {
        put(&inner, &session, &text);
        assert!(storage.load(&session).unwrap_err().is_permanent());
        let overwritten = storage.save(&session, &record(), None).unwrap_err();
        assert_eq!(overwritten.kind(), StorageErrorKind::Conflict);
        assert_eq!(stored(&inner, &session).data(), text);
    }
    for end in 0..whole.len() {
        put(&inner, &session, &whole[..end]);
        assert_refused(&storage, &session, StorageErrorKind::Corrupt);
    }
    for plain in ["", "plain", "a.b.c", ".", "{}"] {
        put(&inner, &session, plain);
        assert_refused(&storage, &session, StorageErrorKind::Corrupt);
    }
    storage.remove(&session).unwrap();
    assert_eq!(storage.load(&session).unwrap(), None);
}

#[test]
fn encrypted_record_of_another_key_is_told_and_not_overwritten() {
    let (inner, storage, session) = fixture();
    let before = stored(&inner, &session);
    let wrong = EncryptedStorage::new(inner.clone(), key(2));
    assert_refused(&wrong, &session, StorageErrorKind::WrongKey);
    let saved = wrong.save(&session, &Record::new(None, "{}"), None);
    assert_eq!(saved.unwrap_err().kind(), StorageErrorKind::Conflict);
    assert_eq!(stored(&inner, &session), before);
    assert_eq!(storage.load(&session).unwrap().unwrap().data(), DATA);
}

#[test]
fn encrypted_record_of_an_older_key_is_sealed_with_the_new_one_at_its_next_save() {
    let (inner, old, session) = fixture();
    let both = EncryptedStorage::new(inner.clone(), Sealer::new(key(2)).with_older_key(key(1)));
    let new = EncryptedStorage::new(inner.clone(), key(2));
    let before = stored(&inner, &session);
    let record = both.load(&session).unwrap().unwrap();
    assert_eq!(stored(&inner, &session), before, "a load writes nothing");
    assert_eq!(both.find(&alice()).unwrap(), [session]);
    assert_eq!(new.find(&alice()).unwrap(), []);

    let next = Record::new(record.owner(), "next");
    both.save(&session, &next, Some(record.version())).unwrap();
    assert_eq!(new.load(&session).unwrap(), Some(next));
    assert_eq!(new.find(&alice()).unwrap(), [session]);
    assert_eq!(both.find(&alice()).unwrap(), [session]);
    assert_eq!(old.find(&alice()).unwrap(), []);
    assert_refused(&old, &session, StorageErrorKind::WrongKey);
}

#[test]
fn encrypted_with_a_passphrase_finds_sessions_in_any_process() {
    let inner = MemoryStorage::new();
    let open = || EncryptedStorage::new(inner.clone(), passphrase());
    let mut sessions = [(); 2].map(|()| SessionId::random().key());
    // Each process has a salt of its own.
    for session in &sessions {
        open().save(session, &record(), None).unwrap();
    }
    sessions.sort();
    assert_eq!(open().find(&alice()).unwrap(), sessions);
    let both = Sealer::new(key(1)).with_older_key(passphrase());
    let both = EncryptedStorage::new(inner, both);
    assert_eq!(both.find(&alice()).unwrap(), sessions);
}

#[test]
fn unsupported_is_said_by_a_storage_that_overrides_nothing() {
    let boxed: Box<dyn Storage> = Box::new(Minimal(MemoryStorage::new()));
    let sealed = EncryptedStorage::new(Minimal(MemoryStorage::new()), key(1));
    for storage in [&*boxed, &boxed, &sealed] {
        let visited = storage.for_each(&mut |_| panic!("there is none"));
        for error in [visited.unwrap_err(), storage.find(&alice()).unwrap_err()] {
            assert_eq!(error.kind(), StorageErrorKind::Unsupported);
            assert!(!error.is_retryable());
        }
        let error = migrate(storage, &MemoryStorage::new()).run().unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unsupported);
        assert_eq!(storage.purge_expired().unwrap(), 0);
    }
}

fn alice() -> OwnerDigest {
    OwnerDigest::of_user(ISSUER, "alice")
}

fn owner() -> SessionOwner {
    SessionOwner::new(ISSUER, "alice", Some("1"))
}

fn record() -> Record {
    Record::new(Some(owner()), DATA)
}

fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes([byte; 32])
}

fn passphrase() -> EncryptionKey {
    let cost = Argon2Cost::new(64, 1, 1).unwrap();
    EncryptionKey::from_passphrase_with("secret", cost).unwrap()
}

/// Memory, encrypted, with a session of Alice's.
fn fixture() -> (MemoryStorage, EncryptedStorage, SessionKey) {
    let inner = MemoryStorage::new();
    let storage = EncryptedStorage::new(inner.clone(), key(1));
    let session = SessionId::random().key();
    storage.save(&session, &record(), None).unwrap();
    (inner, storage, session)
}

fn stored(inner: &MemoryStorage, session: &SessionKey) -> Record {
    inner.load(session).unwrap().unwrap()
}

fn put(inner: &MemoryStorage, session: &SessionKey, data: &str) {
    let there = stored(inner, session);
    let record = Record::stored(there.version(), there.owner(), data);
    inner.save(session, &record, Some(there.version())).unwrap();
}

#[track_caller]
fn assert_refused(storage: &EncryptedStorage, session: &SessionKey, kind: StorageErrorKind) {
    assert_eq!(storage.load(session).unwrap_err().kind(), kind);
}

/// A storage that overrides nothing.
#[derive(Debug)]
struct Minimal(MemoryStorage);

impl Storage for Minimal {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        self.0.load(session)
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        self.0.save(session, record, expected)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        self.0.remove(session)
    }
}
