//! Leases that are held: a thread renews them until they are released.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::StorageError;

use crate::error::refused_setting;
use crate::lock::Lease;
use crate::scripts;
use crate::server::Server;

const SHORTEST: Duration = Duration::from_millis(100);

/// The leases of a storage's locks. The thread that renews them is started with the first one, and ends
/// when it finds none.
pub(crate) struct Leases {
    shared: Arc<Shared>,
}

struct Shared {
    server: Arc<Server>,
    lease: Duration,
    /// In milliseconds, as an argument of scripts; nothing if it has no end.
    argument: String,
    state: Mutex<State>,
    closed: Condvar,
}

#[derive(Default)]
struct State {
    held: BTreeMap<u64, Held>,
    last: u64,
    is_renewing: bool,
    is_closed: bool,
}

struct Held {
    lease: Lease,
    due: Instant,
}

impl Leases {
    pub(crate) fn new(server: Arc<Server>, lease: Duration) -> Result<Self, StorageError> {
        if lease < SHORTEST {
            return Err(refused_setting(format!(
                "the lease of a lock is {SHORTEST:?} at least"
            )));
        }
        // What is longer than a century has no end.
        let is_endless = lease > Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let argument = match is_endless {
            true => String::new(),
            false => lease.as_millis().to_string(),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                server,
                lease,
                argument,
                state: Mutex::default(),
                closed: Condvar::new(),
            }),
        })
    }

    /// In milliseconds, as an argument of scripts; nothing if it has no end.
    pub(crate) fn argument(&self) -> &[u8] {
        self.shared.argument.as_bytes()
    }

    /// Renews this one until it is forgotten.
    pub(crate) fn keep(&self, lease: Lease) -> u64 {
        let mut state = self.shared.state();
        state.last += 1;
        let number = state.last;
        if !self.shared.argument.is_empty() {
            let due = Instant::now() + self.shared.lease / 3;
            state.held.insert(number, Held { lease, due });
            if !state.is_renewing {
                state.is_renewing = self.shared.start();
            }
        }
        number
    }

    pub(crate) fn forget(&self, number: u64) {
        self.shared.state().held.remove(&number);
    }

    /// Whether it is still held; its lease begins anew then.
    pub(crate) fn renew(&self, lease: &Lease) -> Result<bool, StorageError> {
        self.shared.renew(lease)
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.closed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>) -> bool {
        let shared = Arc::clone(self);
        let renewing = thread::Builder::new()
            .name("logto-redis-leases".into())
            .spawn(move || shared.renew_all());
        if let Err(error) = &renewing {
            log::warn!("the lock of a session is not renewed: {error}");
        }
        renewing.is_ok()
    }

    fn renew_all(&self) {
        let mut state = self.state();
        while let Some(due) = state.held.values().map(|held| held.due).min() {
            if state.is_closed {
                break;
            }
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let waited = self.closed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let all_due = state.held.iter().filter(|(_, held)| held.due <= due);
            let all_due: Vec<_> = all_due.map(|(n, held)| (*n, held.lease.clone())).collect();
            drop(state);
            for (number, lease) in all_due {
                self.renew_one(number, &lease);
            }
            state = self.state();
        }
        state.is_renewing = false;
    }

    fn renew_one(&self, number: u64, lease: &Lease) {
        let renewed = self.renew(lease);
        let mut state = self.state();
        // It may have been released meanwhile.
        let Some(held) = state.held.get_mut(&number) else {
            return;
        };
        match renewed {
            Ok(true) => held.due = Instant::now() + self.lease / 3,
            Ok(false) => {
                state.held.remove(&number);
                log::warn!("the lock of a session was lost: its lease was not renewed in time");
            }
            Err(error) => {
                held.due = Instant::now() + self.lease / 12;
                log::warn!("the lock of a session could not be renewed yet: {error}");
            }
        }
    }

    fn renew(&self, lease: &Lease) -> Result<bool, StorageError> {
        let arguments = [lease.token.as_bytes(), self.argument.as_bytes()];
        let keys = [&*lease.lock];
        let renewed: i64 = self.server.write(&scripts::LOCK_RENEW, &keys, &arguments)?;
        Ok(renewed == 1)
    }
}
