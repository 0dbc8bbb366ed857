//! Several processes over one file: this test binary starts itself again as the others.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use logto_core::{Change, PersistKey, SessionId, SessionStore, Storage};
use logto_storage_sqlite::SqliteStore;

const DATABASE: &str = "LOGTO_SQLITE_TEST_DATABASE";
const SESSION: &str = "LOGTO_SQLITE_TEST_SESSION";

/// Runs the named test of this file in a process of its own.
fn start(test: &str, database: &Path, session: &SessionId) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--ignored"])
        .env(DATABASE, database)
        .env(SESSION, session.expose())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn given_store() -> SqliteStore {
    SqliteStore::open(env::var_os(DATABASE).unwrap()).unwrap()
}

fn given_session() -> SessionId {
    env::var(SESSION).unwrap().parse().unwrap()
}

#[test]
#[ignore = "a part of the tests below"]
fn opens_and_writes() {
    let store = given_store();
    for round in 0..20 {
        let session = store.session(&SessionId::random());
        let value = round.to_string();
        session.set(PersistKey::IdToken, Some(&value)).unwrap();
        assert_eq!(session.get(PersistKey::IdToken).unwrap(), Some(value));
    }
    store.remove(&given_session()).unwrap();
}

#[test]
#[ignore = "a part of the tests below"]
fn updates_until_it_is_killed() {
    let session = given_store().session(&given_session());
    for round in 0_u64.. {
        let value = round.to_string().repeat(2_000);
        let changes = PersistKey::ALL.map(|key| Change::set(key, &value));
        session.update(&changes).unwrap();
    }
}

#[test]
fn processes_open_and_fill_a_new_file_at_once() {
    const PROCESSES: usize = 4;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    let id = SessionId::random();
    let started: Vec<Child> = (0..PROCESSES)
        .map(|_| start("opens_and_writes", &path, &id))
        .collect();
    for mut process in started {
        assert!(process.wait().unwrap().success());
    }
    let raw = rusqlite::Connection::open(&path).unwrap();
    let sessions: usize = raw
        .query_row("SELECT count(*) FROM sessions", [], |row| {
            row.get::<_, i64>(0)
        })
        .map(|count| count as usize)
        .unwrap();
    assert_eq!(sessions, PROCESSES * 20);
}

#[test]
fn a_process_that_is_killed_leaves_whole_updates() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    let id = SessionId::random();
    let session = SqliteStore::open(&path).unwrap().session(&id);
    for _ in 0..5 {
        let mut process = start("updates_until_it_is_killed", &path, &id);
        thread::sleep(Duration::from_millis(150));
        process.kill().unwrap();
        process.wait().unwrap();

        let values = PersistKey::ALL.map(|key| session.get(key).unwrap());
        assert!(values.iter().all(|value| *value == values[0]));
    }
    assert!(session.get(PersistKey::IdToken).unwrap().is_some());
}
