//! A session's hash, and the record that it holds.

use logto_core::{OwnerDigest, Record, SessionOwner, StorageError, Version};
use redis::Pipeline;

use crate::error::damaged;
use crate::lifetime::Lifetime;

/// What the server says of a session: its fields, and how long it still lives.
pub(crate) type Answer = (Fields, i64);

type Field = Option<Vec<u8>>;
pub(crate) type Fields = (Field, Field, Field, Field);

/// Asks for a session's fields, the last of which is `data`, or `none`, which no session has.
pub(crate) fn ask(commands: &mut Pipeline, key: &str, last: &str) {
    let fields = ["version", "owner", "used", last];
    commands.cmd("HMGET").arg(key).arg(&fields);
}

/// Whether there is a session that lives. One that is damaged does, since nobody can tell.
pub(crate) fn is_live(fields: &Fields, lifetime: &Lifetime) -> bool {
    *fields != Fields::default() && !lifetime.is_over(used(fields))
}

/// When it was last used by the caller's clock.
pub(crate) fn used(fields: &Fields) -> Option<i64> {
    str::from_utf8(fields.2.as_deref()?).ok()?.parse().ok()
}

/// The record of a live session.
pub(crate) fn read((version, owner, _, data): Fields) -> Result<Record, StorageError> {
    let version = version
        .as_deref()
        .and_then(version_of)
        .ok_or_else(damaged)?;
    let owner = match owner.as_deref() {
        Some(b"") => None,
        Some(text) => Some(owner_of(text).ok_or_else(damaged)?),
        None => return Err(damaged()),
    };
    let data = data.and_then(|data| String::from_utf8(data).ok());
    Ok(Record::stored(version, owner, data.ok_or_else(damaged)?))
}

fn owner_of(text: &[u8]) -> Option<SessionOwner> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// Whether a session that these fields are of has this owner.
pub(crate) fn is_owned(fields: &Fields, owner: &OwnerDigest) -> bool {
    let found = fields.1.as_deref().and_then(owner_of);
    found.is_some_and(|found| found.matches(owner))
}

fn version_of(text: &[u8]) -> Option<Version> {
    let text = str::from_utf8(text).ok()?;
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    Some(Version::from_bytes(number.to_be_bytes()))
}

/// A version as it is stored; nothing stands for none.
pub(crate) fn text_of(version: Option<Version>) -> String {
    let hex = |version: Version| format!("{:032x}", u128::from_be_bytes(*version.as_bytes()));
    version.map(hex).unwrap_or_default()
}
