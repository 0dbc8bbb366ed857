//! The plaintext of a session file: version, owner and data.

use logto_core::{OwnerDigest, Record, SessionOwner, Version};
use zeroize::Zeroizing;

/// The bytes of this record, as the documentation of the crate lays them out.
pub(crate) fn encode(record: &Record) -> Zeroizing<Vec<u8>> {
    let digests: Vec<_> = record
        .owner()
        .iter()
        .flat_map(SessionOwner::digests)
        .collect();
    // One allocation: growing would leave copies of the data that nobody overwrites.
    let length = 17 + 32 * digests.len() + record.data().len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend(record.version().as_bytes());
    bytes.push(digests.len() as u8);
    for digest in &digests {
        bytes.extend(digest.as_bytes());
    }
    bytes.extend(record.data().as_bytes());
    bytes
}

/// The record that these bytes encode, if they do.
pub(crate) fn parse(bytes: &[u8]) -> Option<Record> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (count, mut rest) = rest.split_first()?;
    let mut digest = || {
        let (digest, left) = rest.split_first_chunk()?;
        rest = left;
        Some(OwnerDigest::from_bytes(*digest))
    };
    let owner = match count {
        0 => None,
        1 => Some(SessionOwner::from_digests(digest()?, None)),
        2 => Some(SessionOwner::from_digests(digest()?, Some(digest()?))),
        _ => return None,
    };
    let data = std::str::from_utf8(rest).ok()?;
    Some(Record::stored(Version::from_bytes(*version), owner, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> [Option<SessionOwner>; 3] {
        let owner = |sid| {
            Some(SessionOwner::new(
                "https://foo.logto.app/oidc",
                "alice",
                sid,
            ))
        };
        [None, owner(None), owner(Some("1"))]
    }

    #[test]
    fn record_goes_through_bytes_of_the_documented_form() {
        for (count, owner) in owners().into_iter().enumerate() {
            let record = Record::stored(Version::from_bytes([7; 16]), owner, "{\"ü\"}");
            let bytes = encode(&record);
            assert_eq!(bytes[..17], [&[7; 16][..], &[count as u8]].concat());
            assert_eq!(bytes[17 + 32 * count..], *"{\"ü\"}".as_bytes());
            assert_eq!(bytes.len(), bytes.capacity());
            assert_eq!(parse(&bytes), Some(record));
        }
    }

    #[test]
    fn record_that_is_cut_off_or_of_no_text_is_malformed() {
        let bytes = encode(&Record::new(owners()[2], ""));
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "{length}");
        }
        assert_eq!(parse(&[&bytes[..], &[0xff]].concat()), None);
        let mut three_owners = bytes.to_vec();
        three_owners[16] = 3;
        assert_eq!(parse(&three_owners), None);
    }
}
