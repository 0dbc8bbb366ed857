//! The logout tokens that have been used.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::crypto::sha256;

/// How many are remembered. Only the server's own tokens are, each for ten minutes and some; where there
/// are more, those go that expire first.
const CAPACITY: usize = 16 * 1024;

/// The SHA-256 of a token's id, so that each takes the same little room.
pub(super) type Digest = [u8; 32];

/// Remembers each token until it has expired.
#[derive(Default)]
pub(super) struct SeenTokens {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Until when each is remembered, in Unix seconds.
    until: HashMap<Digest, i64>,
    in_order: BTreeSet<(i64, Digest)>,
}

impl SeenTokens {
    /// Remembers the token of this id until then, in Unix seconds; `None` if it is remembered already.
    pub fn take(&self, id: &str, until: i64, now: i64) -> Option<Digest> {
        let digest = sha256(id.as_bytes());
        let mut seen = self.lock();
        seen.forget_expired(now);
        if seen.until.contains_key(&digest) {
            return None;
        }
        if seen.until.len() >= CAPACITY {
            seen.forget_first();
        }
        seen.until.insert(digest, until);
        seen.in_order.insert((until, digest));
        Some(digest)
    }

    /// Forgets a token, so that it may come again.
    pub fn release(&self, digest: &Digest) {
        let mut seen = self.lock();
        if let Some(until) = seen.until.remove(digest) {
            seen.in_order.remove(&(until, *digest));
        }
    }

    /// A panic elsewhere leaves at most a token in one of the two, which does no harm.
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn forget_expired(&mut self, now: i64) {
        while self
            .in_order
            .first()
            .is_some_and(|(until, _)| *until <= now)
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, digest)) = self.in_order.pop_first() {
            self.until.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_once_until_it_expires() {
        let seen = SeenTokens::default();
        let digest = seen.take("a", 100, 0).unwrap();
        assert!(seen.take("a", 100, 99).is_none());
        assert!(seen.take("b", 100, 99).is_some());
        assert!(seen.take("a", 200, 100).is_some(), "it has expired");
        seen.release(&digest);
        assert!(seen.take("a", 200, 101).is_some(), "it was given back");
    }

    #[test]
    fn those_that_expire_first_make_room() {
        let seen = SeenTokens::default();
        for n in 0..=CAPACITY {
            assert!(seen.take(&n.to_string(), 1000 + n as i64, 0).is_some());
        }
        assert!(seen.take("0", 1000, 0).is_some(), "forgotten");
        let last = CAPACITY.to_string();
        assert!(seen.take(&last, 1000, 0).is_none(), "remembered");
        let seen = seen.lock();
        assert_eq!(
            (seen.until.len(), seen.in_order.len()),
            (CAPACITY, CAPACITY)
        );
    }
}
