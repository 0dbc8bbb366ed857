//! When a session has lain unused for too long.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;

/// How long a session may lie unused before it expires, by default: 14 days, the life of a Logto
/// refresh token.
pub const DEFAULT_IDLE_LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The idle lifetime of a storage's sessions and the clock to measure it by, for a backend to decide whether a
/// session is still there. Times are milliseconds since 1970.
///
/// ```
/// # use logto_core as logto;
/// use logto::{IdleLifetime, SystemClock};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let idle = IdleLifetime::new(Duration::from_secs(60), Arc::new(SystemClock));
/// let used_at = idle.now();
/// assert!(!idle.is_over(used_at, used_at + 60_000));
/// assert!(idle.is_over(used_at, used_at + 60_001));
/// ```
#[derive(Debug, Clone)]
pub struct IdleLifetime {
    lifetime: i64,
    clock: Arc<dyn Clock>,
}

impl IdleLifetime {
    /// This lifetime by this clock. `Duration::MAX` never ends.
    pub fn new(lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            lifetime: millis(lifetime),
            clock,
        }
    }

    /// The time now.
    pub fn now(&self) -> i64 {
        unix_millis(self.clock.now())
    }

    /// Whether a session that was last used at `used_at` has expired.
    pub fn is_over(&self, used_at: i64, now: i64) -> bool {
        used_at < self.oldest_live(now)
    }

    /// The earliest last use of a session that has not expired.
    pub fn oldest_live(&self, now: i64) -> i64 {
        now.saturating_sub(self.lifetime)
    }

    /// Whether a read must be written down, so that its session's last use is never noted more than
    /// a twentieth of the lifetime late. So it is after the clock was put back, too.
    pub fn should_note(&self, used_at: i64, now: i64) -> bool {
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
    use super::*;
    use crate::clock::SystemClock;

    fn idle(lifetime: Duration) -> IdleLifetime {
        IdleLifetime::new(lifetime, Arc::new(SystemClock))
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
