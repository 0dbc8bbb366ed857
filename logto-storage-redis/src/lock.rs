//! Sole use of a session among all processes that share the server.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{LocalLock, LocalLocks, SessionId, SessionKey, StorageError, StorageErrorKind};

use crate::error::{refused_setting, unexpected};
use crate::lifetime::millis_of;
use crate::names::Names;
use crate::scripts;
use crate::server::Server;

const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// The first pause between two looks at another process's lease.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest of them: a waiting process takes a session this late at most after its release.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// The locks of the sessions on one server.
pub(crate) struct Locks {
    server: Arc<Server>,
    /// In milliseconds.
    lease: i64,
    /// Threads of this process queue here, so that one of them asks for the lease.
    local: LocalLocks,
}

/// The lock's key, and the random token of one holder.
#[derive(Clone)]
struct Lease {
    server: Arc<Server>,
    key: String,
    token: String,
    millis: i64,
}

/// A held lock; dropping it releases it.
pub(crate) struct Holding {
    lease: Lease,
    /// Whoever renews the lease ends when this is gone.
    renewing: Option<Sender<()>>,
    _local: LocalLock,
}

impl Locks {
    pub(crate) fn new(server: Arc<Server>, lease: Duration) -> Result<Self, StorageError> {
        if lease < SHORTEST_LEASE {
            return Err(refused_setting(format!(
                "the lease of a lock is {SHORTEST_LEASE:?} at least"
            )));
        }
        Ok(Self {
            server,
            lease: millis_of(lease),
            local: LocalLocks::default(),
        })
    }

    pub(crate) fn acquire(
        &self,
        names: &Names,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<Holding, StorageError> {
        let started = Instant::now();
        let local = self.local.lock(session, timeout)?;
        let lease = Lease {
            server: Arc::clone(&self.server),
            key: names.lock(session),
            token: SessionId::random().expose().into(),
            millis: self.lease,
        };
        let mut pauses = 0;
        while !lease.acquire()? {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(StorageError::new(
                    StorageErrorKind::Busy,
                    "the session is in use by another process",
                ));
            }
            thread::sleep(pause(pauses).min(left));
            pauses += 1;
        }
        Ok(Holding {
            renewing: lease.clone().keep(),
            lease,
            _local: local,
        })
    }
}

impl Lease {
    fn acquire(&self) -> Result<bool, StorageError> {
        let arguments = (&self.token, self.millis);
        let (script, server) = (&scripts::LOCK_ACQUIRE, &self.server);
        let answer = server.write_and_count(script, &[&self.key], arguments, &mut false);
        let acquired = match answer {
            Ok((0, _)) => return Ok(false),
            Ok((1, None)) => return Ok(true),
            Ok((_, few)) => few.unwrap_or_else(unexpected),
            Err(error) => error,
        };
        // The server may have given it to the caller before the call failed.
        if let Err(also) = self.release() {
            log::debug!("a lock that failed may be held until its lease is over: {also}");
        }
        Err(acquired)
    }

    fn release(&self) -> Result<bool, StorageError> {
        let script = &scripts::LOCK_RELEASE;
        let released: i64 = self.server.write(script, &[&self.key], &self.token)?;
        Ok(released == 1)
    }

    /// Whether it is still held; it begins anew then.
    fn renew(&self) -> Result<bool, StorageError> {
        let arguments = (&self.token, self.millis);
        let script = &scripts::LOCK_RENEW;
        let renewed: i64 = self.server.write(script, &[&self.key], arguments)?;
        Ok(renewed == 1)
    }

    /// Renews it on a thread of its own, until the sender is gone.
    fn keep(self) -> Option<Sender<()>> {
        let (held, released) = mpsc::channel();
        let thread = thread::Builder::new().name("logto-redis-lease".into());
        match thread.spawn(move || self.renew_until(&released)) {
            Ok(_) => Some(held),
            Err(error) => {
                log::warn!("the lock of a session is not renewed: {error}");
                None
            }
        }
    }

    fn renew_until(&self, released: &Receiver<()>) {
        let third = Duration::from_millis(self.millis.unsigned_abs() / 3);
        let mut pause = third;
        while released.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let renewed = self.renew();
            // It may have been released meanwhile.
            if released.try_recv() == Err(TryRecvError::Disconnected) {
                return;
            }
            pause = third;
            match renewed {
                Ok(true) => {}
                Ok(false) => {
                    log::warn!("the lock of a session was lost: its lease was not renewed in time");
                    return;
                }
                Err(error) => {
                    pause /= 4;
                    log::warn!("the lock of a session could not be renewed yet: {error}");
                }
            }
        }
    }
}

impl Holding {
    /// Whether no other holder has had it since. What cannot be asked counts as lost.
    pub(crate) fn is_held(&self) -> bool {
        self.lease.renew().unwrap_or(false)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.renewing = None;
        match self.lease.release() {
            Ok(true) => {}
            Ok(false) => log::warn!(
                "the lock of a session was lost before its release: its lease was not renewed in time"
            ),
            Err(error) => {
                log::warn!("the lock of a session stays held until its lease is over: {error}");
            }
        }
    }
}

/// Longer each time, and seldom the same for two that wait.
fn pause(before: u32) -> Duration {
    let longest = FIRST_PAUSE
        .saturating_mul(1 << before.min(16))
        .min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(before) as u32;
    longest.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}
