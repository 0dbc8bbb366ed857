//! Stores with sessions in them, and what is in a store.

use std::collections::BTreeMap;

use logto::storage::{Change, PersistKey, Storage};
use logto::{SessionId, SessionOwner};

pub const ISSUER: &str = "https://foo.logto.app/oidc";

/// All values of a session.
pub type Values = BTreeMap<PersistKey, String>;

/// Everything in a store, by digest.
pub fn contents(store: &dyn Storage) -> BTreeMap<[u8; 32], Values> {
    let mut contents = BTreeMap::new();
    let visited = store.for_each(&mut |found| {
        contents.insert(found.digest(), values(&**found.storage()));
        Ok(())
    });
    visited.unwrap();
    contents
}

pub fn values(session: &dyn Storage) -> Values {
    let value = |key| Some((key, session.get(key).unwrap()?));
    PersistKey::ALL.into_iter().filter_map(value).collect()
}

/// The owner of a session of this user.
pub fn owner(sub: &str) -> String {
    SessionOwner::new(ISSUER, sub, Some("1")).to_string()
}

/// A session with this number: each has other keys, and values of another length, some of them hard to keep.
pub fn add(store: &dyn Storage, n: usize) -> SessionId {
    let id = SessionId::random();
    let owner = owner(&format!("user {n}"));
    let texts = [
        format!("ID token {n}"),
        "r".repeat(n * 37 % 9_000 + 1),
        format!("{{\"pending\":\"\u{0}\u{1F600}\\\" {n}\"}}"),
        String::new(),
        format!(" sign-in {n}\r\n"),
        owner,
    ];
    let pairs = PersistKey::ALL.into_iter().zip(&texts).enumerate();
    let chosen = pairs.filter(|(at, _)| *at == 0 || !n.is_multiple_of(at + 2));
    let changes: Vec<_> = chosen
        .map(|(_, (key, text))| Change::set(key, text))
        .collect();
    store.session(&id).update(&changes).unwrap();
    id
}

pub fn set(store: &dyn Storage, id: &SessionId, key: PersistKey, value: &str) {
    store.session(id).set(key, Some(value)).unwrap();
}

pub fn get(store: &dyn Storage, id: &SessionId, key: PersistKey) -> Option<String> {
    store.session(id).get(key).unwrap()
}
