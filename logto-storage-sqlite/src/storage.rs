//! The sessions in one file.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::files::LockFiles;
use logto_core::{
    Clock, DEFAULT_IDLE_LIFETIME, IdleLifetime, OwnerDigest, Record, SessionKey, SessionOwner,
    Storage, StorageError, StorageLock, SystemClock, Version,
};
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, Row, TransactionBehavior, params};

use crate::connections::Connections;

/// How long a call waits for another writer by default.
const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a load may be held up to note it.
const NOTE_TIMEOUT: Duration = Duration::from_millis(100);

/// How many sessions are listed in one go, and how many are purged.
const PAGE: usize = 500;
const PURGED_AT_ONCE: usize = 50;

/// The longest time that a purge leaves to other writers between two of its steps.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Sessions in one SQLite file.
///
/// `Clone` is cheap and shares the connections to the file. Storages that were opened apart, in this
/// process or in others, see the same sessions.
///
/// ```
/// use logto_core::{Record, SessionKey, Storage};
/// use logto_storage_sqlite::SqliteStorage;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sessions.db");
/// let storage = SqliteStorage::open(path)?;
/// let record = Record::new(None, "{}");
/// storage.save(&SessionKey::ONLY, &record, None)?;
/// assert_eq!(storage.clone().load(&SessionKey::ONLY)?, Some(record));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStorage {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Connections,
    locks: LockFiles,
    idle: IdleLifetime,
}

impl SqliteStorage {
    /// Opens the database at this path with the defaults of the [builder](Self::builder), and
    /// creates it if there is none. Its directory must exist.
    ///
    /// # Errors
    ///
    /// Same as [`SqliteStorageBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder(path).open()
    }

    /// Sets what differs from the defaults.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStorageBuilder {
        SqliteStorageBuilder {
            path: path.as_ref().to_owned(),
            idle_lifetime: DEFAULT_IDLE_LIFETIME,
            busy_timeout: DEFAULT_BUSY_TIMEOUT,
            clock: Arc::new(SystemClock),
        }
    }

    /// The last use before which a session counts as absent.
    fn oldest_live(&self) -> i64 {
        self.inner.idle.oldest_live(self.inner.idle.now())
    }

    /// Failing to note a use fails no load.
    fn note_use(&self, session: &SessionKey, now: i64) {
        let sql = "UPDATE sessions SET last_used = ?2 WHERE session = ?1";
        let noted = self
            .inner
            .connections
            .write_within(NOTE_TIMEOUT, |connection| {
                let mut update = connection.prepare_cached(sql)?;
                update.execute((session.to_hex(), now))
            });
        if let Err(error) = noted {
            log::debug!("the use of a session could not be noted: {error}");
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Storage for SqliteStorage {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        let (idle, now) = (&self.inner.idle, self.inner.idle.now());
        let sql = "SELECT last_used, version, user, server_session, data FROM sessions
                   WHERE session = ?1 AND last_used >= ?2";
        let found = self.inner.connections.read(|connection| {
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query((session.to_hex(), idle.oldest_live(now)))?;
            let row = rows.next()?;
            row.map(|row| Ok((row.get::<_, i64>(0)?, record(row)?)))
                .transpose()
        })?;
        let Some((last_used, record)) = found else {
            return Ok(None);
        };
        if idle.should_note(last_used, now) {
            self.note_use(session, now);
        }
        Ok(Some(record))
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let (oldest, now) = (self.oldest_live(), self.inner.idle.now());
        let saved = self
            .inner
            .connections
            .write(|connection| save(connection, session, record, expected, (oldest, now)))?;
        saved.then_some(()).ok_or_else(StorageError::conflict)
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        let sql = "DELETE FROM sessions WHERE session = ?1";
        self.inner.connections.write(|connection| {
            let mut delete = connection.prepare_cached(sql)?;
            delete.execute([session.to_hex()]).map(drop)
        })
    }

    /// One transaction.
    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let (oldest, now) = (self.oldest_live(), self.inner.idle.now());
        let replaced = self.inner.connections.write(|connection| {
            let immediate = TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(immediate)?;
            let replaced = match expected {
                Some(version) => {
                    delete_expired(&transaction, to, oldest)?;
                    update(&transaction, (from, version), to, record, (oldest, now))?
                }
                None => {
                    delete_expired(&transaction, from, oldest)?;
                    !exists(&transaction, from)?
                        && save(&transaction, to, record, None, (oldest, now))?
                }
            };
            if replaced {
                transaction.commit()?;
            }
            Ok(replaced)
        })?;
        replaced.then_some(()).ok_or_else(StorageError::conflict)
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        Ok(StorageLock::new(self.inner.locks.lock(session, timeout)?))
    }

    /// Deletes some sessions at a time, and leaves other writers as much time as that took.
    fn purge_expired(&self) -> Result<u64, StorageError> {
        let sql = "DELETE FROM sessions WHERE rowid IN
                   (SELECT rowid FROM sessions WHERE last_used < ?1 LIMIT ?2)";
        let (oldest, mut purged) = (self.oldest_live(), 0);
        loop {
            let started = Instant::now();
            let deleted = self.inner.connections.write(|connection| {
                let mut delete = connection.prepare_cached(sql)?;
                delete.execute(params![oldest, PURGED_AT_ONCE as i64])
            })?;
            purged += deleted as u64;
            if deleted < PURGED_AT_ONCE {
                return Ok(purged);
            }
            thread::sleep(started.elapsed().min(LONGEST_PAUSE));
        }
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let sql = "SELECT session FROM sessions WHERE user = ?1 AND last_used >= ?2
                   UNION
                   SELECT session FROM sessions WHERE server_session = ?1 AND last_used >= ?2";
        let oldest = self.oldest_live();
        self.inner
            .connections
            .read(|connection| keys(connection, sql, params![owner.to_string(), oldest]))
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&SessionKey) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let sql = "SELECT session FROM sessions WHERE session > ?1 AND last_used >= ?2
                   ORDER BY session LIMIT ?3";
        let mut behind = String::new();
        loop {
            let oldest = self.oldest_live();
            let page = self
                .inner
                .connections
                .read(|connection| keys(connection, sql, params![behind, oldest, PAGE as i64]))?;
            page.iter().try_for_each(&mut *visit)?;
            match page.last() {
                Some(last) => behind = last.to_hex(),
                None => return Ok(()),
            }
        }
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage")
            .field("path", &self.inner.connections.path())
            .finish_non_exhaustive()
    }
}

/// Whether it was saved; `times` are the oldest live use and now.
fn save(
    connection: &Connection,
    session: &SessionKey,
    record: &Record,
    expected: Option<Version>,
    times: (i64, i64),
) -> rusqlite::Result<bool> {
    let Some(version) = expected else {
        let sql = "INSERT INTO sessions (session, version, user, server_session, data, last_used)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (session) DO UPDATE SET version = ?2, user = ?3, server_session = ?4,
                       data = ?5, last_used = ?6 WHERE last_used < ?7";
        let mut insert = connection.prepare_cached(sql)?;
        let owner = Owner::of(record);
        let (oldest, now) = times;
        let saved = insert.execute(params![
            session.to_hex(),
            hex(record.version()),
            owner.user,
            owner.server_session,
            record.data(),
            now,
            oldest,
        ])?;
        return Ok(saved == 1);
    };
    update(connection, (session, version), session, record, times)
}

/// Puts the record in the place of another one, under the same key or a new one. The row stays where it is.
fn update(
    connection: &Connection,
    (from, expected): (&SessionKey, Version),
    to: &SessionKey,
    record: &Record,
    (oldest, now): (i64, i64),
) -> rusqlite::Result<bool> {
    let sql = "UPDATE sessions SET version = ?3, user = ?4, server_session = ?5, data = ?6,
                   last_used = ?7 WHERE session = ?1 AND version = ?2 AND last_used >= ?8";
    let moving = "UPDATE sessions SET session = ?9, version = ?3, user = ?4, server_session = ?5,
                      data = ?6, last_used = ?7
                  WHERE session = ?1 AND version = ?2 AND last_used >= ?8";
    let owner = Owner::of(record);
    let (from_hex, to_hex) = (from.to_hex(), to.to_hex());
    let (expected, version) = (hex(expected), hex(record.version()));
    let updated = match from == to {
        true => connection.prepare_cached(sql)?.execute(params![
            from_hex,
            expected,
            version,
            owner.user,
            owner.server_session,
            record.data(),
            now,
            oldest,
        ]),
        false => connection.prepare_cached(moving)?.execute(params![
            from_hex,
            expected,
            version,
            owner.user,
            owner.server_session,
            record.data(),
            now,
            oldest,
            to_hex,
        ]),
    };
    match updated {
        // Another session is under the new key.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Ok(false)
        }
        updated => Ok(updated? == 1),
    }
}

fn delete_expired(
    connection: &Connection,
    session: &SessionKey,
    oldest: i64,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM sessions WHERE session = ?1 AND last_used < ?2";
    let mut delete = connection.prepare_cached(sql)?;
    delete.execute((session.to_hex(), oldest)).map(drop)
}

fn exists(connection: &Connection, session: &SessionKey) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sessions WHERE session = ?1";
    connection.prepare_cached(sql)?.exists([session.to_hex()])
}

/// A key that is damaged names no session.
fn keys(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<SessionKey>> {
    let mut select = connection.prepare_cached(sql)?;
    let keys = select.query_map(parameters, |row| row.get::<_, String>(0))?;
    keys.filter_map(|key| key.map(|key| SessionKey::from_hex(&key)).transpose())
        .collect()
}

/// Behind the last use: the version, the owner and the data.
fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let version = text_in(row, 1, |text| {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten();
        number.map(|number| Version::from_bytes(number.to_be_bytes()))
    })?;
    let digest = |column| match row.get_ref(column)?.data_type() {
        Type::Null => Ok(None),
        _ => text_in(row, column, |text| OwnerDigest::from_str(text).ok()).map(Some),
    };
    let owner = match (digest(2)?, digest(3)?) {
        (Some(user), server_session) => Some(SessionOwner::from_digests(user, server_session)),
        (None, _) => None,
    };
    Ok(Record::stored(version, owner, row.get::<_, String>(4)?))
}

/// The text of a column as something else. One that cannot be read is damaged.
fn text_in<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let invalid = || {
        let why = "it has another form".into();
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why)
    };
    parse(&text).ok_or_else(invalid)
}

struct Owner {
    user: Option<String>,
    server_session: Option<String>,
}

impl Owner {
    fn of(record: &Record) -> Self {
        let owner = record.owner();
        let server_session = owner.and_then(|owner| owner.server_session());
        Self {
            user: owner.map(|owner| owner.user().to_string()),
            server_session: server_session.map(|digest| digest.to_string()),
        }
    }
}

fn hex(version: Version) -> String {
    format!("{:032x}", u128::from_be_bytes(*version.as_bytes()))
}

/// Settings of a [`SqliteStorage`].
#[derive(Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct SqliteStorageBuilder {
    path: PathBuf,
    idle_lifetime: Duration,
    busy_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl SqliteStorageBuilder {
    /// How long a session may lie unused before it expires, in whole milliseconds. Default:
    /// [`DEFAULT_IDLE_LIFETIME`].
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle_lifetime = lifetime;
        self
    }

    /// The clock that idle time is measured by. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How long a write waits while others write, before it fails with
    /// [`Busy`](logto_core::StorageErrorKind::Busy). Default: 5 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the database, and creates it if there is none. Its directory must exist.
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](logto_core::StorageErrorKind::PermissionDenied) if the file cannot be
    ///   created, read and written; the message says why.
    /// - [`Corrupt`](logto_core::StorageErrorKind::Corrupt) if it is no SQLite database, a damaged
    ///   one, or another application's. It has not been changed.
    /// - [`NewerFormat`](logto_core::StorageErrorKind::NewerFormat) if a newer version of this crate
    ///   wrote it. It has not been changed.
    /// - [`Busy`](logto_core::StorageErrorKind::Busy) if another process held it for too long.
    pub fn open(self) -> Result<SqliteStorage, StorageError> {
        let connections = Connections::open(&self.path, self.busy_timeout)?;
        // A symbolic link leads to the locks of the one file.
        let path = connections.path();
        let mut locks = path
            .canonicalize()
            .map_or_else(|_| path.into(), OsString::from);
        locks.push("-locks");
        Ok(SqliteStorage {
            inner: Arc::new(Inner {
                connections,
                locks: LockFiles::new(locks),
                idle: IdleLifetime::new(self.idle_lifetime, self.clock),
            }),
        })
    }
}
