//! Sole use of a session among all threads and processes that share the server.

use std::hash::{BuildHasher as _, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use logto_core::{LocalLock, StorageError, StorageErrorKind};

use crate::names::SessionKey;
use crate::reply::{corrupt, unexpected};
use crate::scripts;
use crate::sessions::{Fence, Sessions};
use crate::token::Token;

/// The first pause between two looks at another process's lease.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest of them: a session is taken this late at most after it was released.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// How long a released lock tells who had it, in milliseconds: ten minutes. Until then a holder that was
/// stopped, and has lost it to somebody who released it, cannot write.
const MARK: &[u8] = b"600000";

/// What a lock's key holds before the token of the one who has it, or had it last.
const HELD: &str = "held:";
const FREE: &str = "free:";

/// A held lock. Threads of this process queue for the local half, so that only one of them asks for the
/// lease.
pub(crate) struct Holding {
    fence: Fence,
    number: u64,
    _local: LocalLock,
}

impl Holding {
    pub(crate) fn acquire(
        sessions: &Sessions,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        let started = Instant::now();
        let local = sessions.locks.lock(*session.digest(), timeout)?;
        let fence = Fence {
            lock: session.lock().into(),
            held: format!("{HELD}{}", Token::random()?.as_str()).into(),
        };
        let mut pauses = 0;
        while !try_acquire(sessions, &fence)? {
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
        Ok(Self {
            number: sessions.leases.keep(fence.clone()),
            fence,
            _local: local,
        })
    }

    /// What makes writes the holder's.
    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Whether nobody else has had it since. What cannot be asked counts as lost.
    pub(crate) fn is_held(&self, sessions: &Sessions) -> bool {
        sessions.leases.renew(&self.fence).unwrap_or(false)
    }

    /// Frees it for others. To be called before it is dropped.
    pub(crate) fn release(&self, sessions: &Sessions) {
        sessions.leases.forget(self.number);
        match release(sessions, &self.fence) {
            Ok(true) => {}
            Ok(false) => log::warn!(
                "the lock of a session was lost before its release: its lease was not renewed in time"
            ),
            Err(error) => {
                log::warn!("the lock of a session is free when its lease is over only: {error}");
            }
        }
    }
}

/// Whether the lock could be had.
fn try_acquire(sessions: &Sessions, fence: &Fence) -> Result<bool, StorageError> {
    let arguments = [fence.held.as_bytes(), sessions.leases.argument()];
    let keys = [&*fence.lock];
    let acquired = sessions
        .server
        .write_confirmed(&scripts::LOCK_ACQUIRE, &keys, &arguments);
    match acquired {
        Ok(1) => Ok(true),
        Ok(0) => Ok(false),
        Ok(-1) => Err(corrupt(
            "the lock of a session holds what this crate did not write; take another prefix",
        )),
        Ok(_) => Err(unexpected()),
        Err(error) => {
            // The server may have given it to the caller before the call failed.
            if let Err(also) = release(sessions, fence) {
                log::debug!("a lock that failed may be held until its lease is over: {also}");
            }
            Err(error)
        }
    }
}

fn release(sessions: &Sessions, fence: &Fence) -> Result<bool, StorageError> {
    let free = fence.held.replacen(HELD, FREE, 1);
    let arguments = [fence.held.as_bytes(), free.as_bytes(), MARK];
    let keys = [&*fence.lock];
    let released: i64 = sessions
        .server
        .write(&scripts::LOCK_RELEASE, &keys, &arguments)?;
    Ok(released == 1)
}

/// Longer and longer, and seldom the same for two who wait.
fn pause(before: u32) -> Duration {
    let longest = FIRST_PAUSE
        .saturating_mul(1 << before.min(16))
        .min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(before) as u32;
    longest.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for before in 0..40 {
            let longest = (FIRST_PAUSE * (1 << before.min(16))).min(LONGEST_PAUSE);
            let pause = pause(before);
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?}");
        }
    }
}
