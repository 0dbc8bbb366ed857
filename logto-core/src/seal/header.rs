//! The readable part of a box.

use super::{Argon2Cost, SealError};

const MAGIC: [u8; 8] = *b"LogtoBox";
const VERSION: u8 = 1;
const HKDF: u8 = 1;
const ARGON2ID: u8 = 2;

const TAG_LEN: usize = 16;

pub(super) struct Header {
    pub(super) key_id: [u8; 8],
    pub(super) kdf: Kdf,
    pub(super) box_salt: [u8; 32],
    pub(super) nonce: [u8; 12],
    pub(super) plaintext_len: u64,
}

/// How the root key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kdf {
    /// It was given as it is.
    Hkdf,
    /// From a passphrase.
    Argon2id { cost: Argon2Cost, salt: [u8; 16] },
}

impl Header {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        out.push(VERSION);
        out.extend(self.key_id);
        match self.kdf {
            Kdf::Hkdf => out.push(HKDF),
            Kdf::Argon2id { cost, salt } => {
                out.push(ARGON2ID);
                out.extend(cost.memory_kib().to_be_bytes());
                out.extend(cost.passes().to_be_bytes());
                out.extend(cost.lanes().to_be_bytes());
                out.extend(salt);
            }
        }
        out.extend(self.box_salt);
        out.extend(self.nonce);
        out.extend(self.plaintext_len.to_be_bytes());
    }

    /// The header of a box, and its length. Nothing in it is authentic yet.
    pub(super) fn parse(sealed: &[u8]) -> Result<(Self, usize), SealError> {
        check_magic(sealed)?;
        let mut rest = &sealed[MAGIC.len()..];
        match take::<1>(&mut rest)? {
            [VERSION] => {}
            [newer] if newer > VERSION => return Err(SealError::NewerVersion(newer)),
            _ => return Err(SealError::Corrupt),
        }
        let header = Self {
            key_id: take(&mut rest)?,
            kdf: take_kdf(&mut rest)?,
            box_salt: take(&mut rest)?,
            nonce: take(&mut rest)?,
            plaintext_len: u64::from_be_bytes(take(&mut rest)?),
        };
        header.check_body(rest.len())?;
        Ok((header, sealed.len() - rest.len()))
    }

    /// Tells a box that was cut off from one that was changed.
    fn check_body(&self, body_len: usize) -> Result<(), SealError> {
        let expected = self.plaintext_len.checked_add(TAG_LEN as u64);
        match expected.map(|expected| expected.cmp(&(body_len as u64))) {
            Some(std::cmp::Ordering::Equal) => Ok(()),
            Some(std::cmp::Ordering::Less) => Err(SealError::Corrupt),
            Some(std::cmp::Ordering::Greater) | None => Err(SealError::Truncated),
        }
    }
}

fn check_magic(sealed: &[u8]) -> Result<(), SealError> {
    if sealed.starts_with(&MAGIC) {
        return Ok(());
    }
    Err(match sealed {
        [] => SealError::Empty,
        start if MAGIC.starts_with(start) => SealError::Truncated,
        _ => SealError::NotABox,
    })
}

fn take_kdf(rest: &mut &[u8]) -> Result<Kdf, SealError> {
    match take::<1>(rest)? {
        [HKDF] => Ok(Kdf::Hkdf),
        [ARGON2ID] => {
            let [memory_kib, passes, lanes] = [take(rest)?, take(rest)?, take(rest)?];
            let cost = Argon2Cost::new(
                u32::from_be_bytes(memory_kib),
                u32::from_be_bytes(passes),
                u32::from_be_bytes(lanes),
            );
            Ok(Kdf::Argon2id {
                cost: cost.map_err(|_| SealError::AbsurdCost)?,
                salt: take(rest)?,
            })
        }
        [unknown] => Err(SealError::UnknownKdf(unknown)),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SealError> {
    let (taken, left) = rest.split_first_chunk().ok_or(SealError::Truncated)?;
    *rest = left;
    Ok(*taken)
}
