//! Files in which the numbers of sessions are damaged.

use logto_core::PersistKey::{AccessTokenMap, IdToken};
use logto_core::{Change, SessionId, SessionStore as _, StorageErrorKind};

use crate::fixture::{Fixture, assert_value};

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
