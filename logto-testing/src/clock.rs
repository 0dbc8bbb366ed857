//! A clock that tests move.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logto_core::{Clock, SystemClock};

/// A clock that a test moves: for the server, the client and the storage together.
///
/// It follows the system's clock until it is moved or frozen. Clones share the time.
///
/// ```
/// use logto_core::Clock;
/// use logto_testing::TestClock;
/// use std::time::Duration;
///
/// let clock = TestClock::new();
/// clock.freeze();
/// let before = clock.unix_seconds();
/// clock.clone().advance(Duration::from_secs(3600));
/// assert_eq!(clock.unix_seconds(), before + 3600);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    hands: Arc<Mutex<Hands>>,
}

/// Times are in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
enum Hands {
    Running { shift: i64 },
    Frozen { at: i64 },
}

impl TestClock {
    /// A clock that shows the system's time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.shift(|time| time.saturating_add(nanoseconds(by)));
    }

    /// Moves the clock back.
    pub fn rewind(&self, by: Duration) {
        self.shift(|time| time.saturating_sub(nanoseconds(by)));
    }

    /// Sets the clock to a time in seconds since 1970. A running clock goes on from there.
    pub fn set(&self, unix_seconds: i64) {
        let target = unix_seconds.saturating_mul(1_000_000_000);
        self.change(|hands| match hands {
            Hands::Running { .. } => Hands::Running {
                shift: target.saturating_sub(system_time()),
            },
            Hands::Frozen { .. } => Hands::Frozen { at: target },
        });
    }

    /// Stops the clock where it is: from here on only the test moves it, so that a slow machine
    /// makes no difference.
    pub fn freeze(&self) {
        self.change(|hands| Hands::Frozen { at: hands.time() });
    }

    /// Lets a frozen clock run on from where it stands.
    pub fn unfreeze(&self) {
        self.change(|hands| Hands::Running {
            shift: hands.time().saturating_sub(system_time()),
        });
    }

    fn shift(&self, by: impl Fn(i64) -> i64) {
        self.change(|hands| match hands {
            Hands::Running { shift } => Hands::Running { shift: by(shift) },
            Hands::Frozen { at } => Hands::Frozen { at: by(at) },
        });
    }

    fn change(&self, change: impl FnOnce(Hands) -> Hands) {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        *hands = change(*hands);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        let hands = *self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        let nanoseconds = u64::try_from(hands.time()).unwrap_or(0);
        UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }
}

impl Hands {
    fn time(self) -> i64 {
        match self {
            Self::Running { shift } => system_time().saturating_add(shift),
            Self::Frozen { at } => at,
        }
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self::Running { shift: 0 }
    }
}

/// Milliseconds since 1970 by this clock.
pub(crate) fn milliseconds(clock: &dyn Clock) -> i64 {
    let elapsed = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

fn system_time() -> i64 {
    let elapsed = SystemClock
        .now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    nanoseconds(elapsed)
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_time_moves_only_by_hand() {
        let clock = TestClock::new();
        clock.freeze();
        clock.set(1_800_000_000);
        clock.advance(Duration::from_secs(10));
        clock.rewind(Duration::from_secs(4));
        assert_eq!(clock.unix_seconds(), 1_800_000_006);
        clock.unfreeze();
        assert!(clock.unix_seconds() >= 1_800_000_006);
    }

    #[test]
    fn times_before_1970_are_1970() {
        let clock = TestClock::new();
        clock.set(-5);
        assert_eq!(clock.unix_seconds(), 0);
    }
}
