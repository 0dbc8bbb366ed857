//! The libraries under the storages, as a careful program would use them for one session.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::storage::PersistKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::tokens;

const SESSION: [u8; 32] = [7; 32];

/// One library without us.
pub(crate) trait Raw: Send {
    fn get(&self, key: PersistKey) -> String;
    fn update(&self, tokens: &[(PersistKey, String); 3]);
    fn lock_and_unlock(&self);

    /// The same place, for another thread.
    fn another(&self) -> Self
    where
        Self: Sized;
}

#[derive(Clone, Default)]
pub(crate) struct Memory {
    values: Arc<Mutex<HashMap<PersistKey, String>>>,
    lock: Arc<Mutex<()>>,
}

impl Raw for Memory {
    fn get(&self, key: PersistKey) -> String {
        self.values.lock().unwrap()[&key].clone()
    }

    fn update(&self, tokens: &[(PersistKey, String); 3]) {
        let mut values = self.values.lock().unwrap();
        values.extend(tokens.iter().cloned());
    }

    fn lock_and_unlock(&self) {
        drop(self.lock.lock().unwrap());
    }

    fn another(&self) -> Self {
        self.clone()
    }
}

/// Its statements are prepared.
pub(crate) struct Sqlite {
    path: PathBuf,
    values: Connection,
    /// Need not outlive the machine.
    locks: Connection,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Self {
        let tables = "
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS session_values (
                session BLOB, key TEXT, value TEXT, PRIMARY KEY (session, key)
            ) STRICT;
            CREATE TABLE IF NOT EXISTS locks (session BLOB PRIMARY KEY, holder BLOB) STRICT;
        ";
        Self {
            path: path.to_owned(),
            values: connect(path, tables),
            locks: connect(path, "PRAGMA synchronous = NORMAL"),
        }
    }
}

fn connect(path: &Path, settings: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection.execute_batch(settings).unwrap();
    connection
}

fn transact(connection: &Connection, work: impl FnOnce()) {
    let immediate = TransactionBehavior::Immediate;
    let transaction = Transaction::new_unchecked(connection, immediate).unwrap();
    work();
    transaction.commit().unwrap();
}

fn execute(connection: &Connection, statement: &str, parameters: impl rusqlite::Params) {
    let mut statement = connection.prepare_cached(statement).unwrap();
    statement.execute(parameters).unwrap();
}

impl Raw for Sqlite {
    fn get(&self, key: PersistKey) -> String {
        let select = "SELECT value FROM session_values WHERE session = ?1 AND key = ?2";
        let mut select = self.values.prepare_cached(select).unwrap();
        let parameters = (SESSION, key.as_str());
        select.query_row(parameters, |row| row.get(0)).unwrap()
    }

    fn update(&self, tokens: &[(PersistKey, String); 3]) {
        let upsert = "INSERT INTO session_values (session, key, value) VALUES (?1, ?2, ?3)
                      ON CONFLICT (session, key) DO UPDATE SET value = excluded.value";
        transact(&self.values, || {
            for (key, value) in tokens {
                execute(&self.values, upsert, (SESSION, key.as_str(), value));
            }
        });
    }

    /// A lock among processes is a row here too.
    fn lock_and_unlock(&self) {
        let insert = "INSERT INTO locks (session, holder) VALUES (?1, ?2)";
        transact(&self.locks, || {
            execute(&self.locks, insert, (SESSION, SESSION))
        });
        let delete = "DELETE FROM locks WHERE session = ?1 AND holder = ?2";
        transact(&self.locks, || {
            execute(&self.locks, delete, (SESSION, SESSION))
        });
    }

    fn another(&self) -> Self {
        Self::open(&self.path)
    }
}

#[derive(Clone)]
pub(crate) struct Sled {
    db: sled::Db,
    tree: sled::Tree,
    log: Arc<File>,
    lock: Arc<Mutex<()>>,
}

impl Sled {
    pub(crate) fn open(path: &Path) -> Self {
        let db = sled::open(path).unwrap();
        let log = OpenOptions::new().write(true).open(path.join("db"));
        Self {
            tree: db.open_tree("sessions").unwrap(),
            db,
            log: Arc::new(log.unwrap()),
            lock: Arc::default(),
        }
    }
}

impl Raw for Sled {
    fn get(&self, key: PersistKey) -> String {
        tokens::value(&self.tree.get(SESSION).unwrap().unwrap(), key)
    }

    /// sled's own flush does not reach the disk on Linux.
    fn update(&self, tokens: &[(PersistKey, String); 3]) {
        self.tree.insert(SESSION, tokens::joined(tokens)).unwrap();
        self.db.flush().unwrap();
        self.log.sync_data().unwrap();
    }

    fn lock_and_unlock(&self) {
        drop(self.lock.lock().unwrap());
    }

    fn another(&self) -> Self {
        self.clone()
    }
}

/// A nonce and what is encrypted with it, in one file.
#[derive(Clone)]
pub(crate) struct Files {
    directory: PathBuf,
    key: Arc<LessSafeKey>,
}

impl Files {
    pub(crate) fn open(directory: &Path) -> Self {
        fs::create_dir(directory).unwrap();
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap();
        Self {
            directory: directory.to_owned(),
            key: Arc::new(LessSafeKey::new(key)),
        }
    }

    fn seal(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let nonce = random();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut bytes,
            )
            .unwrap();
        [&nonce[..], &bytes].concat()
    }
}

impl Raw for Files {
    fn get(&self, key: PersistKey) -> String {
        let mut bytes = fs::read(self.directory.join("session")).unwrap();
        let (nonce, sealed) = bytes.split_at_mut(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        let opened = self.key.open_in_place(nonce, Aad::empty(), sealed);
        tokens::value(opened.unwrap(), key)
    }

    fn update(&self, tokens: &[(PersistKey, String); 3]) {
        let temporary = self.directory.join("session.tmp");
        let mut file = private().create_new(true).open(&temporary).unwrap();
        file.write_all(&self.seal(tokens::joined(tokens))).unwrap();
        file.sync_all().unwrap();
        fs::rename(&temporary, self.directory.join("session")).unwrap();
        #[cfg(unix)]
        File::open(&self.directory).unwrap().sync_all().unwrap();
    }

    fn lock_and_unlock(&self) {
        let file = private().create(true).open(self.directory.join("lock"));
        let file = file.unwrap();
        file.try_lock().unwrap();
        file.unlock().unwrap();
    }

    fn another(&self) -> Self {
        self.clone()
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn random() -> [u8; NONCE_LEN] {
    let mut bytes = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}
