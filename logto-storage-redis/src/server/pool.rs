//! Few connections for many threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use logto_core::StorageErrorKind::Busy;

use crate::error::Failure;

use super::connection::Connection;
use super::deadline::Deadline;

/// Firewalls forget a connection after minutes of silence, and then swallow what is sent over it.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Connections to one server. The one that was used last is taken first; who waits longest has it.
pub(super) struct Pool {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// With the time of their last use, which grows.
    idle: Vec<(Instant, Connection)>,
    in_use: usize,
    /// The tickets of those who wait, and the last one that was given.
    waiting: VecDeque<u64>,
    last_ticket: u64,
    /// Counts how often the idle ones were thrown away; older connections don't come back.
    age: u64,
}

/// The right to use one connection, until it is dropped.
pub(super) struct Place<'a> {
    pool: &'a Pool,
    age: u64,
}

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// A place, and an idle connection if there is one; waits while all are in use.
    pub(super) fn take(
        &self,
        deadline: Deadline,
    ) -> Result<(Place<'_>, Option<Connection>), Failure> {
        let mut state = self.state();
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.waiting.push_back(ticket);
        let is_free = loop {
            if state.in_use < self.limit && state.waiting.front() == Some(&ticket) {
                break true;
            }
            let Ok(left) = deadline.left() else {
                break false;
            };
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.waiting.retain(|waiting| *waiting != ticket);
        self.changed.notify_all();
        if !is_free {
            let limit = self.limit;
            let why = format!("all {limit} connections are in use; allow more (`connections`)");
            return Err(Failure::Told(Busy, why));
        }
        state.in_use += 1;
        let (pool, age) = (self, state.age);
        Ok((Place { pool, age }, state.pop()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The one that was used last; if that was silent for too long, so were the others.
    fn pop(&mut self) -> Option<Connection> {
        let (used, connection) = self.idle.pop()?;
        if used.elapsed() > LONGEST_SILENCE {
            self.idle.clear();
            return None;
        }
        Some(connection)
    }
}

impl Place<'_> {
    /// Leaves the connection for the next one.
    pub(super) fn keep(self, connection: Connection) {
        let mut state = self.pool.state();
        if state.age == self.age {
            state.idle.push((Instant::now(), connection));
        }
    }

    /// Closes the idle ones too: a server that was restarted broke them all, and so does a network.
    pub(super) fn close_all(self) {
        let mut state = self.pool.state();
        if state.age == self.age {
            state.age += 1;
            state.idle.clear();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.state().in_use -= 1;
        self.pool.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn who_waits_has_the_place_before_who_comes_later() {
        let pool = Pool::new(1);
        let order = Mutex::new(Vec::new());
        let (first, _) = pool.take(Deadline::after(LONG)).ok().unwrap();
        thread::scope(|scope| {
            for number in 0..3 {
                let (pool, order) = (&pool, &order);
                scope.spawn(move || {
                    let _place = pool.take(Deadline::after(LONG)).ok().unwrap();
                    order.lock().unwrap().push(number);
                });
                while pool.state().waiting.len() <= number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
        assert_eq!(pool.state().in_use, 0);
    }

    #[test]
    fn who_gave_up_is_passed_over() {
        let pool = Pool::new(1);
        let (first, _) = pool.take(Deadline::after(LONG)).ok().unwrap();
        let refused = pool.take(Deadline::after(Duration::ZERO)).err();
        assert!(matches!(refused, Some(Failure::Told(Busy, _))));
        drop(first);
        assert!(pool.take(Deadline::after(Duration::ZERO)).is_ok());
        assert_eq!(pool.state().in_use, 0);
    }
}
