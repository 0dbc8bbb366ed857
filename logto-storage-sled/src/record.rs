//! The bytes of one session.
//!
//! ```text
//! used_at (8) version (16) number of digests (1) digest (32)* data
//! ```
//!
//! Numbers are big-endian; `used_at` is milliseconds since 1970. The digests are those of the owner, the user's
//! first; the data is UTF-8.

use std::str;

use logto_core::{OwnerDigest, Record, SessionOwner, Version};

/// The time of the last use, the version and the number of digests.
const HEADER: usize = 8 + 16 + 1;

/// A stored session.
pub(crate) struct Stored<'a> {
    pub(crate) used_at: i64,
    pub(crate) version: Version,
    pub(crate) owner: Option<SessionOwner>,
    data: &'a str,
}

/// The bytes are not a record.
#[derive(Debug)]
pub(crate) struct Damaged;

impl<'a> Stored<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let (used_at, rest) = bytes.split_first_chunk().ok_or(Damaged)?;
        let (version, rest) = rest.split_first_chunk().ok_or(Damaged)?;
        let (owner, data) = parse_owner(rest)?;
        Ok(Self {
            used_at: i64::from_be_bytes(*used_at),
            version: Version::from_bytes(*version),
            owner,
            data: str::from_utf8(data).map_err(|_| Damaged)?,
        })
    }

    pub(crate) fn to_record(&self) -> Record {
        Record::stored(self.version, self.owner, self.data)
    }
}

fn parse_owner(bytes: &[u8]) -> Result<(Option<SessionOwner>, &[u8]), Damaged> {
    let ([count], rest) = bytes.split_first_chunk().ok_or(Damaged)?;
    let (digests, rest) = rest
        .split_at_checked(usize::from(*count) * 32)
        .ok_or(Damaged)?;
    let digest = |bytes: &[u8; 32]| OwnerDigest::from_bytes(*bytes);
    let owner = match digests.as_chunks().0 {
        [] => None,
        [user] => Some(SessionOwner::from_digests(digest(user), None)),
        [user, server_session] => {
            let server_session = Some(digest(server_session));
            Some(SessionOwner::from_digests(digest(user), server_session))
        }
        _ => return Err(Damaged),
    };
    Ok((owner, rest))
}

pub(crate) fn to_bytes(record: &Record, used_at: i64) -> Vec<u8> {
    let digests: Vec<_> = record
        .owner()
        .iter()
        .flat_map(SessionOwner::digests)
        .collect();
    let mut bytes = Vec::with_capacity(HEADER + 32 * digests.len() + record.data().len());
    bytes.extend(used_at.to_be_bytes());
    bytes.extend(record.version().as_bytes());
    bytes.push(digests.len() as u8); // at most 2
    for digest in digests {
        bytes.extend(digest.as_bytes());
    }
    bytes.extend(record.data().as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> [Record; 3] {
        let owner = |sid| Some(SessionOwner::new("https://issuer", "alice", sid));
        [None, owner(None), owner(Some("sid"))].map(|owner| Record::new(owner, "präcious"))
    }

    #[test]
    fn record_is_read_as_it_was_written() {
        for record in records() {
            let bytes = to_bytes(&record, -7);
            let stored = Stored::parse(&bytes).unwrap();
            assert_eq!(stored.used_at, -7);
            assert_eq!(stored.to_record(), record);
        }
    }

    #[test]
    fn record_format_is_this() {
        let version = Version::from_bytes([9; 16]);
        let owner = SessionOwner::from_digests(OwnerDigest::from_bytes([8; 32]), None);
        let record = Record::stored(version, Some(owner), "data");
        let expected = [&[0xff; 7][..], &[0xf9], &[9; 16], &[1], &[8; 32], b"data"];
        assert_eq!(to_bytes(&record, -7), expected.concat());
    }

    #[test]
    fn record_that_is_cut_or_overwritten_is_damaged() {
        for record in records() {
            let bytes = to_bytes(&record, 0);
            for length in 0..bytes.len() - record.data().len() {
                assert!(Stored::parse(&bytes[..length]).is_err(), "{length}");
            }
            let mut invalid = bytes.clone();
            *invalid.last_mut().unwrap() = 0xff;
            assert!(Stored::parse(&invalid).is_err());
            let mut three = bytes;
            three[HEADER - 1] = 3;
            three.extend([0; 96]);
            assert!(Stored::parse(&three).is_err());
        }
    }
}
