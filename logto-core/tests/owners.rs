//! How sessions are found by their user: what the contract of the storages does not see.

use std::sync::{Arc, Mutex};

use logto_core::PersistKey::{IdToken, Owner, RefreshToken};
use logto_core::{
    Argon2Cost, Change, EncryptedStore, EncryptionKey, MemoryStore, OwnerDigest, PersistKey,
    Sealer, SessionId, SessionOwner, SessionStore, Storage, StorageError, StorageErrorKind,
    migrate,
};

const ISSUER: &str = "https://foo.logto.app/oidc";

#[test]
fn a_store_without_an_index_says_so() {
    let error = Plain.sessions_of(&alice()).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unsupported);
    assert!(!error.is_retryable());
    let boxed: Box<dyn SessionStore> = Box::new(Plain);
    assert!(
        EncryptedStore::new(boxed, key(1))
            .sessions_of(&alice())
            .is_err()
    );
}

#[test]
fn a_store_that_lists_no_sessions_says_so() {
    let boxed: Box<dyn SessionStore> = Box::new(Plain);
    let sealed = EncryptedStore::new(Plain, key(1));
    for store in [&*boxed, &boxed, &sealed] {
        let visited = store.for_each_session(&mut |_| panic!("there is none"));
        assert_eq!(visited.unwrap_err().kind(), StorageErrorKind::Unsupported);
        let by_digest = store.session_by_digest(&[1; 32]);
        assert_eq!(by_digest.unwrap_err().kind(), StorageErrorKind::Unsupported);
        let error = migrate(store, &MemoryStore::new()).run().unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unsupported);
    }
    let store = MemoryStore::new();
    sign_in(&store, &SessionId::random());
    let error = migrate(&store, &Plain).run().unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unsupported);
}

#[test]
fn pointers_to_a_store_find_what_it_finds() {
    let store = MemoryStore::new();
    sign_in(&store, &SessionId::random());
    let found = |store: &dyn SessionStore| store.sessions_of(&alice()).unwrap().len();
    assert_eq!(found(&&store), 1);
    assert_eq!(found(&Arc::new(store.clone())), 1);
    let visited = |store: &dyn SessionStore| {
        let mut digests = Vec::new();
        let visited = store.for_each_session(&mut |found| {
            digests.push(found.digest());
            Ok(())
        });
        visited.unwrap();
        let session = store.session_by_digest(&digests[0]).unwrap();
        session.get(IdToken).unwrap().is_some()
    };
    assert!(visited(&&store));
    assert!(visited(&Arc::new(store.clone())));
    let boxed: Box<dyn SessionStore> = Box::new(store);
    assert_eq!(found(&boxed), 1);
    assert!(visited(&boxed));
}

#[test]
fn change_by_change_the_owner_comes_first_and_goes_last() {
    let storage = Steps::default();
    let owner = owner();
    let signed_in = [
        Change::remove(PersistKey::PendingRefreshToken),
        Change::set(IdToken, "i"),
        Change::set(RefreshToken, "r"),
        Change::set(Owner, &owner),
    ];
    storage.update(&signed_in).unwrap();
    storage
        .update(&signed_in.map(|change| Change::remove(change.key)))
        .unwrap();
    let steps = storage.0.into_inner().unwrap();
    assert_eq!(steps.first(), Some(&(Owner, true)));
    assert_eq!(steps[1], (RefreshToken, true));
    assert_eq!(steps[6], (RefreshToken, false));
    assert_eq!(steps.last(), Some(&(Owner, false)));
}

#[test]
fn the_inner_store_sees_neither_the_user_nor_a_digest_to_try_guesses_on() {
    let inner = MemoryStore::new();
    let store = EncryptedStore::new(inner.clone(), key(1));
    let id = SessionId::random();
    sign_in(&store, &id);
    assert_eq!(found(&store), [id.digest()]);
    assert_eq!(inner.sessions_of(&alice()).unwrap().len(), 0);
    let stored = inner.session(&id).get(Owner).unwrap().unwrap();
    assert!(!stored.contains(&alice().to_string()), "{stored}");
    assert_eq!(store.session(&id).get(Owner).unwrap(), Some(owner()));
}

#[test]
fn what_an_older_key_wrote_is_found_once_before_and_after_it_is_written_anew() {
    let inner = MemoryStore::new();
    let old = EncryptedStore::new(inner.clone(), key(1));
    let both = EncryptedStore::new(inner.clone(), Sealer::new(key(2)).with_older_key(key(1)));
    let new = EncryptedStore::new(inner, key(2));
    let id = SessionId::random();
    sign_in(&old, &id);
    assert_eq!(found(&both), [id.digest()]);
    assert_eq!(found(&new), [[0; 32]; 0]);

    let renamed = SessionId::random();
    both.rename(&id, &renamed).unwrap();
    assert_eq!(found(&both), [renamed.digest()]);
    assert_eq!(found(&new), [renamed.digest()]);
    assert_eq!(found(&old), [[0; 32]; 0]);
}

#[test]
fn a_session_is_found_with_a_passphrase_in_any_process() {
    let inner = MemoryStore::new();
    let open = || EncryptedStore::new(inner.clone(), passphrase());
    let ids = [(); 2].map(|()| SessionId::random());
    // Each has a salt of its own.
    ids.iter().for_each(|id| sign_in(&open(), id));
    let mut expected = ids.map(|id| id.digest());
    expected.sort();
    assert_eq!(found(&open()), expected);
    let both = Sealer::new(key(1)).with_older_key(passphrase());
    assert_eq!(found(&EncryptedStore::new(inner, both)), expected);
}

#[test]
fn what_is_found_opens_under_the_key() {
    let store = EncryptedStore::new(MemoryStore::new(), key(1));
    sign_in(&store, &SessionId::random());
    let session = store.sessions_of(&alice()).unwrap().remove(0);
    let value = session.storage().get(IdToken).unwrap();
    assert_eq!(value.as_deref(), Some("i"));
    session.storage().set(Owner, None).unwrap();
    assert_eq!(found(&store), [[0; 32]; 0]);
    let shown = format!("{session:?}");
    assert!(
        !shown.contains(&format!("{:?}", session.digest())),
        "{shown}"
    );
}

fn alice() -> OwnerDigest {
    OwnerDigest::of_user(ISSUER, "alice")
}

fn owner() -> String {
    SessionOwner::of(ISSUER, "alice", Some("1")).to_string()
}

fn sign_in(store: &dyn SessionStore, id: &SessionId) {
    let owner = owner();
    let changes = [Change::set(IdToken, "i"), Change::set(Owner, &owner)];
    store.session(id).update(&changes).unwrap();
}

fn found(store: &dyn SessionStore) -> Vec<[u8; 32]> {
    let found = store.sessions_of(&alice()).unwrap();
    found.iter().map(|session| session.digest()).collect()
}

fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes([byte; 32])
}

fn passphrase() -> EncryptionKey {
    let cost = Argon2Cost::new(64, 1, 1).unwrap();
    EncryptionKey::from_passphrase_with("secret", cost).unwrap()
}

/// A store that overrides nothing.
#[derive(Debug)]
struct Plain;

impl SessionStore for Plain {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        MemoryStore::new().session(id)
    }

    fn rename(&self, _: &SessionId, _: &SessionId) -> Result<(), StorageError> {
        Ok(())
    }

    fn remove(&self, _: &SessionId) -> Result<(), StorageError> {
        Ok(())
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        Ok(0)
    }
}

/// Writes down what is set and removed.
#[derive(Debug, Default)]
struct Steps(Mutex<Vec<(PersistKey, bool)>>);

impl Storage for Steps {
    fn get(&self, _: PersistKey) -> Result<Option<String>, StorageError> {
        Ok(None)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.0.lock().unwrap().push((key, value.is_some()));
        Ok(())
    }
}
