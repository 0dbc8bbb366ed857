//! `Faulty` fails as it is told. That it keeps the contract otherwise is in `contract_memory`.

use std::time::Duration;

use logto_core::{
    MemoryStorage, OwnerDigest, Record, SessionId, SessionKey, Storage, StorageErrorKind,
};
use logto_testing::{Faulty, StorageCall};

const SESSION: SessionKey = SessionKey::ONLY;

#[test]
fn faulty_fails_the_nth_call_once_and_changes_nothing() {
    let storage = Faulty::new(MemoryStorage::new());
    storage.fail(StorageCall::Save, 3, StorageErrorKind::Conflict);
    let mut stored: Option<Record> = None;
    for round in 1..=5 {
        let record = Record::new(None, round.to_string());
        let version = stored.as_ref().map(Record::version);
        let outcome = storage.save(&SESSION, &record, version);
        match round {
            3 => assert_eq!(outcome.unwrap_err().kind(), StorageErrorKind::Conflict),
            _ => {
                outcome.unwrap();
                stored = Some(record);
            }
        }
        assert_eq!(storage.load(&SESSION).unwrap(), stored);
    }
    assert_eq!(storage.calls(StorageCall::Save), 5);
    assert_eq!(storage.calls(StorageCall::Load), 5);
    assert_eq!(storage.calls(StorageCall::Any), 10);
}

#[test]
fn faulty_fails_each_kind_of_call() {
    let storage = Faulty::new(MemoryStorage::new());
    let record = Record::new(None, "");
    let owner = OwnerDigest::of_user("https://foo.logto.app/oidc", "alice");
    let new = || SessionId::random().key();
    let calls: [(StorageCall, &dyn Fn() -> bool); 8] = [
        (StorageCall::Load, &|| storage.load(&SESSION).is_err()),
        (StorageCall::Save, &|| {
            storage.save(&new(), &record, None).is_err()
        }),
        (StorageCall::Remove, &|| storage.remove(&SESSION).is_err()),
        (StorageCall::Replace, &|| {
            storage.replace(&new(), None, &new(), &record).is_err()
        }),
        (StorageCall::Lock, &|| {
            storage.lock(&SESSION, Duration::ZERO).is_err()
        }),
        (StorageCall::Purge, &|| storage.purge_expired().is_err()),
        (StorageCall::Find, &|| storage.find(&owner).is_err()),
        (StorageCall::ForEach, &|| {
            storage.for_each(&mut |_| Ok(())).is_err()
        }),
    ];
    for (told, _) in calls {
        storage.fail(told, 1, StorageErrorKind::Backend);
        for (call, fails) in calls {
            assert_eq!(fails(), call == told, "{call:?} when {told:?} is to fail");
        }
    }
    for (call, fails) in calls {
        storage.fail(StorageCall::Any, 1, StorageErrorKind::Backend);
        assert!(fails());
        assert_eq!(storage.calls(call), calls.len() + 1);
    }
}

#[test]
fn faulty_faults_add_up_and_can_be_taken_back() {
    let storage = Faulty::new(MemoryStorage::new());
    storage.fail(StorageCall::Load, 1, StorageErrorKind::Busy);
    storage.fail(StorageCall::Any, 2, StorageErrorKind::Corrupt);
    storage.fail(StorageCall::Load, 3, StorageErrorKind::Backend);
    let kind = || storage.load(&SESSION).unwrap_err().kind();
    assert_eq!(kind(), StorageErrorKind::Busy);
    assert_eq!(kind(), StorageErrorKind::Corrupt);
    storage.calm();
    assert_eq!(storage.load(&SESSION).unwrap(), None);
}

#[test]
fn faulty_clones_share_the_faults() {
    let storage = Faulty::new(MemoryStorage::new());
    storage.fail(StorageCall::Load, 2, StorageErrorKind::Backend);
    assert!(storage.clone().load(&SESSION).is_ok());
    assert!(storage.load(&SESSION).is_err());
    assert_eq!(storage.calls(StorageCall::Load), 2);
}
