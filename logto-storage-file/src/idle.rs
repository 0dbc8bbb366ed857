//! When a session has lain unused for too long.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logto_core::Clock;

/// The idle lifetime of a store's sessions, and the clock to measure it by. Times are milliseconds
/// since 1970.
pub(crate) struct Idle {
    lifetime: i64,
    clock: Arc<dyn Clock>,
}

impl Idle {
    pub(crate) fn new(lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            lifetime: millis(lifetime),
            clock,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        unix_millis(self.clock.now())
    }

    /// Whether a session that was last used at `used_at` has expired.
    pub(crate) fn is_over(&self, used_at: i64, now: i64) -> bool {
        used_at < self.oldest_live(now)
    }

    /// The earliest last use of a session that has not expired.
    pub(crate) fn oldest_live(&self, now: i64) -> i64 {
        now.saturating_sub(self.lifetime)
    }

    /// Whether a read must be written down, so that its session's last use is never noted more than
    /// a twentieth of the lifetime late. So it is after the clock was put back, too.
    pub(crate) fn should_note(&self, used_at: i64, now: i64) -> bool {
        now.abs_diff(used_at) > self.lifetime.unsigned_abs() / 20
    }
}

fn unix_millis(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// What does not fit is longer than any session lives.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use logto_core::SystemClock;

    use super::*;

    fn idle(lifetime: Duration) -> Idle {
        Idle::new(lifetime, Arc::new(SystemClock))
    }

    #[test]
    fn a_session_lives_for_its_lifetime_and_no_longer() {
        let idle = idle(Duration::from_secs(1));
        assert!(!idle.is_over(5_000, 6_000));
        assert!(idle.is_over(5_000, 6_001));
    }

    #[test]
    fn an_endless_lifetime_never_ends() {
        let idle = idle(Duration::MAX);
        assert!(!idle.is_over(0, i64::MAX));
        assert!(!idle.should_note(0, idle.now()));
    }

    #[test]
    fn reads_are_noted_when_a_twentieth_has_passed_or_the_clock_went_back() {
        let idle = idle(Duration::from_secs(20));
        assert!(!idle.should_note(100_000, 101_000));
        assert!(idle.should_note(100_000, 101_001));
        assert!(idle.should_note(100_000, 98_999));
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(unix_millis(UNIX_EPOCH - Duration::from_secs(1)), -1_000);
    }
}
