//! Giving up from another thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ends a wait from another thread: of a "Cancel" button, or of a handler of Ctrl-C.
///
/// `Clone` is cheap and stands for the same wait. What is cancelled stays so: make a new one for the
/// next sign-in.
///
/// Only waiting is ended. A request to the server that is under way runs to its end: the call may
/// then still return `Ok`, and the user is signed in.
///
/// ```no_run
/// # fn example(client: &logto::LogtoClient) {
/// use logto::desktop::{self, Cancel, DesktopSignInOptions};
/// use std::thread;
///
/// let cancel = Cancel::new();
/// let button = cancel.clone();
/// thread::spawn(move || button.cancel()); // when it is pressed
///
/// let options = DesktopSignInOptions::new().cancel(&cancel);
/// match desktop::sign_in(client, &options) {
///     Err(error) if error.is_cancelled() => println!("Maybe later."),
///     result => drop(result),
/// }
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_cancelled: Mutex<bool>,
    changed: Condvar,
}

impl Cancel {
    /// One that nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the wait at once, and every later one with this handle.
    pub fn cancel(&self) {
        *self.lock() = true;
        self.0.changed.notify_all();
    }

    /// Whether it is cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.lock()
    }

    /// Lets this time pass, or less if it is cancelled, and tells whether it is.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let changed = &self.0.changed;
        let waited = changed.wait_timeout_while(self.lock(), time, |is_cancelled| !*is_cancelled);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        let is_cancelled = &self.0.is_cancelled;
        is_cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn cancelling_ends_a_wait_at_once() {
        let cancel = Cancel::new();
        assert!(!cancel.is_cancelled());
        let button = cancel.clone();
        let started = Instant::now();
        let waiter = thread::spawn(move || cancel.wait(Duration::from_secs(600)));
        button.cancel();
        assert!(waiter.join().unwrap() && button.is_cancelled());
        assert!(started.elapsed() < Duration::from_secs(300));
    }
}
