//! Few connections for many threads.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Failure;

use super::connection::Connection;
use super::deadline::Deadline;

/// Firewalls forget a connection after minutes of silence, and then swallow what is sent over it.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Connections to one server. The one that was used last is taken first; who waits longest has it.
pub(super) struct Pool {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// With the time of their last use, which grows.
    idle: Vec<(Instant, Connection)>,
    in_use: usize,
    /// Who is handed the next place, and those who have given up.
    waiting: VecDeque<SyncSender<()>>,
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
        }
    }

    /// A place, and an idle connection if there is one; waits while all are in use.
    pub(super) fn take(
        &self,
        deadline: Deadline,
    ) -> Result<(Place<'_>, Option<Connection>), Failure> {
        let mut state = self.state();
        if state.in_use < self.limit {
            state.in_use += 1;
        } else {
            let (sender, handed) = mpsc::sync_channel(1);
            state.waiting.push_back(sender);
            drop(state);
            self.wait(handed, deadline)?;
            state = self.state();
        }
        let place = Place {
            pool: self,
            age: state.age,
        };
        Ok((place, state.pop()))
    }

    /// Until a place is handed over, which counts as in use all the time.
    fn wait(&self, handed: Receiver<()>, deadline: Deadline) -> Result<(), Failure> {
        let is_handed = match deadline.left() {
            Ok(Some(left)) => handed.recv_timeout(left).is_ok(),
            Ok(None) => handed.recv().is_ok(),
            Err(_) => false,
        };
        if is_handed {
            return Ok(());
        }
        // Nobody hands it over meanwhile.
        let state = self.state();
        let is_handed = handed.try_recv().is_ok();
        drop(handed);
        drop(state);
        match is_handed {
            true => Ok(()),
            false => Err(Failure::PoolExhausted(self.limit)),
        }
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
        let mut state = self.pool.state();
        while let Some(next) = state.waiting.pop_front() {
            if next.try_send(()).is_ok() {
                return;
            }
        }
        state.in_use -= 1;
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
        assert!(matches!(refused, Some(Failure::PoolExhausted(1))));
        drop(first);
        assert!(pool.take(Deadline::after(Duration::ZERO)).is_ok());
        assert_eq!(pool.state().in_use, 0);
    }
}
