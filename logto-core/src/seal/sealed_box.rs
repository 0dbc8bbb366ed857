//! One box with one root key: its header and what it encrypts. All that is random is an argument.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

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

const KEY_ID: &[u8] = b"logto sealed box 1: key id";
const BOX_KEY: &[u8] = b"logto sealed box 1: box key";
const PSEUDONYM: &[u8] = b"logto sealed box 1: pseudonym";

/// The 32 bytes that every box of one key is sealed with, and their public name.
pub(super) struct RootKey {
    bytes: Zeroizing<[u8; 32]>,
    pub(super) id: [u8; 8],
}

/// What is drawn anew for each box.
pub(super) struct Fresh {
    pub(super) box_salt: [u8; 32],
    pub(super) nonce: [u8; 12],
}

impl RootKey {
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let id = expand(&bytes, &[KEY_ID]);
        Self { bytes, id }
    }

    /// What stands for a name where only those who have the key may know it: the same each time.
    pub(super) fn pseudonym(&self, name: &[u8; 32]) -> [u8; 32] {
        expand(&self.bytes, &[PSEUDONYM, name])
    }

    pub(super) fn seal(
        &self,
        kdf: Kdf,
        fresh: &Fresh,
        context: &[&[u8]],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let header = Header {
            key_id: self.id,
            kdf,
            box_salt: fresh.box_salt,
            nonce: fresh.nonce,
            plaintext_len: plaintext.len() as u64,
        };
        let mut sealed = Vec::new();
        header.write(&mut sealed);
        let aad = Aad::from(authenticated(&sealed, context));
        let body = sealed.len();
        sealed.extend_from_slice(plaintext);
        let tag = self
            .box_key(&header.box_salt)
            .seal_in_place_separate_tag(nonce(&header), aad, &mut sealed[body..])
            .map_err(|_| SealError::TooLarge)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    pub(super) fn box_key(&self, box_salt: &[u8; 32]) -> LessSafeKey {
        let root = Salt::new(HKDF_SHA256, box_salt).extract(self.bytes.as_slice());
        let key = root
            .expand(&[BOX_KEY], &AES_256_GCM)
            .expect("HKDF-SHA-256 gives 32 bytes");
        LessSafeKey::new(UnboundKey::from(key))
    }
}

/// Decrypts a box in its place. The plaintext is at the beginning then, and so long.
pub(super) fn open(
    key: &LessSafeKey,
    header: &Header,
    header_len: usize,
    context: &[&[u8]],
    bytes: &mut [u8],
) -> Result<usize, SealError> {
    let aad = Aad::from(authenticated(&bytes[..header_len], context));
    let opened = key.open_within(nonce(header), aad, bytes, header_len..);
    Ok(opened.map_err(|_| SealError::Corrupt)?.len())
}

fn expand<const N: usize>(key: &[u8; 32], info: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let root = Salt::new(HKDF_SHA256, &[]).extract(key);
    root.expand(info, Length::<N>)
        .and_then(|output| output.fill(&mut bytes))
        .expect("HKDF-SHA-256 gives up to 8160 bytes");
    bytes
}

struct Length<const N: usize>;

impl<const N: usize> KeyType for Length<N> {
    fn len(&self) -> usize {
        N
    }
}

fn nonce(header: &Header) -> Nonce {
    Nonce::assume_unique_for_key(header.nonce)
}

/// Each part with its length, so that no two contexts give the same bytes.
fn authenticated(header: &[u8], context: &[&[u8]]) -> Vec<u8> {
    let mut bytes = header.to_vec();
    for part in context {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}
