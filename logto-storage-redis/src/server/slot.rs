//! Which of a cluster's slots a key is in.
//! See [the specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model).

/// How many slots a cluster has.
pub(super) const SLOTS: u16 = 16384;

/// The slot of a key: of what is in its first braces, if that is not empty.
pub(super) fn of(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let rest = &key[open + 1..];
    let length = rest.iter().position(|byte| *byte == b'}')?;
    (length > 0).then(|| &rest[..length])
}

/// CRC-16 as of XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    let step = |crc: u16| match crc & 0x8000 {
        0 => crc << 1,
        _ => (crc << 1) ^ 0x1021,
    };
    let add = |crc: u16, byte: &u8| (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| step(crc));
    bytes.iter().fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn only_what_is_in_the_first_braces_counts_unless_it_is_nothing() {
        assert_eq!(of(b"logto:{abc}:lock"), of(b"abc"));
        assert_eq!(of(b"{abc}{def}"), of(b"abc"));
        assert_eq!(of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(of(b"foo{{bar}}"), of(b"{bar"));
        assert_eq!(of(b"foo{bar"), crc16(b"foo{bar") % SLOTS);
        assert_eq!(of(b""), 0);
    }
}
