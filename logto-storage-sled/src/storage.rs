//! One session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{
    Change, IdleLifetime, PersistKey, Storage, StorageError, StorageErrorKind, StorageLock,
};

use crate::database::{Database, Writes};
use crate::known::Known;
use crate::record::{self, Beside, Record, Value};
use crate::store::Shared;
use crate::{error, owners};

/// How often a value is looked for that was replaced while it was read, before writers have to wait.
const TRIES: usize = 8;

/// Longer values are refused.
const LONGEST_VALUE: usize = 16 * 1024 * 1024;

/// One session of a [`SledStore`](crate::SledStore), named by the digest of its id.
pub(crate) struct SledStorage {
    shared: Arc<Shared>,
    session: [u8; 32],
    known: Known,
}

/// What a look at a session showed.
enum Look {
    /// When it was used last, and the value.
    Found(i64, Option<String>),
    Absent,
    /// The value was replaced meanwhile.
    Replaced,
}

impl SledStorage {
    pub(crate) fn new(shared: Arc<Shared>, session: [u8; 32]) -> Self {
        Self {
            shared,
            session,
            known: Known::default(),
        }
    }

    fn database(&self) -> &Database {
        &self.shared.database
    }

    fn idle(&self) -> &IdleLifetime {
        &self.shared.idle
    }

    fn find(&self, key: PersistKey) -> Result<Option<(i64, Option<String>)>, StorageError> {
        for _ in 0..TRIES {
            match self.look(key)? {
                Look::Found(used_at, value) => return Ok(Some((used_at, value))),
                Look::Absent => return Ok(None),
                Look::Replaced => {}
            }
        }
        let _turn = self.database().writer();
        match self.look(key)? {
            Look::Found(used_at, value) => Ok(Some((used_at, value))),
            Look::Absent => Ok(None),
            Look::Replaced => Err(self.database().damaged()),
        }
    }

    fn look(&self, key: PersistKey) -> Result<Look, StorageError> {
        let database = self.database();
        let Some(bytes) = database.record(&self.session)? else {
            return Ok(Look::Absent);
        };
        let damaged = |_| database.damaged();
        let (used_at, value) = record::find(&bytes, key.as_str()).map_err(damaged)?;
        let text = match value {
            None => return Ok(Look::Found(used_at, None)),
            Some(Value::Inside(text)) => record::text(text.to_vec()).map_err(damaged)?,
            Some(Value::Beside(beside)) => match self.beside(beside)? {
                Some(text) => text,
                None => return Ok(Look::Replaced),
            },
        };
        Ok(Look::Found(used_at, Some(text)))
    }

    /// A value beside its record; `None` if it was replaced since the record was read.
    fn beside(&self, beside: Beside) -> Result<Option<String>, StorageError> {
        if let Some(text) = self.known.text(beside) {
            return Ok(Some(text));
        }
        let database = self.database();
        let Some(bytes) = database.beside(beside)? else {
            return Ok(None);
        };
        let text = record::text(bytes).map_err(|_| database.damaged())?;
        self.known.note(beside, &text);
        Ok(Some(text))
    }

    /// Makes these changes, which are not durable yet. Whether there was anything to write.
    fn write(&self, changes: &[Change<'_>]) -> Result<bool, StorageError> {
        let database = self.database();
        check_lengths(database, changes)?;
        let _turn = database.writer();
        let writes = apply(database, self.idle(), &self.session, changes)?;
        let Some(writes) = writes else {
            return Ok(false);
        };
        database.write(&writes)?;
        Ok(true)
    }

    /// Best effort: a session that was read is there, whether or not that could be noted.
    fn note_use(&self, seen: i64, now: i64) {
        if let Some(_turn) = self.database().writer_now()
            && let Err(error) = self.try_note_use(seen, now)
        {
            log::debug!("the use of a session is noted at a later read: {error}");
        }
    }

    fn try_note_use(&self, seen: i64, now: i64) -> Result<(), StorageError> {
        let database = self.database();
        let Some(bytes) = database.record(&self.session)? else {
            return Ok(());
        };
        let mut record = Record::parse(&bytes).map_err(|_| database.damaged())?;
        if record.used_at != seen {
            return Ok(());
        }
        record.used_at = now;
        let mut writes = Writes::default();
        writes.session(self.session, Some(record.to_bytes()));
        // sled makes it durable within half a second, or with the next write.
        database.write(&writes)
    }
}

impl fmt::Debug for SledStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStorage")
            .field("path", &self.database().path())
            .finish_non_exhaustive()
    }
}

impl Storage for SledStorage {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let Some((used_at, value)) = self.find(key)? else {
            return Ok(None);
        };
        let now = self.idle().now();
        if self.idle().is_over(used_at, now) {
            return Ok(None);
        }
        if self.idle().should_note(used_at, now) {
            self.note_use(used_at, now);
        }
        Ok(value)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.update(&[Change { key, value }])
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        match self.write(changes)? {
            true => self.database().sync(),
            false => Ok(()),
        }
    }

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        match self.write(changes)? {
            true => self.database().flush(),
            false => Ok(()),
        }
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let lock = self.database().locks().lock(self.session, timeout)?;
        Ok(StorageLock::new(lock))
    }
}

pub(crate) fn check_lengths(
    database: &Database,
    changes: &[Change<'_>],
) -> Result<(), StorageError> {
    let values = changes.iter().filter_map(|change| change.value);
    if values.map(str::len).max().unwrap_or(0) > LONGEST_VALUE {
        return Err(error::new(
            StorageErrorKind::Backend,
            "written",
            database.path(),
            "a value is longer than 16 MiB",
        ));
    }
    Ok(())
}

/// What must be written for these changes, if anything.
fn apply(
    database: &Database,
    idle: &IdleLifetime,
    session: &[u8; 32],
    changes: &[Change<'_>],
) -> Result<Option<Writes>, StorageError> {
    let now = idle.now();
    let stored = database.record(session)?;
    let parse = |bytes| Record::parse(bytes).map_err(|_| database.damaged());
    let before = stored.as_deref().map(parse).transpose()?;
    let live = |record: &&Record<'_>| !idle.is_over(record.used_at, now);
    let mut after = before.as_ref().filter(live).cloned().unwrap_or_default();
    let is_owned_anew = before.as_ref().is_none_or(|before| !live(&before))
        || changes.iter().any(|change| change.key == PersistKey::Owner);
    for change in changes {
        after.set(change.key.as_str(), change.value);
    }
    if before.is_none() && after.is_empty() {
        return Ok(None);
    }
    after.used_at = now;
    let before = before.unwrap_or_default();
    let mut writes = Writes::default();
    if is_owned_anew {
        // A damaged owner must not stand in the way for ever: a name that is left finds nothing.
        let gone = owners::of(database, &before).unwrap_or_default();
        let new = owners::of(database, &after)?;
        owners::replace(&mut writes, *session, gone, new);
    }
    replace(session, &before, after, &mut writes);
    Ok(Some(writes))
}

/// Makes a session of these changes alone, whatever it was.
pub(crate) fn apply_to_empty(
    database: &Database,
    now: i64,
    session: &[u8; 32],
    changes: &[Change<'_>],
    writes: &mut Writes,
) -> Result<(), StorageError> {
    let stored = database.record(session)?;
    // A damaged record must not stand in the way for ever.
    let before = stored.as_deref().map(Record::parse).transpose();
    let before = before.ok().flatten().unwrap_or_default();
    let mut after = Record::default();
    for change in changes {
        after.set(change.key.as_str(), change.value);
    }
    after.used_at = now;
    let gone = owners::of(database, &before).unwrap_or_default();
    let new = owners::of(database, &after)?;
    owners::replace(writes, *session, gone, new);
    replace(session, &before, after, writes);
    Ok(())
}

/// Puts one record in the place of another, with the values beside it.
fn replace(session: &[u8; 32], before: &Record<'_>, mut after: Record<'_>, writes: &mut Writes) {
    for gone in before.beside() {
        if after.beside().all(|kept| kept != gone) {
            writes.remove(gone);
        }
    }
    for (beside, text) in after.shorten() {
        writes.add(beside, text);
    }
    let record = (!after.is_empty()).then(|| after.to_bytes());
    writes.session(*session, record);
}
