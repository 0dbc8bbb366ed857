//! What is stored for a session: one record, and beside it the values that are too long for that.
//!
//! ```text
//! record = used_at (8 bytes) value*
//! value  = length of key (1) key  0  length (4) text          in the record
//!        | length of key (1) key  1  length (4) name (32)     beside it, in chunks
//! ```
//!
//! Numbers are big-endian; `used_at` is milliseconds since 1970.

use std::str;

use logto_core::SessionId;

/// Longer records have their longest values moved out. sled keeps up to 17 entries in a page, and
/// writes a page of more than 128 KiB into a file of its own, which takes more to make durable.
pub(crate) const LONGEST_RECORD: usize = 4096;

/// The size of the pieces of a value that was moved out, for the same reason.
pub(crate) const CHUNK: usize = 4096;

const INSIDE: u8 = 0;
const BESIDE: u8 = 1;

/// When the session was used last, and its values. Keys that this version does not know are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) used_at: i64,
    values: Vec<(&'a [u8], Value<'a>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Inside(&'a [u8]),
    Beside(Beside),
}

/// A value beside the record. Its name is used once and it never changes, so that all of its chunks
/// belong together whenever they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beside {
    name: [u8; 32],
    length: u32,
}

/// The bytes are not a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl<'a> Record<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut values = Values::of(bytes)?;
        Ok(Self {
            used_at: values.used_at,
            values: values.by_ref().collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn value(&self, key: &str) -> Option<Value<'a>> {
        let found = self.values.iter().find(|(k, _)| *k == key.as_bytes());
        found.map(|(_, value)| *value)
    }

    /// Sets a value, or removes it.
    pub(crate) fn set(&mut self, key: &'a str, value: Option<&'a str>) {
        self.values.retain(|(other, _)| *other != key.as_bytes());
        if let Some(value) = value {
            let value = Value::Inside(value.as_bytes());
            self.values.push((key.as_bytes(), value));
        }
    }

    /// Moves the longest values out until the rest is short enough.
    pub(crate) fn shorten(&mut self) -> Vec<(Beside, &'a [u8])> {
        let mut moved = Vec::new();
        while self.length() > LONGEST_RECORD
            && let Some((value, text)) = self.longest_inside()
        {
            let beside = Beside::new(text);
            *value = Value::Beside(beside);
            moved.push((beside, text));
        }
        moved
    }

    /// The values beside the record.
    pub(crate) fn beside(&self) -> impl Iterator<Item = Beside> {
        self.values.iter().filter_map(|(_, value)| match value {
            Value::Beside(beside) => Some(*beside),
            Value::Inside(_) => None,
        })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length());
        bytes.extend(self.used_at.to_be_bytes());
        for (key, value) in &self.values {
            // The keys of this crate are short, and those read had their length in one byte.
            bytes.push(key.len() as u8);
            bytes.extend(*key);
            value.write(&mut bytes);
        }
        bytes
    }

    fn longest_inside(&mut self) -> Option<(&mut Value<'a>, &'a [u8])> {
        let inside = self
            .values
            .iter_mut()
            .filter_map(|(_, value)| match *value {
                Value::Inside(text) => Some((value, text)),
                Value::Beside(_) => None,
            });
        inside.max_by_key(|(_, text)| text.len())
    }

    fn length(&self) -> usize {
        let values = self.values.iter();
        8 + values
            .map(|(key, value)| 1 + key.len() + value.length())
            .sum::<usize>()
    }
}

impl Value<'_> {
    fn length(&self) -> usize {
        match self {
            Self::Inside(text) => 5 + text.len(),
            Self::Beside(_) => 5 + 32,
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Inside(text) => {
                bytes.push(INSIDE);
                bytes.extend((text.len() as u32).to_be_bytes());
                bytes.extend(*text);
            }
            Self::Beside(beside) => {
                bytes.push(BESIDE);
                bytes.extend(beside.length.to_be_bytes());
                bytes.extend(beside.name);
            }
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Beside {
    pub(crate) fn new(text: &[u8]) -> Self {
        Self {
            name: SessionId::random().digest(),
            length: text.len() as u32,
        }
    }

    pub(crate) fn length(&self) -> usize {
        self.length as usize
    }

    /// The keys of its chunks, in order.
    pub(crate) fn chunk_keys(&self) -> impl Iterator<Item = [u8; 36]> {
        let name = self.name;
        (0..self.length().div_ceil(CHUNK) as u32).map(move |number| {
            let mut key = [0; 36];
            key[..32].copy_from_slice(&name);
            key[32..].copy_from_slice(&number.to_be_bytes());
            key
        })
    }
}

/// When the session of these bytes was used last, and one of its values.
pub(crate) fn find<'a>(bytes: &'a [u8], key: &str) -> Result<(i64, Option<Value<'a>>), Damaged> {
    let mut values = Values::of(bytes)?;
    let used_at = values.used_at;
    let found = values.find_map(|value| match value {
        Ok((other, value)) => (other == key.as_bytes()).then_some(Ok(value)),
        Err(damaged) => Some(Err(damaged)),
    });
    Ok((used_at, found.transpose()?))
}

/// When the session of these bytes was used last.
pub(crate) fn used_at(bytes: &[u8]) -> Result<i64, Damaged> {
    Values::of(bytes).map(|values| values.used_at)
}

/// Reads one value after the other.
struct Values<'a> {
    used_at: i64,
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let (used_at, rest) = bytes.split_first_chunk().ok_or(Damaged)?;
        Ok(Self {
            used_at: i64::from_be_bytes(*used_at),
            rest,
        })
    }

    fn read(&mut self) -> Result<(&'a [u8], Value<'a>), Damaged> {
        let [key_length] = self.take_array()?;
        let key = self.take(key_length.into())?;
        let [kind] = self.take_array()?;
        let length = u32::from_be_bytes(self.take_array()?);
        let value = match kind {
            INSIDE => Value::Inside(self.take(length as usize)?),
            BESIDE => Value::Beside(Beside {
                name: self.take_array()?,
                length,
            }),
            _ => return Err(Damaged),
        };
        Ok((key, value))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Damaged)?;
        self.rest = rest;
        Ok(*taken)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<(&'a [u8], Value<'a>), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.read())
    }
}

/// The text of a value, whole.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, Damaged> {
    String::from_utf8(bytes).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        let mut record = Record {
            used_at: -7,
            ..Record::default()
        };
        record.set("idToken", Some("i"));
        record.set("refreshToken", Some(""));
        record
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bytes = record().to_bytes();
        assert_eq!(Record::parse(&bytes), Ok(record()));
        assert_eq!(used_at(&bytes), Ok(-7));
        assert_eq!(find(&bytes, "idToken"), Ok((-7, Some(Value::Inside(b"i")))));
        assert_eq!(find(&bytes, "signInSession"), Ok((-7, None)));
    }

    #[test]
    fn the_format_is_this() {
        let mut record = record();
        record.set("idToken", None);
        let bytes = b"\xff\xff\xff\xff\xff\xff\xff\xf9\x0crefreshToken\0\0\0\0\0";
        assert_eq!(record.to_bytes(), bytes);
    }

    #[test]
    fn a_record_that_was_cut_is_damaged() {
        let bytes = record().to_bytes();
        for length in 0..bytes.len() {
            // After the first value the second may be missing.
            if ![8, 8 + 14].contains(&length) {
                assert_eq!(Record::parse(&bytes[..length]), Err(Damaged), "{length}");
            }
        }
    }

    #[test]
    fn the_longest_values_are_moved_out() {
        let (long, longer) = ("x".repeat(2_000), "y".repeat(3_000));
        let mut record = record();
        record.set("accessTokenMap", Some(&longer));
        record.set("signInSession", Some(&long));
        let moved = record.shorten();
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].1, longer.as_bytes());
        assert!(record.to_bytes().len() <= LONGEST_RECORD);
        assert_eq!(record.to_bytes().len(), record.length());

        let bytes = record.to_bytes();
        let read = Record::parse(&bytes).unwrap();
        assert_eq!(read.beside().collect::<Vec<_>>(), [moved[0].0]);
    }

    #[test]
    fn a_value_beside_has_a_chunk_for_each_begun_length() {
        for (length, chunks) in [(1, 1), (CHUNK, 1), (CHUNK + 1, 2)] {
            let keys: Vec<_> = Beside::new(&vec![0; length]).chunk_keys().collect();
            assert_eq!(keys.len(), chunks);
            assert!(keys.is_sorted());
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let mut record = Record::default();
        record.set("idToken", Some("precious"));
        assert!(!format!("{record:?}").contains("112, 114"));
        assert!(!format!("{record:?}").contains("precious"));
    }
}
