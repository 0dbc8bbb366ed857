//! A value that is fetched once, kept for a while, and used on for a while when it cannot be renewed.

use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::error::LogtoError;
use crate::utilities::unpoisoned;

/// How long a value is used without being renewed, in seconds.
const LIFETIME: i64 = 60 * 60;

/// How long a value that is too old is used on while no newer one can be had, in seconds.
const STALE_LIFETIME: i64 = 24 * 60 * 60;

/// How long after a failed renewal the next one is tried, in seconds.
const RETRY_AFTER: i64 = 60;

/// Any number of threads make one fetch, and share how it ends. A failure is not kept for those who ask
/// later. While a value is renewed, the others go on with the old one, unless that is too old.
pub(crate) struct SingleFlightCache<T> {
    state: Mutex<State<T>>,
    fetching: Mutex<()>,
}

struct State<T> {
    kept: Option<Kept<T>>,
    /// How many fetches have ended. Who has waited for one finds another number than before.
    attempts: u64,
    /// How the last fetch has failed, if it has.
    failure: Option<LogtoError>,
}

struct Kept<T> {
    value: T,
    fetched_at: i64,
    tried_at: i64,
    renew_at: i64,
}

impl<T: Clone> SingleFlightCache<T> {
    /// The value, fetched if there is none or it is too old. `now` is in Unix seconds.
    ///
    /// Only the first who finds a value too old waits for its renewal: until that ends, the others are
    /// given the old one, for a day at most.
    pub fn get(
        &self,
        now: i64,
        fetch: impl FnOnce(Option<&T>) -> Result<T, LogtoError>,
    ) -> Result<T, LogtoError> {
        match self.look(now) {
            Ok(value) => Ok(value),
            Err(attempts) => self.get_after(attempts, now, fetch),
        }
    }

    /// Fetches though there is a value, unless the fetch of somebody else has settled what this caller
    /// wants to know: `settled` is asked of the value that is kept when it is this caller's turn. A
    /// failure changes no value, and is that of all who waited.
    pub fn renew(
        &self,
        now: i64,
        settled: impl FnOnce(&T) -> Option<Result<T, LogtoError>>,
        fetch: impl FnOnce() -> Result<T, LogtoError>,
    ) -> Result<T, LogtoError> {
        let attempts = self.state().attempts;
        self.renew_after(attempts, now, settled, fetch)
    }

    /// The value if it is fresh, else how many fetches there have been. Waits for no fetch.
    fn look(&self, now: i64) -> Result<T, u64> {
        let state = self.state();
        state.fresh(now).ok_or(state.attempts)
    }

    fn get_after(
        &self,
        attempts: u64,
        now: i64,
        fetch: impl FnOnce(Option<&T>) -> Result<T, LogtoError>,
    ) -> Result<T, LogtoError> {
        let _sole = match self.fetching.try_lock() {
            Err(TryLockError::WouldBlock) => {
                if let Some(value) = self.state().at_hand(now) {
                    return Ok(value);
                }
                unpoisoned(&self.fetching)
            }
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Ok(turn) => turn,
        };
        let old = {
            let state = self.state();
            if let Some(value) = state.fresh(now) {
                return Ok(value);
            }
            if let Some(failure) = state.failure_after(attempts) {
                return state.at_hand(now).ok_or(failure);
            }
            state.value()
        };
        match fetch(old.as_ref()) {
            Ok(value) => Ok(self.state().keep(value, now)),
            Err(error) => self.state().fail(error, now),
        }
    }

    fn renew_after(
        &self,
        attempts: u64,
        now: i64,
        settled: impl FnOnce(&T) -> Option<Result<T, LogtoError>>,
        fetch: impl FnOnce() -> Result<T, LogtoError>,
    ) -> Result<T, LogtoError> {
        let _sole = unpoisoned(&self.fetching);
        let (kept, failure) = {
            let state = self.state();
            (state.value(), state.failure_after(attempts))
        };
        if let Some(result) = kept.as_ref().and_then(settled) {
            return result;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        match fetch() {
            Ok(value) => Ok(self.state().keep(value, now)),
            Err(error) => {
                self.state().note(&error);
                Err(error)
            }
        }
    }

    /// A panic elsewhere leaves the state whole: each value is replaced in one go.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        unpoisoned(&self.state)
    }
}

impl<T: Clone> State<T> {
    fn value(&self) -> Option<T> {
        self.kept.as_ref().map(|kept| kept.value.clone())
    }

    /// A clock that was set back makes a value old, so that it is not kept for longer than meant.
    fn fresh(&self, now: i64) -> Option<T> {
        let kept = self.kept.as_ref()?;
        let is_fresh = (kept.tried_at..kept.renew_at).contains(&now);
        is_fresh.then(|| kept.value.clone())
    }

    /// The value, if it is not too old to be used on.
    fn at_hand(&self, now: i64) -> Option<T> {
        let kept = self.kept.as_ref()?;
        let age = now.saturating_sub(kept.fetched_at);
        (0..STALE_LIFETIME)
            .contains(&age)
            .then(|| kept.value.clone())
    }

    /// How the last fetch has failed, if it ended after there had been so many.
    fn failure_after(&self, attempts: u64) -> Option<LogtoError> {
        let failure = self.failure.as_ref();
        failure.filter(|_| self.attempts != attempts).cloned()
    }

    fn keep(&mut self, value: T, now: i64) -> T {
        self.attempts += 1;
        self.failure = None;
        self.kept = Some(Kept {
            value: value.clone(),
            fetched_at: now,
            tried_at: now,
            renew_at: now.saturating_add(LIFETIME),
        });
        value
    }

    fn note(&mut self, error: &LogtoError) {
        self.attempts += 1;
        self.failure = Some(error.clone());
    }

    /// Metadata that is refused is the server's word, and means what it says. All else may come from a
    /// server that is broken or from somebody on the way, and is forgiven for a while.
    fn fail(&mut self, error: LogtoError, now: i64) -> Result<T, LogtoError> {
        self.note(&error);
        let is_final = matches!(error, LogtoError::Discovery(_));
        let Some(value) = self.at_hand(now).filter(|_| !is_final) else {
            return Err(error);
        };
        log::warn!("what the server says of itself could not be renewed: {error}");
        if let Some(kept) = &mut self.kept {
            kept.tried_at = now;
            kept.renew_at = now.saturating_add(RETRY_AFTER);
        }
        Ok(value)
    }
}

impl<T> Default for SingleFlightCache<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                kept: None,
                attempts: 0,
                failure: None,
            }),
            fetching: Mutex::new(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::discovery::DiscoveryError;
    use crate::oidc::response::ResponseError;

    fn status(status: u16) -> LogtoError {
        ResponseError::Status {
            what: "answer",
            status,
            retry_after: None,
        }
        .into()
    }

    fn unavailable() -> LogtoError {
        status(503)
    }

    #[test]
    fn a_value_is_fetched_once_an_hour() {
        let cached = SingleFlightCache::default();
        assert_eq!(cached.get(1000, |_| Ok(1)).unwrap(), 1);
        assert_eq!(cached.get(4599, |_| Ok(2)).unwrap(), 1);
        assert_eq!(cached.get(4600, |old| Ok(old.unwrap() + 10)).unwrap(), 11);
        assert_eq!(
            cached.get(999, |_| Ok(4)).unwrap(),
            4,
            "the clock was set back"
        );
    }

    #[test]
    fn a_value_that_cannot_be_renewed_is_used_for_a_day() {
        for answer in [503, 404, 403] {
            let cached = SingleFlightCache::default();
            cached.get(0, |_| Ok(1)).unwrap();
            assert_eq!(cached.get(3600, |_| Err(status(answer))).unwrap(), 1);
            assert_eq!(
                cached.get(3659, |_| Ok(2)).unwrap(),
                1,
                "not tried again at once"
            );
            assert_eq!(cached.get(3660, |_| Err(status(answer))).unwrap(), 1);
            assert!(cached.get(86_400, |_| Err(status(answer))).is_err());
        }
    }

    #[test]
    fn a_refusal_is_not_hidden() {
        let cached = SingleFlightCache::default();
        cached.get(0, |_| Ok(1)).unwrap();
        let refusal = DiscoveryError::InvalidEndpoint { name: "jwks_uri" };
        assert!(cached.get(3600, |_| Err(refusal.into())).is_err());
    }

    #[test]
    fn a_failure_is_that_of_all_who_waited_and_later_ones_try_again() {
        let cached = SingleFlightCache::<u8>::default();
        let attempts = cached.look(0).unwrap_err();
        cached.get(0, |_| Err(unavailable())).unwrap_err();
        let waited = cached.get_after(attempts, 0, |_| panic!("a fetch of its own"));
        assert!(waited.unwrap_err().is_retryable());
        assert_eq!(cached.get(0, |_| Ok(1)).unwrap(), 1);
    }

    #[test]
    fn a_failed_renewal_is_that_of_all_who_waited_and_changes_no_value() {
        let cached = SingleFlightCache::default();
        cached.get(0, |_| Ok(1)).unwrap();
        let attempts = cached.state().attempts;
        let failed = cached.renew(0, |_| None, || Err(unavailable()));
        assert!(failed.unwrap_err().is_retryable());
        let waited = cached.renew_after(attempts, 0, |_| None, || panic!("a fetch of its own"));
        assert!(waited.unwrap_err().is_retryable());
        assert_eq!(cached.get(0, |_| Ok(2)).unwrap(), 1);
        assert_eq!(cached.renew(0, |_| None, || Ok(3)).unwrap(), 3);
    }

    #[test]
    fn a_renewal_that_failed_just_now_is_not_tried_again_by_who_has_the_old_value() {
        let cached = SingleFlightCache::default();
        cached.get(0, |_| Ok(1)).unwrap();
        let attempts = cached.look(3600).unwrap_err();
        let failed = cached.renew(3600, |_| None, || Err(unavailable()));
        failed.unwrap_err();
        let value = cached.get_after(attempts, 3600, |_| panic!("a fetch of its own"));
        assert_eq!(value.unwrap(), 1);
    }

    #[test]
    fn nobody_waits_for_a_fetch_who_has_a_value() {
        let cached = SingleFlightCache::default();
        cached.get(0, |_| Ok(1)).unwrap();
        let meanwhile = |now| cached.get(now, |_| panic!("a second fetch")).unwrap();
        let renewed = cached.get(3600, |_| {
            assert_eq!([meanwhile(3600), meanwhile(86_399)], [1, 1]);
            Ok(2)
        });
        assert_eq!(renewed.unwrap(), 2);
        let renewed = cached.renew(
            3601,
            |_| None,
            || {
                assert_eq!([meanwhile(3601), meanwhile(7200)], [2, 2]);
                Ok(3)
            },
        );
        assert_eq!(renewed.unwrap(), 3);
    }

    #[test]
    fn what_somebody_else_has_settled_is_not_fetched() {
        let cached = SingleFlightCache::default();
        cached.get(0, |_| Ok(1)).unwrap();
        let settled = |value: &i32| Some(Ok(value + 10));
        let result = cached.renew(0, settled, || panic!("a fetch"));
        assert_eq!(result.unwrap(), 11);
    }
}
