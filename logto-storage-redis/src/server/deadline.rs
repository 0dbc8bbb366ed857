//! The time by which a call must have ended.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::Failure;

/// The longest that systems can wait for.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time by which a call must have ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout.min(LONGEST))
    }

    /// What is left, never zero.
    pub(super) fn left(self) -> Result<Duration, Failure> {
        match self.0.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(Failure::TimedOut),
            left => Ok(left),
        }
    }

    /// One of so many parts of what is left.
    pub(super) fn part(self, parts: u32) -> Self {
        self.left().map_or(self, |left| Self::after(left / parts))
    }

    /// Pauses for so long; `false`, at once, if nothing would be left then.
    pub(super) fn sleep(self, pause: Duration) -> bool {
        let is_enough = self.left().is_ok_and(|left| left > pause);
        if is_enough {
            thread::sleep(pause);
        }
        is_enough
    }
}
