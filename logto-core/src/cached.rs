//! A value that is fetched once, kept for a while, and used on for a while when it cannot be renewed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::LogtoError;

/// How long a value is used without being renewed, in seconds.
const LIFETIME: i64 = 60 * 60;

/// How long a value that is too old is used on while no newer one can be had, in seconds.
const STALE_LIFETIME: i64 = 24 * 60 * 60;

/// How long after a failed renewal the next one is tried, in seconds.
const RETRY_AFTER: i64 = 60;

/// Any number of threads make one fetch, and share how it ends. A failure is not kept for those who ask
/// later.
pub(crate) struct Cached<T> {
    state: Mutex<State<T>>,
    fetching: Mutex<()>,
}

struct State<T> {
    kept: Option<Kept<T>>,
    attempts: u64,
    failure: Option<LogtoError>,
}

struct Kept<T> {
    value: T,
    fetched_at: i64,
    tried_at: i64,
    renew_at: i64,
}

impl<T: Clone> Cached<T> {
    /// The value, fetched if there is none or it is too old. `now` is in Unix seconds.
    pub fn get(
        &self,
        now: i64,
        fetch: impl FnOnce(Option<&T>) -> Result<T, LogtoError>,
    ) -> Result<T, LogtoError> {
        let attempts = {
            let state = self.state();
            if let Some(value) = state.fresh(now) {
                return Ok(value);
            }
            state.attempts
        };
        let _sole = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let old = {
            let state = self.state();
            if let Some(value) = state.fresh(now) {
                return Ok(value);
            }
            if state.attempts != attempts
                && let Some(failure) = &state.failure
            {
                return Err(failure.duplicate());
            }
            state.kept.as_ref().map(|kept| kept.value.clone())
        };
        match fetch(old.as_ref()) {
            Ok(value) => Ok(self.state().keep(value, now)),
            Err(error) => self.state().fail(error, now),
        }
    }

    /// Fetches in any case, unless somebody else has while this caller waited.
    pub fn renew(
        &self,
        now: i64,
        is_newer: impl Fn(&T) -> bool,
        fetch: impl FnOnce() -> Result<T, LogtoError>,
    ) -> Result<T, LogtoError> {
        let _sole = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &self.state().kept
            && is_newer(&kept.value)
        {
            return Ok(kept.value.clone());
        }
        let value = fetch()?;
        Ok(self.state().keep(value, now))
    }

    /// A panic elsewhere leaves the state whole: each value is replaced in one go.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> State<T> {
    /// A clock that was set back makes a value old, so that it is not kept for longer than meant.
    fn fresh(&self, now: i64) -> Option<T> {
        let kept = self.kept.as_ref()?;
        let is_fresh = (kept.tried_at..kept.renew_at).contains(&now);
        is_fresh.then(|| kept.value.clone())
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

    /// Only a server that could not be had is forgiven; a refusal means what it says.
    fn fail(&mut self, error: LogtoError, now: i64) -> Result<T, LogtoError> {
        self.attempts += 1;
        if let Some(kept) = &mut self.kept
            && error.is_retryable()
            && (0..STALE_LIFETIME).contains(&now.saturating_sub(kept.fetched_at))
        {
            log::warn!("what the server says of itself could not be renewed: {error}");
            kept.tried_at = now;
            kept.renew_at = now.saturating_add(RETRY_AFTER);
            return Ok(kept.value.clone());
        }
        self.failure = Some(error.duplicate());
        Err(error)
    }
}

impl<T> Default for Cached<T> {
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
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::error::{DiscoveryError, ResponseError};

    fn unavailable() -> LogtoError {
        ResponseError::Status {
            what: "answer",
            status: 503,
            retry_after: None,
        }
        .into()
    }

    #[test]
    fn a_value_is_fetched_once_an_hour() {
        let cached = Cached::default();
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
        let cached = Cached::default();
        cached.get(0, |_| Ok(1)).unwrap();
        assert_eq!(cached.get(3600, |_| Err(unavailable())).unwrap(), 1);
        assert_eq!(
            cached.get(3659, |_| Ok(2)).unwrap(),
            1,
            "not tried again at once"
        );
        assert_eq!(cached.get(3660, |_| Err(unavailable())).unwrap(), 1);
        assert!(cached.get(86_400, |_| Err(unavailable())).is_err());
    }

    #[test]
    fn a_refusal_is_not_hidden() {
        let cached = Cached::default();
        cached.get(0, |_| Ok(1)).unwrap();
        let refusal = DiscoveryError::InvalidEndpoint { name: "jwks_uri" };
        assert!(cached.get(3600, |_| Err(refusal.into())).is_err());
    }

    #[test]
    fn those_who_waited_share_a_failure_and_later_ones_try_again() {
        let cached = Cached::<u8>::default();
        let (fetches, barrier) = (AtomicUsize::new(0), Barrier::new(8));
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    barrier.wait();
                    let result = cached.get(0, |_| {
                        fetches.fetch_add(1, Ordering::SeqCst);
                        thread::sleep(std::time::Duration::from_millis(500));
                        Err(unavailable())
                    });
                    assert!(result.unwrap_err().is_retryable());
                });
            }
        });
        assert!(fetches.into_inner() < 8);
        assert_eq!(cached.get(0, |_| Ok(1)).unwrap(), 1);
    }
}
