//! Sole use of a session among all processes that share the server.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{LocalLock, LocalLocks, SessionId, SessionKey, StorageError, StorageErrorKind};

use crate::error::unexpected;
use crate::lease::Leases;
use crate::names::Names;
use crate::scripts;
use crate::server::Server;

/// The first pause between two looks at another process's lease.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest of them: a waiting process takes a session this late at most after its release.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// The key of a lock, and the random token of one holder.
#[derive(Clone)]
pub(crate) struct Lease {
    pub(crate) lock: Arc<str>,
    pub(crate) token: Arc<str>,
}

/// The locks of the sessions on one server.
pub(crate) struct Locks {
    server: Arc<Server>,
    leases: Leases,
    /// Threads of this process queue here, so that one of them asks for the lease.
    local: LocalLocks,
}

/// A held lock; dropping it releases it.
pub(crate) struct Holding<'a> {
    locks: &'a Locks,
    lease: Lease,
    number: u64,
    _local: LocalLock,
}

impl Locks {
    pub(crate) fn new(server: Arc<Server>, lease: Duration) -> Result<Self, StorageError> {
        Ok(Self {
            leases: Leases::new(Arc::clone(&server), lease)?,
            server,
            local: LocalLocks::default(),
        })
    }

    pub(crate) fn acquire(
        &self,
        names: &Names,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<Holding<'_>, StorageError> {
        let started = Instant::now();
        let local = self.local.lock(session, timeout)?;
        let lease = Lease {
            lock: names.lock(session).into(),
            token: SessionId::random().expose().into(),
        };
        let mut pauses = 0;
        while !self.try_acquire(&lease)? {
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
            number: self.leases.keep(lease.clone()),
            locks: self,
            lease,
            _local: local,
        })
    }

    fn try_acquire(&self, lease: &Lease) -> Result<bool, StorageError> {
        let arguments = [lease.token.as_bytes(), self.leases.argument()];
        let script = &scripts::LOCK_ACQUIRE;
        match self
            .server
            .write_confirmed(script, &[&lease.lock], &arguments)
        {
            Ok(1) => Ok(true),
            Ok(0) => Ok(false),
            Ok(_) => Err(unexpected()),
            Err(error) => {
                // The server may have given it to the caller before the call failed.
                if let Err(also) = self.release(lease) {
                    log::debug!("a lock that failed may be held until its lease is over: {also}");
                }
                Err(error)
            }
        }
    }

    fn release(&self, lease: &Lease) -> Result<bool, StorageError> {
        let arguments = [lease.token.as_bytes()];
        let script = &scripts::LOCK_RELEASE;
        let released: i64 = self.server.write(script, &[&lease.lock], &arguments)?;
        Ok(released == 1)
    }
}

impl Holding<'_> {
    /// Whether no other holder has had it since. What cannot be asked counts as lost.
    pub(crate) fn is_held(&self) -> bool {
        self.locks.leases.renew(&self.lease).unwrap_or(false)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.locks.leases.forget(self.number);
        match self.locks.release(&self.lease) {
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
