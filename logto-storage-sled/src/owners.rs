//! By whom sessions are found: a tree of names, written in one transaction with the records. A record is
//! the truth, and a name that it does not bear out finds nothing.

use std::borrow::Cow;
use std::str;

use logto_core::{
    IdleLifetime, OwnerDigest, PersistKey, SessionOwner, StorageError, StorageErrorKind,
};

use crate::database::{Database, Writes};
use crate::record::{Record, Value};

/// The names of the owner's live sessions. Called in the turn to write, so that none is renamed
/// meanwhile.
pub(crate) fn find(
    database: &Database,
    idle: &IdleLifetime,
    owner: &OwnerDigest,
) -> Result<Vec<[u8; 32]>, StorageError> {
    let mut found = Vec::new();
    let now = idle.now();
    for session in database.named_by(owner)? {
        let Some(bytes) = database.record(&session)? else {
            continue;
        };
        let Ok(record) = Record::parse(&bytes) else {
            // Nobody can be signed in by it.
            log::warn!("a damaged session of a user is passed over");
            continue;
        };
        let owned_by = match of(database, &record) {
            Err(error) if error.kind() == StorageErrorKind::Corrupt => {
                log::warn!("a session whose owner is damaged is passed over");
                None
            }
            owned_by => owned_by?,
        };
        if !idle.is_over(record.used_at, now) && owned_by.is_some_and(|found| found.is(owner)) {
            found.push(session);
        }
    }
    Ok(found)
}

/// By whom the session of this record is found.
pub(crate) fn of(
    database: &Database,
    record: &Record<'_>,
) -> Result<Option<SessionOwner>, StorageError> {
    let text = match record.value(PersistKey::Owner.as_str()) {
        None => return Ok(None),
        Some(Value::Inside(text)) => Cow::Borrowed(text),
        Some(Value::Beside(beside)) => match database.beside(beside)? {
            Some(text) => Cow::Owned(text),
            None => return Err(database.damaged()),
        },
    };
    Ok(str::from_utf8(&text).ok().and_then(SessionOwner::of_value))
}

/// Puts one owner of a session in the place of another.
pub(crate) fn replace(
    writes: &mut Writes,
    session: [u8; 32],
    before: Option<SessionOwner>,
    after: Option<SessionOwner>,
) {
    for gone in before.iter().flat_map(SessionOwner::digests) {
        writes.owner(gone, session, false);
    }
    for owner in after.iter().flat_map(SessionOwner::digests) {
        writes.owner(owner, session, true);
    }
}
