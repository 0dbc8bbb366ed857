//! What time it is for cached tokens, on a clock that may be set back.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Smaller differences are the clock's own, in seconds: half of the margin by default.
const SLACK: i64 = 30;

/// Notices by the monotonic clock that the time of day was set back, and goes on counting from where
/// it was. Otherwise every cached token would be handed out for as long as the clock was set back.
#[derive(Debug)]
pub(super) struct TimeKeeper {
    started: Instant,
    /// The furthest that the time of day was ahead of the monotonic clock; `None` before the first look.
    furthest: Mutex<Option<i64>>,
}

impl TimeKeeper {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            furthest: Mutex::new(None),
        }
    }

    /// The time for cached tokens, where the time of day is this, in Unix seconds.
    pub fn now(&self, time_of_day: i64) -> i64 {
        let ahead = self.ahead(time_of_day);
        let mut furthest = self.lock();
        let known = furthest.map_or(ahead, |furthest| furthest.max(ahead));
        *furthest = Some(known);
        let set_back = known.saturating_sub(ahead);
        match set_back > SLACK {
            true => time_of_day.saturating_add(set_back),
            false => time_of_day,
        }
    }

    /// The server agrees with the time of day, so it is right, whatever it was before.
    pub fn confirm(&self, time_of_day: i64) {
        *self.lock() = Some(self.ahead(time_of_day));
    }

    fn ahead(&self, time_of_day: i64) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX);
        time_of_day.saturating_sub(elapsed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<i64>> {
        self.furthest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_does_not_turn_time_back() {
        let keeper = TimeKeeper::new();
        assert_eq!(keeper.now(10_000), 10_000);
        let now = keeper.now(9_000);
        assert!((10_000..10_010).contains(&now), "{now}");
        let later = keeper.now(9_500);
        assert!((10_000..10_010).contains(&later), "{later}");
    }

    #[test]
    fn a_clock_that_is_set_forward_is_followed() {
        let keeper = TimeKeeper::new();
        keeper.now(10_000);
        assert_eq!(keeper.now(20_000), 20_000);
    }

    #[test]
    fn small_corrections_are_followed() {
        let keeper = TimeKeeper::new();
        keeper.now(10_000);
        assert_eq!(keeper.now(9_990), 9_990);
    }

    #[test]
    fn a_time_that_the_server_confirms_is_right() {
        let keeper = TimeKeeper::new();
        keeper.now(100_000);
        keeper.confirm(10_000);
        assert_eq!(keeper.now(10_001), 10_001);
    }
}
