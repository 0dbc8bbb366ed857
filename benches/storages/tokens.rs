//! What a signed-in session holds.

use logto::storage::{Change, PersistKey};

/// As long as a map with a handful of Logto's access tokens.
const MAP: usize = 3_000;

/// A map whose record sled no longer keeps in one piece.
const LONG_MAP: usize = 7_000;

const REFRESH_TOKEN: usize = 43;
const ID_TOKEN: usize = 900;

/// A value after another, each different from the one before: engines skip what is equal.
pub(crate) struct Tokens {
    sets: Vec<[(PersistKey, String); 3]>,
    next: usize,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self::with_map(MAP)
    }

    pub(crate) fn long() -> Self {
        Self::with_map(LONG_MAP)
    }

    fn with_map(length: usize) -> Self {
        Self {
            sets: (0..64).map(|n| set(n, length)).collect(),
            next: 0,
        }
    }

    pub(crate) fn next(&mut self) -> &[(PersistKey, String); 3] {
        self.next += 1;
        &self.sets[self.next % self.sets.len()]
    }
}

fn set(n: usize, map: usize) -> [(PersistKey, String); 3] {
    [
        (PersistKey::AccessTokenMap, text(n, map)),
        (PersistKey::RefreshToken, text(n, REFRESH_TOKEN)),
        (PersistKey::IdToken, text(n, ID_TOKEN)),
    ]
}

/// No two alike, and nothing to compress.
fn text(n: usize, length: usize) -> String {
    let mut state = (n * 10_000 + length) as u64 | 1;
    let letter = |_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        char::from(b'A' + (state >> 33) as u8 % 26)
    };
    (0..length).map(letter).collect()
}

pub(crate) fn changes(tokens: &[(PersistKey, String); 3]) -> [Change<'_>; 3] {
    tokens
        .each_ref()
        .map(|(key, value)| Change::set(*key, value))
}

/// All in one piece: the length of each and its text.
pub(crate) fn joined(tokens: &[(PersistKey, String); 3]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + LONG_MAP + REFRESH_TOKEN + ID_TOKEN);
    for (_, value) in tokens {
        bytes.extend((value.len() as u32).to_be_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes
}

/// The first text of what was [`joined`].
pub(crate) fn first(bytes: &[u8]) -> String {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    let text = &rest[..u32::from_be_bytes(*length) as usize];
    str::from_utf8(text).unwrap().to_owned()
}
