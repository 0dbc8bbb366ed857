//! The tokens that were found good a while ago.

use std::collections::HashMap;
use std::mem;
use std::sync::Mutex;

use super::VerifiedAccessToken;
use crate::utilities::unpoisoned;

/// How long a token is believed without a look at its signature, in seconds. A key that the server
/// withdrew, because it leaked, is believed for so much longer than the key cache does: after the hour,
/// or the day of an outage.
const LONGEST_REMEMBERED: i64 = 10 * 60;

/// The SHA-256 of a token. Whoever could find another token of the same hash could break the signatures
/// as well, which are over such a hash; and as only good tokens are remembered, the time that a look
/// takes tells of tokens only to those who have them. A plain hash is enough.
type Digest = [u8; 32];

/// Good tokens by their hash; never a token itself. Bounded: the tokens of two generations are kept,
/// and where the young one is full, the old one goes as a whole. A token that is in use moves to the
/// young one, so that those go first which were not seen for longest.
pub(super) struct VerifiedTokens {
    generation: usize,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Entry>,
    old: HashMap<Digest, Entry>,
}

struct Entry {
    token: VerifiedAccessToken,
    /// In Unix seconds.
    verified_at: i64,
    /// In Unix seconds.
    until: i64,
}

impl VerifiedTokens {
    /// Room for so many tokens, rounded up to an even number; for 0 none is remembered.
    pub fn new(capacity: usize) -> Self {
        Self {
            generation: capacity.div_ceil(2),
            generations: Mutex::default(),
        }
    }

    pub fn is_on(&self) -> bool {
        self.generation > 0
    }

    /// The token of this hash, if it is still good. A clock that was set back ends it too.
    pub fn get(&self, digest: &Digest, now: i64) -> Option<VerifiedAccessToken> {
        let mut generations = unpoisoned(&self.generations);
        if let Some(entry) = generations.young.get(digest) {
            if entry.is_good(now) {
                return Some(entry.token.clone());
            }
            generations.young.remove(digest);
            return None;
        }
        let entry = generations.old.remove(digest)?;
        if !entry.is_good(now) {
            return None;
        }
        let token = entry.token.clone();
        generations.put(*digest, entry, self.generation);
        Some(token)
    }

    /// Remembers a token that was verified at this time and expires at that one, both in Unix seconds.
    pub fn insert(&self, digest: Digest, token: VerifiedAccessToken, now: i64, valid_until: i64) {
        let entry = Entry {
            token,
            verified_at: now,
            until: valid_until.min(now.saturating_add(LONGEST_REMEMBERED)),
        };
        unpoisoned(&self.generations).put(digest, entry, self.generation);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let generations = unpoisoned(&self.generations);
        generations.young.len() + generations.old.len()
    }
}

impl Generations {
    /// Returns the old generation, where it had to go.
    fn put(&mut self, digest: Digest, entry: Entry, most: usize) {
        if self.young.len() >= most {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}

impl Entry {
    fn is_good(&self, now: i64) -> bool {
        (self.verified_at..self.until).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn digest(n: u32) -> Digest {
        crate::crypto::sha256(&n.to_be_bytes())
    }

    fn token(n: u32) -> VerifiedAccessToken {
        let claims = json!({ "iss": "", "sub": n.to_string(), "aud": "", "exp": 0, "iat": 0 });
        VerifiedAccessToken::new(serde_json::from_value(claims).unwrap(), None)
    }

    fn filled(capacity: usize, tokens: u32) -> VerifiedTokens {
        let verified = VerifiedTokens::new(capacity);
        for n in 0..tokens {
            verified.insert(digest(n), token(n), NOW, NOW + 100);
        }
        verified
    }

    #[test]
    fn a_token_is_remembered_until_it_expires() {
        let verified = filled(8, 1);
        assert_eq!(verified.get(&digest(0), NOW), Some(token(0)));
        assert_eq!(verified.get(&digest(0), NOW + 99), Some(token(0)));
        assert_eq!(verified.get(&digest(1), NOW), None);
        assert_eq!(verified.get(&digest(0), NOW + 100), None);
        assert_eq!(verified.get(&digest(0), NOW), None, "and then it is gone");
    }

    #[test]
    fn no_token_is_believed_for_longer_than_ten_minutes() {
        let verified = VerifiedTokens::new(8);
        verified.insert(digest(0), token(0), NOW, i64::MAX);
        assert!(verified.get(&digest(0), NOW + 599).is_some());
        assert!(verified.get(&digest(0), NOW + 600).is_none());
    }

    #[test]
    fn a_clock_that_is_set_back_ends_it() {
        let verified = filled(8, 1);
        assert!(verified.get(&digest(0), NOW - 1).is_none());
    }

    #[test]
    fn there_are_never_more_than_the_capacity() {
        for capacity in [1, 2, 7, 100] {
            let verified = VerifiedTokens::new(capacity);
            for n in 0..1000 {
                verified.insert(digest(n), token(n), NOW, NOW + 100);
                verified.get(&digest(n / 2), NOW);
                assert!(verified.len() <= capacity.next_multiple_of(2), "{capacity}");
            }
        }
    }

    #[test]
    fn a_token_in_use_outlives_the_others() {
        let verified = VerifiedTokens::new(8);
        verified.insert(digest(0), token(0), NOW, NOW + 100);
        for n in 1..1000 {
            verified.insert(digest(n), token(n), NOW, NOW + 100);
            assert!(verified.get(&digest(0), NOW).is_some(), "{n}");
        }
        assert!(verified.get(&digest(500), NOW).is_none());
    }
}
