//! What [`Storage::for_each`] promises. If the backend [lists no sessions](Fixture::LISTS_SESSIONS), that it says
//! so.

use logto_core::{Record, SessionKey, Storage, StorageError, StorageErrorKind};

use super::Fixture;
use super::support::{
    LIFETIME, PATIENCE, Stage, assert_kind, found, load, new_key, owner, save, user, visited,
};

/// More than a backend reads at once.
const MANY: usize = 700;

/// A stage; `None` if the backend lists no sessions, and says so.
fn stage<F: Fixture>() -> Option<Stage<F>> {
    let stage = Stage::<F>::new();
    if F::LISTS_SESSIONS {
        return Some(stage);
    }
    let outcome = stage.storage.for_each(&mut |_| panic!("a visit"));
    assert_kind(outcome, StorageErrorKind::Unsupported);
    None
}

/// Every session is visited, and none twice.
pub fn for_each_visits_every_session_once<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    assert_eq!(visited(&*stage.storage), []);
    let mut all: Vec<_> = (1..MANY).map(|_| stage.session("data", None).0).collect();
    save(
        &*stage.storage,
        &SessionKey::ONLY,
        &Record::new(None, ""),
        None,
    );
    all.push(SessionKey::ONLY);
    let (removed, _) = stage.session("data", None);
    stage.storage.remove(&removed).expect("a removal");
    all.sort();
    let found = visited(&*stage.storage);
    assert_eq!(found.len(), all.len(), "sessions are visited");
    assert!(found == all, "other sessions are visited");
}

/// A visit may use the storage in every way. Sessions that were there from the beginning to the end are visited once.
pub fn for_each_may_call_every_method<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    let mut all: Vec<_> = (0..40).map(|_| stage.session("data", None)).collect();
    all.sort_by_key(|(key, _)| *key);
    let keys: Vec<_> = all.iter().map(|(key, _)| *key).collect();
    let (storage, mut seen) = (&stage.storage, Vec::new());
    let outcome = storage.for_each(&mut |session| {
        seen.push(*session);
        let record = load(&**storage, session);
        if let Some(record) = record.filter(|_| keys.contains(session)) {
            let next = Record::new(Some(owner("alice")), "next");
            save(&**storage, session, &next, Some(record.version()));
        }
        let (made, moved) = (new_key(), new_key());
        let record = Record::new(None, "made");
        save(&**storage, &made, &record, None);
        let again = Record::new(None, "moved");
        storage.replace(&made, Some(record.version()), &moved, &again)?;
        storage.remove(&moved)?;
        drop(storage.lock(session, PATIENCE)?);
        storage.purge_expired()?;
        if F::FINDS_OWNERS {
            found(&**storage, &user("alice"));
        }
        storage.for_each(&mut |_| Ok(()))
    });
    outcome.expect("no error of the storage");
    seen.retain(|session| keys.contains(session));
    seen.sort();
    assert_eq!(seen, keys);
}

/// The error of a visit is returned, and no further session is visited.
pub fn for_each_stops_at_an_error<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    (0..5).for_each(|_| _ = stage.session("data", None));
    let mut visits = 0;
    let outcome = stage.storage.for_each(&mut |_| {
        visits += 1;
        match visits {
            3 => Err(StorageError::new(StorageErrorKind::WrongKey, "enough")),
            _ => Ok(()),
        }
    });
    assert_kind(outcome, StorageErrorKind::WrongKey);
    assert_eq!(visits, 3);
}

/// A visit does not renew a session.
pub fn for_each_is_no_use<F: Fixture>(_: &str) {
    let Some(stage) = stage::<F>() else { return };
    if !F::EXPIRES {
        return;
    }
    let (key, _) = stage.session("data", None);
    for _ in 0..3 {
        assert_eq!(visited(&*stage.storage), [key]);
        stage.clock.advance(LIFETIME * 3 / 10);
    }
    stage.clock.advance(LIFETIME * 2 / 10);
    stage.assert_absent(&key);
}
