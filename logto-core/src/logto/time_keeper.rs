//! What time it is for cached tokens, on a clock that may be set back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Smaller differences are the clock's own, in seconds: half of the margin by default.
const SLACK: i64 = 30;

/// Notices by the monotonic clock that the time of day was set back, and goes on counting from where
/// it was. Otherwise every cached token would be handed out for as long as the clock was set back.
#[derive(Debug)]
pub(super) struct TimeKeeper {
    started: Instant,
    /// The furthest that the time of day was ahead of the monotonic clock, in seconds; `i64::MIN` before
    /// the first look.
    furthest: AtomicI64,
}

impl TimeKeeper {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            furthest: AtomicI64::new(i64::MIN),
        }
    }

    /// The time for cached tokens, where the time of day is this, in Unix seconds.
    pub fn now(&self, time_of_day: i64) -> i64 {
        self.now_after(self.elapsed(), time_of_day)
    }

    /// The server agrees with the time of day, so it is right, whatever it was before.
    pub fn confirm(&self, time_of_day: i64) {
        let ahead = time_of_day.saturating_sub(self.elapsed());
        self.furthest.store(ahead, Ordering::Relaxed);
    }

    fn now_after(&self, elapsed: i64, time_of_day: i64) -> i64 {
        let ahead = time_of_day.saturating_sub(elapsed);
        let mut furthest = self.furthest.load(Ordering::Relaxed);
        // Nearly always there is nothing to write, which would slow other threads down.
        if furthest < ahead {
            self.furthest.fetch_max(ahead, Ordering::Relaxed);
            furthest = ahead;
        }
        match furthest.saturating_sub(ahead) {
            set_back if set_back > SLACK => time_of_day.saturating_add(set_back),
            _ => time_of_day,
        }
    }

    /// By the monotonic clock, in seconds.
    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_does_not_turn_time_back() {
        let keeper = TimeKeeper::new();
        assert_eq!(keeper.now_after(0, 10_000), 10_000);
        assert_eq!(keeper.now_after(100, 9_100), 10_100, "set back by 1000 s");
        assert_eq!(
            keeper.now_after(3_000, 12_000),
            13_000,
            "for as long as it is"
        );
        assert_eq!(
            keeper.now_after(3_000, 13_000),
            13_000,
            "and set right again"
        );
    }

    #[test]
    fn a_clock_that_is_set_forward_is_followed() {
        let keeper = TimeKeeper::new();
        keeper.now_after(0, 10_000);
        assert_eq!(keeper.now_after(1, 20_000), 20_000);
    }

    #[test]
    fn small_corrections_are_followed_until_they_add_up() {
        let keeper = TimeKeeper::new();
        keeper.now_after(0, 10_000);
        assert_eq!(keeper.now_after(20, 10_000), 10_000);
        assert_eq!(keeper.now_after(40, 10_000), 10_040);
    }

    #[test]
    fn a_time_that_the_server_confirms_is_right() {
        let keeper = TimeKeeper::new();
        keeper.now_after(0, 100_000);
        keeper.confirm(10_000);
        assert_eq!(keeper.now_after(1, 10_001), 10_001);
    }
}
