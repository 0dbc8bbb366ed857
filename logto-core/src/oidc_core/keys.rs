//! The provider's keys, fetched once and kept.

use std::sync::{Arc, Mutex};

use super::single_flight_cache::SingleFlightCache;
use super::{METADATA_LIMIT, OidcCore};
use crate::error::LogtoError;
use crate::oidc::id_token::TokenSource;
use crate::oidc::jwks::KeySet;
use crate::oidc::jws::SigningAlgorithm;
use crate::oidc::jwt::Jwt;
use crate::oidc::request;
use crate::utilities::unpoisoned;

/// How long after a fetch that did not find a wanted key none is made for that key, in seconds.
/// Counted from that fetch, so that a rotated key is fetched at once.
const COOL_DOWN: u64 = 30;

/// How many fetches that do not find the wanted key are made within that time. Enough that junk does
/// not hide a rotated key, and few enough that it is no burden to the provider.
const MOST_FRUITLESS: usize = 5;

/// How long after a fetch that failed none is made for tokens from outside, in seconds.
const FAILURE_COOL_DOWN: u64 = 2;

/// The keys of one provider. A key that the provider withdrew is believed for an hour at most, and for
/// a day while the provider cannot be had.
#[derive(Default)]
pub(super) struct KeyCache {
    keys: SingleFlightCache<Arc<KeySet>>,
    misses: Mutex<NegativeCache>,
}

/// The key that a token names.
#[derive(Clone, Copy)]
pub(super) struct KeyQuery<'a> {
    pub jwt: &'a Jwt<'a>,
    pub algorithm: SigningAlgorithm,
    pub source: TokenSource<'a>,
}

impl KeyCache {
    /// The keys, fetched if they are not known or too old, and again if none of them is the wanted one,
    /// unless a fetch for it was fruitless a moment ago.
    ///
    /// # Errors
    ///
    /// If the keys cannot be had. For a token from outside whose key is not known that is also the
    /// failure of a moment ago.
    pub fn get(&self, core: &OidcCore, wanted: KeyQuery<'_>) -> Result<Arc<KeySet>, LogtoError> {
        let now = core.transport.now();
        let fetch = || self.fetch(core, wanted, now);
        let keys = self.keys.get(now, |_| fetch())?;
        if let Some(result) = self.settled(&keys, wanted, now) {
            return result;
        }
        let settled = |kept: &Arc<KeySet>| {
            let is_newer = !Arc::ptr_eq(kept, &keys);
            match is_newer && !wanted.is_from_server() {
                true => Some(Ok(Arc::clone(kept))),
                false => self.settled(kept, wanted, now),
            }
        };
        self.keys.renew(now, settled, fetch)
    }

    /// What there is to say without a fetch; `None` if it takes one.
    fn settled(
        &self,
        keys: &Arc<KeySet>,
        wanted: KeyQuery<'_>,
        now: i64,
    ) -> Option<Result<Arc<KeySet>, LogtoError>> {
        if wanted.is_in(keys) {
            return Some(Ok(Arc::clone(keys)));
        }
        let mut misses = unpoisoned(&self.misses);
        if misses.of(wanted).is_cooling_down(wanted, now) {
            return Some(Ok(Arc::clone(keys)));
        }
        match wanted.is_from_server() {
            true => None,
            false => misses.failure(now).map(Err),
        }
    }

    fn fetch(
        &self,
        core: &OidcCore,
        wanted: KeyQuery<'_>,
        now: i64,
    ) -> Result<Arc<KeySet>, LogtoError> {
        let request = request::get(&core.metadata.jwks_uri);
        let answer = core.transport.send(request, METADATA_LIMIT);
        let fetched = answer.and_then(|answer| KeySet::from_response(&answer));
        let mut misses = unpoisoned(&self.misses);
        match fetched {
            Ok(keys) => {
                misses.failure = None;
                if !wanted.is_in(&keys) {
                    misses.of(wanted).note(wanted, now);
                }
                Ok(Arc::new(keys))
            }
            Err(error) => {
                // After the fetch: one that hangs takes longer than the time to wait.
                misses.failure = Some((core.transport.now(), error.clone()));
                Err(error)
            }
        }
    }
}

impl KeyQuery<'_> {
    fn is_in(&self, keys: &KeySet) -> bool {
        keys.has_key_for(self.jwt, self.algorithm)
    }

    /// What anybody else sends does not keep such a token from its key: the code that it was had for
    /// cannot be sent again.
    fn is_from_server(&self) -> bool {
        !matches!(self.source, TokenSource::Unknown)
    }
}

/// The fetches that were in vain.
#[derive(Default)]
struct NegativeCache {
    of_token_endpoint: RecentMisses,
    of_outside: RecentMisses,
    /// When the last fetch failed, and how; `None` if it did not.
    failure: Option<(i64, LogtoError)>,
}

impl NegativeCache {
    fn of(&mut self, wanted: KeyQuery<'_>) -> &mut RecentMisses {
        match wanted.is_from_server() {
            true => &mut self.of_token_endpoint,
            false => &mut self.of_outside,
        }
    }

    fn failure(&self, now: i64) -> Option<LogtoError> {
        let (at, error) = self.failure.as_ref()?;
        (now.abs_diff(*at) < FAILURE_COOL_DOWN).then(|| error.clone())
    }
}

/// The keys that were not found a moment ago, the oldest first.
#[derive(Default)]
struct RecentMisses(Vec<Miss>);

struct Miss {
    kid: Option<String>,
    algorithm: SigningAlgorithm,
    at: i64,
}

impl RecentMisses {
    fn is_cooling_down(&self, wanted: KeyQuery<'_>, now: i64) -> bool {
        let mut recent = self.0.iter().filter(|miss| miss.is_recent(now));
        recent.clone().count() >= MOST_FRUITLESS || recent.any(|miss| miss.is_of(wanted))
    }

    fn note(&mut self, wanted: KeyQuery<'_>, now: i64) {
        self.0
            .retain(|miss| miss.is_recent(now) && !miss.is_of(wanted));
        if self.0.len() >= MOST_FRUITLESS {
            self.0.remove(0);
        }
        self.0.push(Miss {
            kid: wanted.jwt.header.kid.clone(),
            algorithm: wanted.algorithm,
            at: now,
        });
    }
}

impl Miss {
    /// Those who waited for a fetch may have looked at the clock before it.
    fn is_recent(&self, now: i64) -> bool {
        now.abs_diff(self.at) < COOL_DOWN
    }

    fn is_of(&self, wanted: KeyQuery<'_>) -> bool {
        self.algorithm == wanted.algorithm && self.kid == wanted.jwt.header.kid
    }
}
