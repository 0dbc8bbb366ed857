//! Records, compare-and-swap, and what else holds for every backend.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use logto_core::{Record, SessionId, SessionKey};

use super::Fixture;
use super::support::{
    Stage, assert_absent, assert_conflict, assert_record, at_once, count, count_up, create, find,
    has_won, key, load, owned, owner, record, remove, save, shape, visited,
};

const THREADS: usize = 8;

/// Version, owner and data come back as they were saved.
pub fn record_comes_back_whole<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    assert_absent(&storage, &session);
    let mut expected = None;
    for owner in [
        None,
        Some(owner("alice", None)),
        Some(owner("alice", Some("sid"))),
        None,
    ] {
        let record = Record::new(owner, r#"{"idToken":"a"}"#);
        save(&storage, &session, &record, expected);
        assert_record(&storage, &session, &record);
        assert_record(&storage, &session, &record);
        expected = Some(record.version());
    }
}

/// Data is any UTF-8.
pub fn record_data_is_any_utf_8<F: Fixture>(stage: &Stage<F>) {
    let storage = stage.open();
    for data in [
        "",
        "\0",
        "a\0b",
        " a \t",
        "a\r\nb\n",
        "\n\n",
        "é e\u{301} 漢字 🦀 \u{10ffff} \u{feff}",
        r#"'";--\%s{}$1"#,
        "null",
        "0123",
    ] {
        let session = key();
        let saved = create(&storage, &session, data);
        assert_record(&storage, &session, &saved);
    }
}

/// Data is up to a mebibyte long, and shorter data leaves nothing of what was longer.
pub fn record_data_is_up_to_a_mebibyte<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let long = create(&storage, &session, &"0123456789abcdé".repeat(1 << 16));
    assert_eq!(long.data().len(), 1 << 20);
    assert_record(&storage, &session, &long);
    let short = record("short");
    save(&storage, &session, &short, Some(long.version()));
    assert_record(&storage, &session, &short);
}

/// Whoever loads while another saves has the old record or the new one.
pub fn record_is_never_seen_in_part<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let records = [
        Record::new(Some(owner("alice", None)), "a".repeat(100_000)),
        Record::new(Some(owner("bob", Some("sid"))), "b".repeat(10)),
    ];
    save(&storage, &session, &records[0], None);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..60 {
                let [old, new] = [&records[round % 2], &records[(round + 1) % 2]];
                let saved = storage.save(&session, new, Some(old.version()));
                // Set before anything panics, so that the reader ends.
                done.store(saved.is_err() || round == 59, Ordering::SeqCst);
                saved.expect("the only writer");
            }
        });
        while !done.load(Ordering::SeqCst) {
            let found = load(&storage, &session);
            let is_whole = records.iter().any(|record| found.as_ref() == Some(record));
            assert!(is_whole, "half a save is seen: {}", shape(found.as_ref()));
        }
    });
}

/// A save that expects no session, where one is.
pub fn cas_expecting_none_conflicts_with_a_session<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    create(&storage, &session, "first");
    assert_conflict(storage.save(&session, &record("second"), None));
}

/// A save that expects an old version.
pub fn cas_expecting_an_old_version_conflicts<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let old = create(&storage, &session, "same");
    let new = record("same");
    save(&storage, &session, &new, Some(old.version()));
    assert_conflict(storage.save(&session, &record("third"), Some(old.version())));
    save(&storage, &session, &record("third"), Some(new.version()));
}

/// A save that expects a version, where nothing is.
pub fn cas_expecting_a_version_conflicts_with_none<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let never_saved = record("");
    assert_conflict(storage.save(&session, &record("a"), Some(never_saved.version())));
    assert_absent(&storage, &session);
    let removed = create(&storage, &session, "a");
    remove(&storage, &session);
    assert_conflict(storage.save(&session, &record("b"), Some(removed.version())));
    assert_absent(&storage, &session);
}

/// A session that was removed and made again is another one.
pub fn cas_tells_a_remade_session_from_the_old_one<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let old = create(&storage, &session, "same");
    remove(&storage, &session);
    let new = create(&storage, &session, "same");
    assert_conflict(storage.save(&session, &record("other"), Some(old.version())));
    assert_record(&storage, &session, &new);
}

/// A save that is a conflict changes nothing, neither the record nor who finds it.
pub fn cas_conflict_changes_nothing<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let (alice, bob) = (owner("alice", None), owner("bob", None));
    let saved = owned(alice);
    save(&storage, &session, &saved, None);
    assert_conflict(storage.save(&session, &owned(bob), None));
    assert_conflict(storage.save(&session, &owned(bob), Some(owned(bob).version())));
    assert_record(&storage, &session, &saved);
    if F::FINDS_OWNERS {
        assert_eq!(find(&storage, alice.user()), [session]);
        assert_eq!(find(&storage, bob.user()), []);
    }
}

/// Of several that save at once in the place of one version, one wins.
pub fn cas_race_has_one_winner<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    let mut expected = None;
    for round in 0..10 {
        let records: [_; THREADS] = std::array::from_fn(|number| record(&format!("{number}")));
        let won = at_once(THREADS, |number| {
            has_won(storage.save(&session, &records[number], expected))
        });
        let winners: Vec<_> = (0..THREADS).filter(|number| won[*number]).collect();
        assert_eq!(winners.len(), 1, "in round {round} {winners:?} have won");
        assert_record(&storage, &session, &records[winners[0]]);
        expected = Some(records[winners[0]].version());
    }
}

/// Threads that load, add one and save lose no count.
pub fn cas_counts_of_threads_are_not_lost<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    at_once(THREADS, |_| {
        (0..5).for_each(|_| count_up(&storage, &session));
    });
    assert_eq!(count(load(&storage, &session).as_ref()), THREADS * 5);
}

/// A removed session is gone.
pub fn remove_ends_a_session<F: Fixture>(stage: &Stage<F>) {
    let (storage, session, other) = (stage.open(), key(), key());
    let alice = owner("alice", Some("sid"));
    save(&storage, &session, &owned(alice), None);
    let kept = create(&storage, &other, "kept");
    remove(&storage, &session);
    assert_absent(&storage, &session);
    assert_record(&storage, &other, &kept);
    if F::FINDS_OWNERS {
        for digest in alice.digests() {
            assert_eq!(find(&storage, digest), []);
        }
    }
    if F::LISTS_SESSIONS {
        assert_eq!(visited(&storage), [other]);
    }
    create(&storage, &session, "again");
}

/// Removing a session that is not there is no error.
pub fn remove_of_an_absent_session_is_no_error<F: Fixture>(stage: &Stage<F>) {
    let (storage, session) = (stage.open(), key());
    remove(&storage, &session);
    create(&storage, &session, "a");
    remove(&storage, &session);
    remove(&storage, &session);
    assert_absent(&storage, &session);
}

/// The new session is there and the old one is not.
pub fn replace_moves_a_session<F: Fixture>(stage: &Stage<F>) {
    let (storage, from, to) = (stage.open(), key(), key());
    let (old, new) = (create(&storage, &from, "old"), record("new"));
    let replaced = storage.replace(&from, Some(old.version()), &to, &new);
    replaced.expect("a session is replaced");
    assert_absent(&storage, &from);
    assert_record(&storage, &to, &new);
    if F::LISTS_SESSIONS {
        assert_eq!(visited(&storage), [to]);
    }
    create(&storage, &from, "another");
    assert_record(&storage, &to, &new);
}

/// Where no session was, a new one is.
pub fn replace_of_no_session_makes_one<F: Fixture>(stage: &Stage<F>) {
    let (storage, from, to) = (stage.open(), key(), key());
    let new = record("new");
    let replaced = storage.replace(&from, None, &to, &new);
    replaced.expect("an absent session is replaced");
    assert_absent(&storage, &from);
    assert_record(&storage, &to, &new);
}

/// A replacement that expects another version changes nothing.
pub fn replace_of_another_version_is_a_conflict<F: Fixture>(stage: &Stage<F>) {
    let (storage, from, to) = (stage.open(), key(), key());
    let other = Some(record("").version());
    assert_conflict(storage.replace(&from, other, &to, &record("new")));
    assert_absent(&storage, &from);
    assert_absent(&storage, &to);
    let old = create(&storage, &from, "old");
    for expected in [None, other] {
        assert_conflict(storage.replace(&from, expected, &to, &record("new")));
        assert_record(&storage, &from, &old);
        assert_absent(&storage, &to);
    }
}

/// A replacement by an id that is in use changes nothing.
pub fn replace_by_a_used_session_is_a_conflict<F: Fixture>(stage: &Stage<F>) {
    let (storage, from, to) = (stage.open(), key(), key());
    let used = create(&storage, &to, "used");
    assert_conflict(storage.replace(&from, None, &to, &record("new")));
    let old = create(&storage, &from, "old");
    assert_conflict(storage.replace(&from, Some(old.version()), &to, &record("new")));
    assert_record(&storage, &from, &old);
    assert_record(&storage, &to, &used);
}

/// Of several that put a session in the place of one, one wins; so if another saves it.
pub fn replace_race_has_one_winner<F: Fixture>(stage: &Stage<F>) {
    let storage = stage.open();
    for round in 0..10 {
        let (from, to) = (key(), [(); THREADS].map(|()| key()));
        let old = create(&storage, &from, "old");
        let won = at_once(THREADS, |number| {
            let (expected, new) = (Some(old.version()), record("new"));
            has_won(match number {
                // Without one step, a winner is certain only where all want one id.
                _ if !F::REPLACES_IN_ONE_STEP => storage.replace(&from, expected, &to[0], &new),
                0 => storage.save(&from, &new, expected),
                _ => storage.replace(&from, expected, &to[number], &new),
            })
        });
        let winners = won.iter().filter(|won| **won).count();
        assert_eq!(winners, 1, "in round {round}");
        let sessions = to.iter().chain([&from]);
        let there = sessions.filter(|session| load(&storage, session).is_some());
        assert_eq!(there.count(), 1, "in round {round}");
    }
}

/// No session is seen through the key of another, however alike the keys are.
pub fn session_is_apart_from_all_others<F: Fixture>(stage: &Stage<F>) {
    let storage = stage.open();
    let keys = alike();
    let records: Vec<_> = keys
        .iter()
        .map(|session| {
            assert_absent(&storage, session);
            create(&storage, session, "its own")
        })
        .collect();
    for (session, record) in keys.iter().zip(&records) {
        assert_record(&storage, session, record);
    }
    for (number, session) in keys.iter().enumerate() {
        remove(&storage, session);
        assert_absent(&storage, session);
        for (session, record) in keys.iter().zip(&records).skip(number + 1) {
            assert_record(&storage, session, record);
        }
    }
}

fn alike() -> Vec<SessionKey> {
    let mut keys = vec![SessionKey::ONLY, SessionKey::from_bytes([0xff; 32])];
    for at in [0, 15, 16, 31] {
        for byte in [1, b'a', b'A', 0xff] {
            let mut bytes = [0; 32];
            bytes[at] = byte;
            keys.push(SessionKey::from_bytes(bytes));
        }
    }
    keys.extend([(); 3].map(|()| key()));
    keys
}

/// The session of a program with one user is a session as any other.
pub fn session_only_is_apart_from_all_others<F: Fixture>(stage: &Stage<F>) {
    let (storage, other) = (stage.open(), key());
    let alice = owner("alice", None);
    let only = owned(alice);
    let record = create(&storage, &other, "other");
    assert_absent(&storage, &SessionKey::ONLY);
    save(&storage, &SessionKey::ONLY, &only, None);
    assert_record(&storage, &SessionKey::ONLY, &only);
    assert_record(&storage, &other, &record);
    if F::FINDS_OWNERS {
        assert_eq!(find(&storage, alice.user()), [SessionKey::ONLY]);
    }
    if F::LISTS_SESSIONS {
        assert_eq!(visited(&storage), [SessionKey::ONLY, other]);
    }
    remove(&storage, &SessionKey::ONLY);
    assert_absent(&storage, &SessionKey::ONLY);
    assert_record(&storage, &other, &record);
}

/// Threads use their sessions at once and nobody is in the way of another.
pub fn threads_use_their_sessions_at_once<F: Fixture>(stage: &Stage<F>) {
    let storage = stage.open();
    at_once(THREADS, |number| {
        let mut session = key();
        let mut old = create(&storage, &session, &format!("thread {number}"));
        for round in 0..5 {
            assert_record(&storage, &session, &old);
            let new = record(&format!("thread {number}, round {round}"));
            save(&storage, &session, &new, Some(old.version()));
            let (next, moved) = (key(), record("moved"));
            let replaced = storage.replace(&session, Some(new.version()), &next, &moved);
            replaced.expect("nobody else uses the session");
            assert_absent(&storage, &session);
            (session, old) = (next, moved);
        }
        remove(&storage, &session);
        assert_absent(&storage, &session);
    });
}

/// `Debug`, and an error, show neither data nor keys.
pub fn debug_shows_neither_data_nor_keys<F: Fixture>(stage: &Stage<F>) {
    let (storage, id) = (stage.open(), SessionId::random());
    let session = id.key();
    create(&storage, &session, "s3cret-t0ken");
    load(&storage, &session);
    let conflict = storage.save(&session, &record("s3cret-t0ken"), None);
    let conflict = conflict.expect_err("a conflict");
    let bytes = format!("{:?}", session.as_bytes());
    let hex = session.to_hex();
    let secrets = [
        "s3cret",
        id.expose(),
        &hex,
        &hex.to_uppercase(),
        bytes.trim_matches(['[', ']']),
    ];
    let shown = [
        format!("{storage:?}"),
        format!("{storage:#?}")
            .replace(char::is_whitespace, "")
            .replace(',', ", "),
        format!("{conflict:?} {conflict}"),
    ];
    for shown in shown {
        let secret = secrets.iter().position(|secret| shown.contains(secret));
        assert_eq!(secret, None, "a secret is shown");
    }
}

/// What was saved is there when the place is opened again.
pub fn reopened_storage_has_all<F: Fixture>(stage: &Stage<F>) {
    if !F::PERSISTENT {
        return;
    }
    let (from, [session, removed, moved]) = (key(), [(); 3].map(|()| key()));
    let alice = owner("alice", Some("sid"));
    let [kept, new] = [owned(alice), owned(alice)];
    let storage = stage.open();
    save(&storage, &session, &kept, None);
    create(&storage, &removed, "removed");
    remove(&storage, &removed);
    let replaced = storage.replace(&from, None, &moved, &new);
    replaced.expect("an absent session is replaced");
    drop(storage);

    let storage = stage.open();
    assert_record(&storage, &session, &kept);
    assert_record(&storage, &moved, &new);
    assert_absent(&storage, &removed);
    let mut expected = [session, moved];
    expected.sort_unstable();
    if F::FINDS_OWNERS {
        alice
            .digests()
            .for_each(|digest| assert_eq!(find(&storage, digest), expected));
    }
    if F::LISTS_SESSIONS {
        assert_eq!(visited(&storage), expected);
    }
    save(&storage, &session, &record("next"), Some(kept.version()));
}
