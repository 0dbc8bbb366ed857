//! The time by which a call must have ended.

use std::time::{Duration, Instant};

use crate::error::Failure;

/// The time by which a call must have ended; none of a timeout beyond what a clock can tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// What is left, never zero; `None` is no limit.
    pub(super) fn left(self) -> Result<Option<Duration>, Failure> {
        let Some(end) = self.0 else {
            return Ok(None);
        };
        match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(Failure::TimedOut),
            left => Ok(Some(left)),
        }
    }

    /// One of so many parts of what is left.
    pub(super) fn part(self, parts: u32) -> Self {
        match self.left() {
            Ok(Some(left)) => Self::after(left / parts),
            _ => self,
        }
    }

    /// Pauses for so long; `false`, at once, if nothing would be left then.
    pub(super) fn sleep(self, pause: Duration) -> bool {
        match self.left() {
            Ok(Some(left)) if left <= pause => false,
            Err(_) => false,
            Ok(_) => {
                std::thread::sleep(pause);
                true
            }
        }
    }
}
