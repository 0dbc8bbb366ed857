//! What is in the box: one session.

use logto_core::{Change, PersistKey, SessionOwner};
use zeroize::Zeroizing;

const VERSION: u8 = 1;

/// A session: everything it borrows is secret, and is where it was read from or given.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Record<'a> {
    /// In milliseconds since 1970.
    pub(crate) used_at: i64,
    /// Whether the key of today has sealed it, and so named the marks of its owner.
    pub(crate) is_current: bool,
    /// The digests of the session's id, and of its next one while it is renamed.
    owners: Vec<[u8; 32]>,
    /// By name: those that only a newer version knows are kept.
    values: Vec<(&'a str, &'a str)>,
}

/// Why bytes are not the record of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordError {
    Malformed,
    NewerVersion(u8),
    OfAnotherSession,
}

impl<'a> Record<'a> {
    pub(crate) fn new(owner: [u8; 32], used_at: i64) -> Self {
        Self {
            used_at,
            is_current: true,
            owners: vec![owner],
            values: Vec::new(),
        }
    }

    pub(crate) fn parse(bytes: &'a [u8], owner: &[u8; 32]) -> Result<Self, RecordError> {
        let record = Self::parse_any(bytes)?;
        match record.owners.contains(owner) {
            true => Ok(record),
            false => Err(RecordError::OfAnotherSession),
        }
    }

    fn parse_any(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut rest = bytes;
        match take_array(&mut rest)? {
            [VERSION] => {}
            [0] => return Err(RecordError::Malformed),
            [newer] => return Err(RecordError::NewerVersion(newer)),
        }
        let mut record = Self {
            used_at: i64::from_be_bytes(take_array(&mut rest)?),
            is_current: true,
            owners: take_owners(&mut rest)?,
            values: Vec::new(),
        };
        while !rest.is_empty() {
            let [length] = take_array(&mut rest)?;
            let name = take_text(&mut rest, length.into())?;
            let length = u32::from_be_bytes(take_array(&mut rest)?);
            let value = take_text(&mut rest, length as usize)?;
            if record.position(name).is_some() {
                return Err(RecordError::Malformed);
            }
            record.values.push((name, value));
        }
        Ok(record)
    }

    /// The bytes of this record, if no value is too long for it: the file's limit is lower.
    pub(crate) fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let values = self.values.iter();
        let lengths = values.map(|(name, value)| 5 + name.len() + value.len());
        // In one piece, so that no copy is left behind that nobody overwrites.
        let length = 10 + 32 * self.owners.len() + lengths.sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.push(VERSION);
        bytes.extend(self.used_at.to_be_bytes());
        bytes.push(self.owners.len() as u8);
        bytes.extend(self.owners.as_flattened());
        for (name, value) in &self.values {
            bytes.push(name.len() as u8);
            bytes.extend(name.as_bytes());
            bytes.extend(u32::try_from(value.len()).ok()?.to_be_bytes());
            bytes.extend(value.as_bytes());
        }
        Some(bytes)
    }

    pub(crate) fn value(&self, key: PersistKey) -> Option<&'a str> {
        self.position(key.as_str()).map(|at| self.values[at].1)
    }

    /// By whom the session is found.
    pub(crate) fn owner(&self) -> Option<SessionOwner> {
        self.value(PersistKey::Owner)
            .and_then(SessionOwner::of_value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn apply(&mut self, changes: &[Change<'a>]) {
        for change in changes {
            let name = change.key.as_str();
            match (self.position(name), change.value) {
                (Some(at), Some(value)) => self.values[at].1 = value,
                (Some(at), None) => drop(self.values.remove(at)),
                (None, Some(value)) => self.values.push((name, value)),
                (None, None) => {}
            }
        }
    }

    /// The same for one session only, or for a session that is renamed.
    pub(crate) fn owned_by(mut self, owners: &[[u8; 32]]) -> Self {
        self.owners = owners.to_vec();
        self
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.values.iter().position(|(other, _)| *other == name)
    }
}

fn take_owners(rest: &mut &[u8]) -> Result<Vec<[u8; 32]>, RecordError> {
    match take_array(rest)? {
        [count @ 1..=2] => (0..count).map(|_| take_array(rest)).collect(),
        _ => Err(RecordError::Malformed),
    }
}

fn take_text<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a str, RecordError> {
    let (taken, left) = rest
        .split_at_checked(length)
        .ok_or(RecordError::Malformed)?;
    *rest = left;
    std::str::from_utf8(taken).map_err(|_| RecordError::Malformed)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], RecordError> {
    let (taken, left) = rest.split_first_chunk().ok_or(RecordError::Malformed)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use logto_core::PersistKey::{IdToken, RefreshToken};

    use super::*;

    const OWNER: [u8; 32] = [7; 32];

    fn record() -> Record<'static> {
        let mut record = Record::new(OWNER, -2);
        record.apply(&[Change::set(IdToken, "ü"), Change::set(RefreshToken, "")]);
        record
    }

    #[test]
    fn a_record_is_written_as_the_documentation_says() {
        let mut expected = vec![1, 255, 255, 255, 255, 255, 255, 255, 254, 1];
        expected.extend(OWNER);
        expected.extend(b"\x07idToken\x00\x00\x00\x02\xc3\xbc\x0crefreshToken\x00\x00\x00\x00");
        let bytes = record().encode().unwrap();
        assert_eq!(*bytes, expected);
        assert_eq!(bytes.len(), bytes.capacity());
        assert_eq!(Record::parse(&bytes, &OWNER).unwrap(), record());
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_malformed() {
        let mut bytes = record().encode().unwrap();
        let names_end = |length| length == 42 || length == 42 + 14;
        for length in 0..bytes.len() {
            let parsed = Record::parse(&bytes[..length], &OWNER);
            assert_eq!(parsed.is_ok(), names_end(length), "{length}");
        }
        bytes.push(0);
        assert_eq!(Record::parse(&bytes, &OWNER), Err(RecordError::Malformed));
    }

    #[test]
    fn a_value_that_is_there_twice_is_malformed() {
        let bytes = record().encode().unwrap();
        let twice = [&bytes[..], &bytes[42..]].concat();
        assert_eq!(Record::parse(&twice, &OWNER), Err(RecordError::Malformed));
    }

    #[test]
    fn versions_and_owners_are_checked() {
        let mut bytes = record().encode().unwrap();
        assert_eq!(
            Record::parse(&bytes, &[8; 32]),
            Err(RecordError::OfAnotherSession)
        );
        for (version, error) in [
            (0, RecordError::Malformed),
            (2, RecordError::NewerVersion(2)),
        ] {
            bytes[0] = version;
            assert_eq!(Record::parse(&bytes, &OWNER), Err(error));
        }
    }

    #[test]
    fn a_session_that_is_renamed_belongs_to_two() {
        let bytes = record().owned_by(&[OWNER, [8; 32]]).encode().unwrap();
        assert!(Record::parse(&bytes, &OWNER).is_ok());
        assert!(Record::parse(&bytes, &[8; 32]).is_ok());
        assert!(Record::parse(&bytes, &[9; 32]).is_err());
    }

    #[test]
    fn what_only_a_newer_version_knows_is_kept() {
        let mut bytes = Record::new(OWNER, 0).encode().unwrap().to_vec();
        bytes.extend(b"\x03new\x00\x00\x00\x01x");
        let mut record = Record::parse(&bytes, &OWNER).unwrap();
        record.apply(&[Change::set(IdToken, "a")]);
        record.apply(&[Change::remove(IdToken), Change::remove(RefreshToken)]);
        assert_eq!(*record.encode().unwrap(), bytes);
        assert!(!record.is_empty());
    }

    #[test]
    fn any_bytes_may_be_parsed() {
        let valid = record().encode().unwrap();
        for at in 0..valid.len() {
            for byte in 0..=255 {
                let mut bytes = valid.clone();
                bytes[at] = byte;
                let _ = Record::parse_any(&bytes);
            }
        }
    }
}
