//! Few connections for many threads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Failure;

use super::connection::Connection;
use super::deadline::Deadline;

/// Firewalls forget a connection after minutes of silence, and then swallow what is sent over it.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Connections to one server. The one that was used last is taken first.
pub(super) struct Pool {
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// With the time of their last use, which grows.
    idle: Vec<(Instant, Connection)>,
    in_use: usize,
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
            freed: Condvar::new(),
        }
    }

    /// A place, and an idle connection if there is one; waits while all are in use.
    pub(super) fn take(
        &self,
        deadline: Deadline,
    ) -> Result<(Place<'_>, Option<Connection>), Failure> {
        let mut state = self.state();
        while state.in_use >= self.limit {
            state = self.wait(state, deadline)?;
        }
        state.in_use += 1;
        let place = Place {
            pool: self,
            age: state.age,
        };
        Ok((place, state.pop()))
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Deadline,
    ) -> Result<MutexGuard<'a, State>, Failure> {
        let exhausted = |_| Failure::PoolExhausted(self.limit);
        Ok(match deadline.left().map_err(exhausted)? {
            None => self
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(left) => {
                let waited = self.freed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        })
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
        self.pool.freed.notify_one();
    }
}
