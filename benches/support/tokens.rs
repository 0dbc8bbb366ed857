//! The data of a signed-in session.

use serde_json::json;

/// As long as a map with a handful of Logto's access tokens.
pub(crate) const MAP: usize = 3_000;

const REFRESH_TOKEN: usize = 43;
const ID_TOKEN: usize = 900;

/// The data of one session after another, each different from the one before: engines skip what is equal.
pub(crate) struct Tokens {
    sets: Vec<String>,
    next: usize,
}

impl Tokens {
    /// With access tokens of this length together.
    pub(crate) fn with_map(length: usize) -> Self {
        let map = |n| json!({ "": { "token": text(n, length), "expiresAt": 1 } });
        Self {
            sets: (0..64)
                .map(|n| session(n, &text(n, ID_TOKEN), map(n)))
                .collect(),
            next: 0,
        }
    }

    pub(crate) fn next(&mut self) -> &str {
        self.next += 1;
        &self.sets[self.next % self.sets.len()]
    }
}

/// A session with this ID token and these access tokens.
pub(crate) fn session(n: usize, id_token: &str, access_tokens: serde_json::Value) -> String {
    json!({
        "idToken": id_token,
        "refreshToken": text(n, REFRESH_TOKEN),
        "accessTokenMap": { "x": access_tokens },
    })
    .to_string()
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
