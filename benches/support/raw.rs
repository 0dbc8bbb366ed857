//! The libraries under the storages, as a careful program would use them for one session.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use rusqlite::{Connection, Transaction, TransactionBehavior};

const SESSION: [u8; 32] = [7; 32];

/// One library without us.
pub(crate) trait Raw: Send {
    fn get(&self) -> String;
    fn update(&self, data: &str);
    fn lock_and_unlock(&self);

    /// The same place, for another thread.
    fn another(&self) -> Self
    where
        Self: Sized;
}

#[derive(Clone, Default)]
pub(crate) struct Memory {
    sessions: Arc<Mutex<HashMap<[u8; 32], Arc<str>>>>,
    lock: Arc<Mutex<()>>,
}

impl Raw for Memory {
    fn get(&self) -> String {
        self.sessions.lock().unwrap()[&SESSION].to_string()
    }

    fn update(&self, data: &str) {
        self.sessions.lock().unwrap().insert(SESSION, data.into());
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
    connection: Connection,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Self {
        let tables = "
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS sessions (session BLOB PRIMARY KEY, data TEXT) STRICT;
        ";
        Self {
            path: path.to_owned(),
            connection: connect(path, tables),
        }
    }
}

fn connect(path: &Path, settings: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection.execute_batch(settings).unwrap();
    connection
}

impl Raw for Sqlite {
    fn get(&self) -> String {
        let select = "SELECT data FROM sessions WHERE session = ?1";
        let mut select = self.connection.prepare_cached(select).unwrap();
        select.query_row([SESSION], |row| row.get(0)).unwrap()
    }

    fn update(&self, data: &str) {
        let upsert = "INSERT INTO sessions (session, data) VALUES (?1, ?2)
                      ON CONFLICT (session) DO UPDATE SET data = excluded.data";
        let immediate = TransactionBehavior::Immediate;
        let transaction = Transaction::new_unchecked(&self.connection, immediate).unwrap();
        let mut upsert = self.connection.prepare_cached(upsert).unwrap();
        upsert.execute((SESSION, data)).unwrap();
        transaction.commit().unwrap();
    }

    /// A lock among processes is a file here too.
    fn lock_and_unlock(&self) {
        lock_and_unlock(&self.path.with_extension("lock"));
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
    fn get(&self) -> String {
        String::from_utf8(self.tree.get(SESSION).unwrap().unwrap().to_vec()).unwrap()
    }

    /// sled's own flush does not reach the disk on Linux.
    fn update(&self, data: &str) {
        self.tree.insert(SESSION, data.as_bytes()).unwrap();
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
    fn get(&self) -> String {
        let mut bytes = fs::read(self.directory.join("session")).unwrap();
        let (nonce, sealed) = bytes.split_at_mut(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        let opened = self.key.open_in_place(nonce, Aad::empty(), sealed);
        str::from_utf8(opened.unwrap()).unwrap().to_owned()
    }

    fn update(&self, data: &str) {
        let temporary = self.directory.join("session.tmp");
        let mut file = private().create_new(true).open(&temporary).unwrap();
        file.write_all(&self.seal(data.into())).unwrap();
        file.sync_all().unwrap();
        fs::rename(&temporary, self.directory.join("session")).unwrap();
        #[cfg(unix)]
        File::open(&self.directory).unwrap().sync_all().unwrap();
    }

    fn lock_and_unlock(&self) {
        lock_and_unlock(&self.directory.join("lock"));
    }

    fn another(&self) -> Self {
        self.clone()
    }
}

fn lock_and_unlock(path: &Path) {
    let file = private().create(true).open(path).unwrap();
    file.try_lock().unwrap();
    file.unlock().unwrap();
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
