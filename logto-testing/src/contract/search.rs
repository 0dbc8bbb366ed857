//! Sessions found by their owners, and visited. A backend that cannot do one of them says so
//! ([`Fixture::FINDS_OWNERS`], [`Fixture::LISTS_SESSIONS`]).

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread;

use logto_core::{Record, SessionKey, Storage, StorageError, StorageErrorKind};

use super::Fixture;
use super::support::{
    PATIENCE, Stage, assert_absent, assert_record, at_once, create, find, key, load, owned, owner,
    record, remove, save, visited,
};

/// More than any backend reads at once.
const MANY: usize = 300;

/// A session is found by its user and by the session of the server.
pub fn find_by_user_and_by_server_session<F: Fixture>(stage: &Stage<F>) {
    let storage = stage.open();
    let (alice, bob) = (owner("alice", Some("sid")), owner("bob", Some("other")));
    if !F::FINDS_OWNERS {
        let error = storage
            .find(&alice.user())
            .expect_err("nothing can be found");
        assert_eq!(error.kind(), StorageErrorKind::Unsupported, "{error:?}");
        return;
    }
    let session = key();
    create(&storage, &key(), "of nobody");
    save(&storage, &key(), &owned(bob), None);
    for digest in alice.digests() {
        assert_eq!(find(&storage, digest), []);
    }
    save(&storage, &session, &owned(alice), None);
    assert_eq!(alice.digests().count(), 2);
    for digest in alice.digests() {
        assert_eq!(find(&storage, digest), [session]);
    }
}

/// All sessions of a user are found, and by each session of the server its own.
pub fn find_all_sessions_of_a_user<F: Fixture>(stage: &Stage<F>) {
    if !F::FINDS_OWNERS {
        return;
    }
    let storage = stage.open();
    let mut sessions: Vec<_> = (0..30).map(|_| key()).collect();
    for (number, session) in sessions.iter().enumerate() {
        let sid = format!("sid {}", number % 3);
        save(&storage, session, &owned(owner("alice", Some(&sid))), None);
        save(&storage, &key(), &owned(owner("bob", None)), None);
    }
    let third = owner("alice", Some("sid 2")).server_session();
    let mut thirds: Vec<_> = sessions.iter().copied().skip(2).step_by(3).collect();
    thirds.sort_unstable();
    assert_eq!(find(&storage, third.expect("a server session")), thirds);
    sessions.sort_unstable();
    assert_eq!(find(&storage, owner("alice", None).user()), sessions);
}

/// A save changes by whom a session is found, and ends it.
pub fn find_follows_a_save<F: Fixture>(stage: &Stage<F>) {
    if !F::FINDS_OWNERS {
        return;
    }
    let (storage, session) = (stage.open(), key());
    let owners = [
        Some(owner("alice", Some("sid"))),
        Some(owner("alice", Some("next"))),
        Some(owner("bob", None)),
        None,
        Some(owner("alice", None)),
    ];
    let mut expected = None;
    for now in owners {
        let record = Record::new(now, "a");
        save(&storage, &session, &record, expected);
        expected = Some(record.version());
        for digest in owners.iter().flatten().flat_map(|owner| owner.digests()) {
            let is_theirs = now.is_some_and(|owner| owner.matches(&digest));
            let sessions = if is_theirs { vec![session] } else { Vec::new() };
            assert_eq!(find(&storage, digest), sessions);
        }
    }
}

/// After a replacement the new session is found, and the old one is not.
pub fn find_follows_a_replacement<F: Fixture>(stage: &Stage<F>) {
    if !F::FINDS_OWNERS {
        return;
    }
    let (storage, from, to) = (stage.open(), key(), key());
    let (alice, bob) = (owner("alice", Some("sid")), owner("bob", Some("other")));
    let old = owned(alice);
    save(&storage, &from, &old, None);
    let replaced = storage.replace(&from, Some(old.version()), &to, &owned(bob));
    replaced.expect("a session is replaced");
    alice
        .digests()
        .for_each(|digest| assert_eq!(find(&storage, digest), []));
    bob.digests()
        .for_each(|digest| assert_eq!(find(&storage, digest), [to]));
}

/// Threads sign in and out at once, and each session is found as soon as its save returned.
pub fn find_never_lags_behind_saves<F: Fixture>(stage: &Stage<F>) {
    if !F::FINDS_OWNERS {
        return;
    }
    let (storage, alice) = (stage.open(), owner("alice", None));
    at_once(6, |_| {
        for _ in 0..5 {
            let session = key();
            save(&storage, &session, &owned(alice), None);
            assert!(find(&storage, alice.user()).contains(&session));
            remove(&storage, &session);
            assert!(!find(&storage, alice.user()).contains(&session));
        }
    });
    assert_eq!(find(&storage, alice.user()), []);
}

/// Each session is visited once.
pub fn for_each_visits_every_session_once<F: Fixture>(stage: &Stage<F>) {
    let storage = stage.open();
    if !F::LISTS_SESSIONS {
        let error = storage.for_each(&mut |_| Ok(())).expect_err("no list");
        assert_eq!(error.kind(), StorageErrorKind::Unsupported, "{error:?}");
        return;
    }
    load(&storage, &key());
    remove(&storage, &key());
    drop(storage.lock(&key(), PATIENCE));
    assert_eq!(visited(&storage), []);
    let sessions = many(&storage);
    assert!(
        visited(&storage) == sessions,
        "others are visited than those that are there"
    );
}

/// So many sessions, sorted.
fn many(storage: &dyn Storage) -> Vec<SessionKey> {
    let mut sessions: Vec<_> = (0..MANY).map(|_| key()).collect();
    for session in &sessions {
        create(storage, session, "one of many");
    }
    sessions.sort_unstable();
    sessions
}

/// A visit may call every method.
pub fn for_each_lets_a_visit_use_the_storage<F: Fixture>(stage: &Stage<F>) {
    if !F::LISTS_SESSIONS {
        return;
    }
    let storage: Arc<dyn Storage> = stage.open().into();
    let sessions = [(); 3].map(|()| key());
    for session in &sessions {
        create(&storage, session, "old");
    }
    let visiting = Arc::clone(&storage);
    let outcome = within_patience(move || {
        visiting.for_each(&mut |session| {
            // What is made meanwhile may be visited, too.
            match sessions.contains(session) {
                true => use_all_methods::<F>(&visiting, session),
                false => Ok(()),
            }
        })
    });
    outcome.expect("all sessions can be visited");
    for session in &sessions {
        assert_absent(&storage, session);
    }
}

fn use_all_methods<F: Fixture>(
    storage: &dyn Storage,
    session: &SessionKey,
) -> Result<(), StorageError> {
    let alice = owner("alice", None);
    let held = storage.lock(session, PATIENCE)?;
    let old = load(storage, session).expect("the session");
    save(storage, session, &owned(alice), Some(old.version()));
    storage.replace(&key(), None, &key(), &record("made meanwhile"))?;
    drop(held);
    if F::FINDS_OWNERS {
        assert!(find(storage, alice.user()).contains(session));
    }
    storage.purge_expired()?;
    assert!(visited(storage).contains(session));
    storage.remove(session)
}

/// What the call returns. If it hangs, its thread is left behind.
fn within_patience<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, returned) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(call());
    });
    let returned = returned.recv_timeout(PATIENCE);
    returned.expect("a visit that uses the storage returns")
}

/// A session that stays is visited once, whatever comes, goes and changes meanwhile.
pub fn for_each_visits_what_stays_once<F: Fixture>(stage: &Stage<F>) {
    if !F::LISTS_SESSIONS {
        return;
    }
    let storage = stage.open();
    let sessions = many(&storage);
    // Each visit removes a session that was visited already, and changes one that was not perhaps.
    let mut visits: HashMap<SessionKey, usize> = HashMap::new();
    let mut before = None;
    let outcome = storage.for_each(&mut |session| {
        *visits.entry(*session).or_default() += 1;
        if let Some(before) = before.replace(*session) {
            remove(&storage, &before);
        }
        let changed = &sessions[visits.len() % MANY];
        if visits.len().is_multiple_of(10)
            && let Some(old) = load(&storage, changed)
        {
            save(&storage, changed, &record("changed"), Some(old.version()));
        }
        Ok(())
    });
    outcome.expect("all sessions can be visited");
    assert!(
        visits.values().all(|visits| *visits == 1),
        "a session is visited twice"
    );
    let missed = sessions
        .iter()
        .filter(|session| !visits.contains_key(session));
    assert_eq!(missed.count(), 0, "sessions are not visited");
    let last = before.expect("a last visit");
    assert_eq!(visited(&storage), [last]);
}

/// A visit that fails is the last, and what it returned is returned.
pub fn for_each_stops_at_an_error<F: Fixture>(stage: &Stage<F>) {
    if !F::LISTS_SESSIONS {
        return;
    }
    let storage = stage.open();
    let sessions = [(); 3].map(|()| key());
    let records = sessions.map(|session| create(&storage, &session, "a"));
    let mut visits = 0;
    let outcome = storage.for_each(&mut |_| {
        visits += 1;
        match visits {
            2 => Err(StorageError::new(StorageErrorKind::NewerFormat, "enough")),
            _ => Ok(()),
        }
    });
    let error = outcome.expect_err("the error of the visit");
    assert_eq!(error.kind(), StorageErrorKind::NewerFormat, "{error:?}");
    assert_eq!(visits, 2);
    for (session, record) in sessions.iter().zip(&records) {
        assert_record(&storage, session, record);
    }
}
