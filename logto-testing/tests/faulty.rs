//! `Faulty` fails as it is told, and keeps the contract otherwise.

use std::time::Duration;

use logto_core::PersistKey::IdToken;
use logto_core::{
    Change, MemoryStorage, MemoryStore, OwnerDigest, SessionId, SessionStore, Storage,
    StorageErrorKind,
};
use logto_testing::{Faulty, StorageCall};

logto_testing::storage_contract!(|| Faulty::new(MemoryStorage::new()));

mod store {
    use logto_testing::TestClock;
    use logto_testing::contract::Fixture;

    use super::*;

    struct AroundMemory;

    impl Fixture for AroundMemory {
        const PERSISTENT: bool = false;

        fn new() -> Self {
            Self
        }

        fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
            let builder = MemoryStore::builder().idle_lifetime(idle_lifetime);
            Box::new(Faulty::new(builder.clock(clock).build()))
        }
    }

    logto_testing::session_store_contract!(AroundMemory);
}

#[test]
fn the_nth_call_fails_once_and_changes_nothing() {
    let storage = Faulty::new(MemoryStorage::new());
    storage.fail(StorageCall::Set, 3, StorageErrorKind::Busy);
    for round in 1..=5 {
        let outcome = storage.set(IdToken, Some(&round.to_string()));
        let kind = outcome.map_err(|error| error.kind());
        let (expected, stored) = match round {
            3 => (Err(StorageErrorKind::Busy), 2),
            _ => (Ok(()), round),
        };
        assert_eq!(kind, expected);
        let found = storage.get(IdToken).unwrap();
        assert_eq!(found, Some(stored.to_string()));
    }
    assert_eq!(storage.calls(StorageCall::Set), 5);
    assert_eq!(storage.calls(StorageCall::Get), 5);
    assert_eq!(storage.calls(StorageCall::Any), 10);
}

#[test]
fn each_kind_of_call_fails() {
    let store = Faulty::new(MemoryStore::new());
    let id = SessionId::random();
    let session = store.session(&id);
    let owner = OwnerDigest::of_user("https://foo.logto.app/oidc", "alice");
    type Calls<'a> = [(StorageCall, &'a dyn Fn() -> bool); 11];
    let calls: Calls<'_> = [
        (StorageCall::Get, &|| session.get(IdToken).is_err()),
        (StorageCall::Set, &|| session.set(IdToken, None).is_err()),
        (StorageCall::Update, &|| {
            session.update(&[Change::remove(IdToken)]).is_err()
        }),
        (StorageCall::UpdateUnsynced, &|| {
            session.update_unsynced(&[Change::remove(IdToken)]).is_err()
        }),
        (StorageCall::Replace, &|| {
            store.replace(&id, &id, &[]).is_err()
        }),
        (StorageCall::Lock, &|| session.lock(Duration::ZERO).is_err()),
        (StorageCall::Rename, &|| store.rename(&id, &id).is_err()),
        (StorageCall::Remove, &|| store.remove(&id).is_err()),
        (StorageCall::Purge, &|| store.purge_expired().is_err()),
        (StorageCall::SessionsOf, &|| {
            store.sessions_of(&owner).is_err()
        }),
        (StorageCall::ForEachSession, &|| {
            store.for_each_session(&mut |_| Ok(())).is_err()
        }),
    ];
    for (told, _) in calls {
        store.fail(told, 1, StorageErrorKind::Backend);
        for (call, fails) in calls {
            assert_eq!(fails(), call == told, "{call:?} when {told:?} is to fail");
        }
    }
    for (call, fails) in calls {
        store.fail(StorageCall::Any, 1, StorageErrorKind::Backend);
        assert!(fails());
        assert_eq!(store.calls(call), 11 + 1);
    }
}

#[test]
fn faults_add_up_and_can_be_taken_back() {
    let storage = Faulty::new(MemoryStorage::new());
    storage.fail(StorageCall::Get, 1, StorageErrorKind::Busy);
    storage.fail(StorageCall::Any, 2, StorageErrorKind::Corrupt);
    storage.fail(StorageCall::Get, 3, StorageErrorKind::Backend);
    let kind = || storage.get(IdToken).unwrap_err().kind();
    assert_eq!(kind(), StorageErrorKind::Busy);
    assert_eq!(kind(), StorageErrorKind::Corrupt);
    storage.calm();
    assert_eq!(storage.get(IdToken).unwrap(), None);
}

#[test]
fn sessions_and_clones_share_the_faults() {
    let store = Faulty::new(MemoryStore::new());
    let session = store.session(&SessionId::random());
    store.fail(StorageCall::Get, 2, StorageErrorKind::Backend);
    assert!(store.clone().default_session().get(IdToken).is_ok());
    assert!(session.get(IdToken).is_err());
    assert_eq!(store.calls(StorageCall::Get), 2);
}

#[test]
fn sessions_that_are_visited_or_named_by_a_digest_share_the_faults() {
    let store = Faulty::new(MemoryStore::new());
    let id = SessionId::random();
    store.session(&id).set(IdToken, Some("i")).unwrap();
    store.fail(StorageCall::Get, 1, StorageErrorKind::Backend);
    let visited = store.for_each_session(&mut |found| found.storage().get(IdToken).map(drop));
    assert_eq!(visited.unwrap_err().kind(), StorageErrorKind::Backend);
    let session = store.session_by_digest(&id.digest()).unwrap();
    assert!(session.get(IdToken).unwrap().is_some());
    assert_eq!(store.calls(StorageCall::Get), 2);
}
