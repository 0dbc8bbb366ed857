//! What is measured.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use logto::SessionId;
use logto::storage::{
    EncryptionKey, FileStorage, MemoryStorage, PersistKey, SledStorage, SqliteStorage, Storage,
};

use crate::raw::{self, Raw};
use crate::tokens::{self, MAP, Tokens};

/// A map whose record sled no longer keeps in one piece.
const LONG_MAP: usize = 7_000;

pub(crate) type Work = Box<dyn FnMut()>;

/// The same work, done by ours and by the library under it.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) sides: [(&'static str, Work); 2],
}

impl Row {
    fn new(name: String, ours: impl FnMut() + 'static, raw: impl FnMut() + 'static) -> Self {
        let sides: [(_, Work); 2] = [("ours", Box::new(ours)), ("raw", Box::new(raw))];
        Self { name, sides }
    }
}

pub(crate) fn all(directory: &Path) -> Vec<Row> {
    let path = |name: &str| directory.join(name);
    let key = EncryptionKey::from_bytes([7; 32]);
    let sqlite = SqliteStorage::open(path("ours.db")).unwrap();
    let sled = SledStorage::open(path("ours.sled")).unwrap();
    let files = FileStorage::open(path("ours"), key).unwrap();
    let raw_sled = raw::Sled::open(&path("raw.sled"));
    let mut rows = Vec::new();
    rows.extend(rows_of(
        "memory",
        &MemoryStorage::new(),
        raw::Memory::default(),
    ));
    rows.extend(rows_of(
        "sqlite",
        &sqlite,
        raw::Sqlite::open(&path("raw.db")),
    ));
    rows.extend(rows_of("sled", &sled, raw_sled.another()));
    rows.push(update("sled long update", &sled, raw_sled, LONG_MAP));
    rows.extend(rows_of("file", &files, raw::Files::open(&path("raw"))));
    rows
}

fn rows_of(backend: &str, store: &dyn Storage, raw: impl Raw + 'static) -> [Row; 3] {
    [
        get(backend, store, raw.another()),
        update(&format!("{backend} update"), store, raw.another(), MAP),
        lock(backend, store, raw),
    ]
}

fn get(backend: &str, store: &dyn Storage, raw: impl Raw + 'static) -> Row {
    let storage = session(store);
    set(&*storage, Tokens::with_map(MAP).next());
    raw.update(Tokens::with_map(MAP).next());
    let ours = move || drop(black_box(storage.get(PersistKey::AccessTokenMap).unwrap()));
    let raw = move || drop(black_box(raw.get(PersistKey::AccessTokenMap)));
    Row::new(format!("{backend} get"), ours, raw)
}

fn update(name: &str, store: &dyn Storage, raw: impl Raw + 'static, map: usize) -> Row {
    let storage = session(store);
    let (mut for_ours, mut for_raw) = (Tokens::with_map(map), Tokens::with_map(map));
    let ours = move || set(&*storage, for_ours.next());
    let raw = move || raw.update(for_raw.next());
    Row::new(name.to_owned(), ours, raw)
}

fn lock(backend: &str, store: &dyn Storage, raw: impl Raw + 'static) -> Row {
    let storage = session(store);
    let ours = move || drop(storage.lock(Duration::from_secs(1)).unwrap());
    let raw = move || raw.lock_and_unlock();
    Row::new(format!("{backend} lock and unlock"), ours, raw)
}

fn session(store: &dyn Storage) -> Arc<dyn Storage> {
    store.session(&SessionId::random())
}

fn set(storage: &dyn Storage, tokens: &[(PersistKey, String); 3]) {
    storage.update(&tokens::changes(tokens)).unwrap();
}
