//! The time of day, as something that a test can move.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time of day.
///
/// The client and the storages ask a clock instead of the system, so that a test can move it.
///
/// ```
/// # use logto_core as logto;
/// use logto::Clock;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// #[derive(Debug)]
/// struct Frozen;
///
/// impl Clock for Frozen {
///     fn now(&self) -> SystemTime {
///         UNIX_EPOCH + Duration::from_secs(1_800_000_000)
///     }
/// }
///
/// assert_eq!(Frozen.unix_seconds(), 1_800_000_000);
/// ```
pub trait Clock: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// Whole seconds since 1970-01-01T00:00:00Z, as JSON Web Tokens count them; 0 before that.
    fn unix_seconds(&self) -> i64 {
        let elapsed = self
            .now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
    }
}

/// The operating system's clock: what every program uses outside its tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place where the system is asked
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
