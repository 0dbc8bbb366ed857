//! Storages with sessions in them, and what is in a storage.

use std::collections::BTreeMap;

use logto::storage::{Record, SessionId, SessionKey, SessionOwner, Storage};
use serde_json::json;

pub const ISSUER: &str = "https://foo.logto.app/oidc";

/// Every record of a storage.
pub type Contents = BTreeMap<SessionKey, Record>;

pub fn contents(storage: &dyn Storage) -> Contents {
    let mut keys = Vec::new();
    let visited = storage.for_each(&mut |session| {
        keys.push(*session);
        Ok(())
    });
    visited.unwrap();
    let record = |key| Some((key, load(storage, &key)?));
    keys.into_iter().filter_map(record).collect()
}

pub fn owner(sub: &str) -> SessionOwner {
    SessionOwner::new(ISSUER, sub, Some("1"))
}

/// Adds a session with this number. The texts have different lengths, and some are hard to keep.
pub fn add(storage: &dyn Storage, n: usize) -> SessionKey {
    let data = json!({
        "idToken": format!("ID token {n}"),
        "refreshToken": "r".repeat(n * 37 % 9_000 + 1),
        "unknown": format!("\u{0}\u{1F600}\\\" {n}\r\n"),
    });
    let owner = (!n.is_multiple_of(3)).then(|| owner(&format!("user {n}")));
    let key = SessionId::random().key();
    save(storage, &key, Record::new(owner, data.to_string()));
    key
}

/// Puts a record there, whatever was there.
pub fn save(storage: &dyn Storage, session: &SessionKey, record: Record) {
    let there = load(storage, session).map(|record| record.version());
    storage.save(session, &record, there).unwrap();
}

/// Puts other data there, as another process does.
pub fn change(storage: &dyn Storage, session: &SessionKey, data: &str) {
    save(storage, session, Record::new(None, data));
}

pub fn load(storage: &dyn Storage, session: &SessionKey) -> Option<Record> {
    storage.load(session).unwrap()
}

pub fn data(storage: &dyn Storage, session: &SessionKey) -> Option<String> {
    load(storage, session).map(|record| record.data().to_owned())
}
