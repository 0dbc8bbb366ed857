//! What the scripts that change a session answer.

use logto_core::{StorageError, StorageErrorKind};
use redis::{FromRedisValue, ParsingError, Value};

/// What a script that changes a session answers.
pub(crate) enum Reply {
    /// It is done, or there was nothing to do.
    Done,
    /// Nothing was changed: somebody else has had the lock.
    Lost,
    /// Nothing was changed: `@in` is of a rename that must be resolved first.
    Pending(Vec<u8>),
    /// Nothing was changed: `@out` is of a rename that must be resolved first.
    Unfinished(Vec<u8>),
    /// Nothing was changed: this owner must be put into the index first.
    Index(Vec<u8>),
    /// Names and values of the session.
    Begun(Vec<Vec<u8>>),
}

impl FromRedisValue for Reply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        if value == Value::Int(0) {
            return Ok(Self::Done);
        }
        let mut parts: Vec<Vec<u8>> = redis::from_redis_value(value)?;
        let rest = match parts.is_empty() {
            true => Vec::new(),
            false => parts.split_off(1),
        };
        let first = || rest.first().cloned().unwrap_or_default();
        match parts.first().map(Vec::as_slice) {
            Some(b"LOST") => Ok(Self::Lost),
            Some(b"PENDING") => Ok(Self::Pending(first())),
            Some(b"UNFINISHED") => Ok(Self::Unfinished(first())),
            Some(b"INDEX") => Ok(Self::Index(first())),
            Some(b"BEGUN") => Ok(Self::Begun(rest)),
            _ => Err("an answer that no script gives".to_owned().into()),
        }
    }
}

/// How often a change is tried again when others come in between.
pub(crate) const TRIES: usize = 16;

/// Others came in between each time.
pub(crate) fn contended() -> StorageError {
    StorageError::new(
        StorageErrorKind::Busy,
        "others kept writing the session or renaming it; nothing was written",
    )
}

/// What is stored is not as this crate writes it.
pub(crate) fn corrupt(what: &'static str) -> StorageError {
    StorageError::new(StorageErrorKind::Corrupt, what)
}

/// A script gave an answer that is none of its own.
pub(crate) fn unexpected() -> StorageError {
    corrupt("a script on the Redis server gave an answer that it does not have")
}
