//! Random bytes and digests.

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes from the operating system.
///
/// # Panics
///
/// If the operating system has none to give, which no program can work around.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

/// SHA-256.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    bytes
}

/// The left half of SHA-256, SHA-384 or SHA-512, by its bits.
pub(crate) fn half_of_hash(bits: u16, data: &[u8]) -> Vec<u8> {
    let algorithm = match bits {
        256 => &digest::SHA256,
        384 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    let hash = digest::digest(algorithm, data);
    hash.as_ref()[..algorithm.output_len() / 2].to_vec()
}
