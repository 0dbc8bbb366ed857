//! What a signed-in session holds.

use logto::storage::{Change, PersistKey};

/// As long as a map with a handful of Logto's access tokens.
pub(crate) const MAP: usize = 3_000;

const REFRESH_TOKEN: usize = 43;
const ID_TOKEN: usize = 900;

/// In the order in which they are kept.
const KEYS: [PersistKey; 3] = [
    PersistKey::AccessTokenMap,
    PersistKey::RefreshToken,
    PersistKey::IdToken,
];

/// A value after another, each different from the one before: engines skip what is equal.
pub(crate) struct Tokens {
    sets: Vec<[(PersistKey, String); 3]>,
    next: usize,
}

impl Tokens {
    /// With maps of this length.
    pub(crate) fn with_map(length: usize) -> Self {
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
    of([map, REFRESH_TOKEN, ID_TOKEN].map(|length| text(n, length)))
}

/// A map of access tokens, a refresh token and an ID token.
pub(crate) fn of(values: [String; 3]) -> [(PersistKey, String); 3] {
    let mut values = values.into_iter();
    KEYS.map(|key| (key, values.next().unwrap()))
}

/// No two alike, and nothing to compress.
pub(crate) fn text(n: usize, length: usize) -> String {
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

/// All in one piece: for each the length of its text, and the text.
pub(crate) fn joined(tokens: &[(PersistKey, String); 3]) -> Vec<u8> {
    let length = tokens.iter().map(|(_, value)| 4 + value.len()).sum();
    let mut bytes = Vec::with_capacity(length);
    for (_, value) in tokens {
        bytes.extend((value.len() as u32).to_be_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes
}

/// The text of this key in what was [`joined`].
pub(crate) fn value(bytes: &[u8], key: PersistKey) -> String {
    let mut rest = bytes;
    for other in KEYS {
        let (length, texts) = rest.split_first_chunk().unwrap();
        let (text, others) = texts.split_at(u32::from_be_bytes(*length) as usize);
        if other == key {
            return str::from_utf8(text).unwrap().to_owned();
        }
        rest = others;
    }
    panic!("no {key} was joined")
}
