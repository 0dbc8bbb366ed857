//! Files in which what the tables hold of sessions is damaged.

use logto_core::PersistKey::Owner;
use logto_core::PersistKey::{AccessTokenMap, IdToken};
use logto_core::{Change, SessionId, SessionOwner, SessionStore as _, StorageErrorKind};

use crate::fixture::{Fixture, LIFETIME, assert_value, count};

#[test]
fn a_number_that_cannot_be_is_an_error() {
    for number in [i64::MAX, i64::MIN, 1 << 58] {
        let fixture = Fixture::new();
        let session = fixture.store.session(&SessionId::random());
        let changes = [Change::set(IdToken, "a")];
        session.update(&changes).unwrap();
        let raw = fixture.raw();
        raw.execute("UPDATE sessions SET number = ?1", [number])
            .unwrap();
        let error = session.update(&changes).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{number}");
    }
}

#[test]
fn a_number_that_another_session_has_is_not_given_again() {
    let fixture = Fixture::new();
    let [one, other] = [(); 2].map(|()| fixture.store.session(&SessionId::random()));
    one.set(IdToken, Some("one")).unwrap();
    let raw = fixture.raw();
    raw.execute("UPDATE newest SET number = 0", []).unwrap();
    let error = other.set(AccessTokenMap, Some("other")).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Corrupt);
    assert_value(&one, AccessTokenMap, None);
    assert_value(&other, IdToken, None);
}

#[test]
fn a_count_of_changes_at_its_end_begins_anew() {
    for changes in [i64::MAX, i64::MIN, -1] {
        let fixture = Fixture::new();
        let id = SessionId::random();
        let session = fixture.store.session(&id);
        session.set(IdToken, Some("a")).unwrap();
        let raw = fixture.raw();
        raw.execute("UPDATE sessions SET changes = ?1", [changes])
            .unwrap();
        let lock = session.lock_to_write(std::time::Duration::ZERO).unwrap();
        lock.last_write(|| session.update(&[Change::set(IdToken, "b")]))
            .unwrap();
        drop(lock);
        fixture.store.rename(&id, &SessionId::random()).unwrap();
    }
}

#[test]
fn an_owner_that_cannot_be_read_is_in_nobodys_way_and_leaves_nothing() {
    for damage in ["CAST(x'ff' AS TEXT)", "'x'", "''"] {
        type Step<'a> = &'a dyn Fn(&Fixture, &SessionId);
        let steps: [Step<'_>; 5] = [
            &|fixture, id| fixture.store.remove(id).unwrap(),
            &|fixture, id| {
                fixture
                    .store
                    .replace(id, &SessionId::random(), &[])
                    .unwrap()
            },
            &|fixture, id| fixture.store.session(id).set(Owner, None).unwrap(),
            &|fixture, id| {
                let to = SessionId::random();
                fixture.store.rename(id, &to).unwrap();
                fixture.store.remove(&to).unwrap();
            },
            &|fixture, _| {
                fixture.clock.advance(2 * LIFETIME);
                assert_eq!(fixture.store.purge_expired().unwrap(), 2);
            },
        ];
        for (n, step) in steps.into_iter().enumerate() {
            let fixture = Fixture::new();
            let owner = SessionOwner::of("https://a", "alice", Some("s"));
            let [id, other] = [(); 2].map(|()| SessionId::random());
            for id in [&id, &other] {
                let session = fixture.store.session(id);
                session.set(Owner, Some(&owner.to_string())).unwrap();
            }
            let sql = format!("UPDATE session_values SET value = {damage} WHERE row = 64 + 5");
            assert_eq!(fixture.raw().execute(&sql, []).unwrap(), 1);

            let digest = owner.digests().next().unwrap();
            let found = fixture.store.sessions_of(&digest).unwrap();
            let found: Vec<_> = found.iter().map(|found| found.digest()).collect();
            assert_eq!(found, [other.digest()], "{damage}");
            step(&fixture, &id);
            fixture.store.remove(&other).unwrap();
            for table in ["owners", "session_values", "sessions"] {
                assert_eq!(count(&fixture.raw(), table), 0, "{damage} {n} {table}");
            }
        }
    }
}
