//! What [`Storage`](logto_core::Storage) promises of loading, saving and removing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use logto_core::{Record, SessionKey, Storage, Version};

use super::Fixture;
use super::support::{Stage, assert_holds, for_a_while, load, new_key, owner, save};

/// A record comes back with its version, its owner and its data, whatever these are.
pub fn record_comes_back_byte_for_byte<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let key = new_key();
    let part = "1 MiB of ü€😀\0\n\"\\";
    let long = part.repeat((1 << 20) / part.len());
    let owners = [None, Some(owner("alice"))];
    let mut before = None;
    for data in [
        "",
        "{}",
        " \0\r\n\t\u{7f}",
        "ü€😀\u{202e}",
        "'\";--",
        &long,
        "",
    ] {
        for owner in owners {
            let record = Record::new(owner, data);
            save(&*stage.storage, &key, &record, before);
            stage.assert_holds(&key, &record);
            before = Some(record.version());
        }
    }
    // Backends see any bytes as a version.
    for version in [[0; 16], [0xff; 16]].map(Version::from_bytes) {
        let record = Record::stored(version, None, "x");
        save(&*stage.storage, &key, &record, before);
        stage.assert_holds(&key, &record);
        before = Some(version);
    }
}

/// What was saved is there for a storage that is opened later over the place.
pub fn record_survives_reopening<F: Fixture>(_: &str) {
    if !F::PERSISTENT {
        return;
    }
    let stage = Stage::<F>::new();
    let (key, record) = stage.session("data", Some(owner("alice")));
    let (removed, _) = stage.session("gone", None);
    stage.storage.remove(&removed).expect("a removal");
    let stage = stage.reopen();
    stage.assert_holds(&key, &record);
    stage.assert_absent(&removed);
}

/// [`SessionKey::ONLY`] is a session like any other, and none of the others.
pub fn record_of_the_only_session_is_apart<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, record) = stage.session("another", None);
    stage.assert_absent(&SessionKey::ONLY);
    let only = Record::new(None, "only");
    save(&*stage.storage, &SessionKey::ONLY, &only, None);
    stage.assert_holds(&SessionKey::ONLY, &only);
    stage.assert_holds(&key, &record);
    stage.storage.remove(&SessionKey::ONLY).expect("a removal");
    stage.assert_absent(&SessionKey::ONLY);
    stage.assert_holds(&key, &record);
}

/// A removed session is absent, and the others stay.
pub fn record_is_gone_after_a_removal<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, _) = stage.session("one", None);
    let (other, record) = stage.session("two", None);
    stage.storage.remove(&key).expect("a removal");
    stage.assert_absent(&key);
    stage.assert_holds(&other, &record);
}

/// Removing what is not there is no error.
pub fn remove_of_an_absent_session_is_no_error<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let key = new_key();
    for _ in 0..2 {
        stage.storage.remove(&key).expect("a removal of nothing");
        stage.assert_absent(&key);
    }
}

/// A session that was never saved is `None`.
pub fn load_of_an_absent_session_is_none<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    stage.assert_absent(&new_key());
    stage.assert_absent(&SessionKey::ONLY);
}

/// A record is loaded as it was saved, and never as a mixture of two.
pub fn load_sees_whole_records_while_others_save<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, first) = stage.session(&whole("0"), None);
    let (storage, is_over) = (&stage.storage, &AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut version = first.version();
            for_a_while(|round| {
                let name = round.to_string();
                let record = Record::new(Some(owner(&name)), whole(&name));
                save(&**storage, &key, &record, Some(version));
                version = record.version();
            });
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let record = load(&**storage, &key).expect("the session");
            let (name, _) = record.data().split_once(' ').expect("the name");
            assert_eq!(record.data(), whole(name));
            let expected = (name != "0").then(|| owner(name));
            assert_eq!(record.owner(), expected, "another record's owner");
        }
    });
}

/// Of several pages.
fn whole(name: &str) -> String {
    format!("{name} ").repeat(20_000 / (name.len() + 1))
}

/// `Debug` of a storage and of its errors shows neither what it keeps nor under which key.
pub fn debug_shows_neither_data_nor_keys<F: Fixture>(_: &str) {
    let stage = Stage::<F>::new();
    let (key, record) = stage.session("a secret token", Some(owner("alice")));
    assert_holds(&*stage.storage, &key, &record);
    let conflict = stage
        .storage
        .save(&key, &record, None)
        .expect_err("a conflict");
    let shown = format!("{:?} {conflict:?} {conflict}", stage.storage);
    assert!(!shown.contains("secret token"), "{shown}");
    assert!(!shown.contains(&key.to_hex()), "{shown}");
    let bytes = format!("{:?}", key.as_bytes());
    assert!(!shown.contains(&bytes), "{shown}");
}
