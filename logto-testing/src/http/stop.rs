//! Telling all threads to stop.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A flag that wakes those who sleep.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for this time or until the server stops.
    pub(super) fn sleep(&self, time: Duration) {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = self
            .changed
            .wait_timeout_while(stopped, time, |stopped| !*stopped);
        drop(woken);
    }
}
