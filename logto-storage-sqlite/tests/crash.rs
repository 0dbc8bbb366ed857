//! A process that writes is killed at a random moment, again and again: what it was told to be written
//! is there, and nothing is there in part.

mod common;

use logto_testing::contract::crash::Moment;
use rusqlite::Connection;

use common::Sqlite;

logto_testing::crash_contract!(Sqlite, |sqlite, moment| {
    if matches!(moment, Moment::Closed | Moment::Emptied) {
        assert_is_sound(sqlite);
    }
});

fn assert_is_sound(sqlite: &Sqlite) {
    let raw = Connection::open(sqlite.path()).unwrap();
    let verdict: String = raw
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    let mut orphans = raw.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!orphans.exists([]).unwrap());
}
