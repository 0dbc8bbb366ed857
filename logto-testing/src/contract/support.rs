//! What the checks are written with.

use std::panic;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use logto_core::PersistKey::RefreshToken;
use logto_core::{
    Change, PersistKey, SessionId, SessionStore, Storage, StorageError, StorageErrorKind,
    StorageLock,
};

/// Whoever takes longer than this hangs. Long, because test machines are slow at times.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// For a lock that many want, each of whom writes to a slow disk.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// For a lock that is not to be had.
pub(super) const SHORT: Duration = Duration::from_millis(100);

pub(super) const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
pub(super) fn set(storage: &dyn Storage, key: PersistKey, value: &str) {
    if let Err(error) = storage.set(key, Some(value)) {
        panic!("{key} could not be set: {error:?}");
    }
}

#[track_caller]
pub(super) fn get(storage: &dyn Storage, key: PersistKey) -> Option<String> {
    match storage.get(key) {
        Ok(value) => value,
        Err(error) => panic!("{key} could not be read: {error:?}"),
    }
}

/// Shows only the beginnings of the values, which may be long.
#[track_caller]
pub(super) fn assert_value(storage: &dyn Storage, key: PersistKey, expected: Option<&str>) {
    let found = get(storage, key);
    assert!(
        found.as_deref() == expected,
        "{key} is {}, and not {}",
        beginning(found.as_deref()),
        beginning(expected),
    );
}

pub(super) fn beginning(value: Option<&str>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(text) if text.len() <= 80 => format!("{text:?}"),
        Some(text) => {
            let start: String = text.chars().take(20).collect();
            format!("{start:?}… of {} bytes", text.len())
        }
    }
}

#[track_caller]
pub(super) fn lock(storage: &dyn Storage) -> StorageLock<'_> {
    match storage.lock(PATIENCE) {
        Ok(held) => held,
        Err(error) => panic!("a lock that nobody holds is not to be had: {error:?}"),
    }
}

/// Takes the lock and releases it, if it is to be had in a short time.
pub(super) fn try_lock(storage: &dyn Storage) -> Result<(), StorageError> {
    storage.lock(SHORT).map(drop)
}

/// What a call on another thread returns while the lock is held; `None` if it does not return.
pub(super) fn while_held<T: Send>(
    held: StorageLock<'_>,
    call: impl FnOnce() -> T + Send,
) -> Option<T> {
    thread::scope(|scope| {
        let (sender, returned) = mpsc::channel();
        scope.spawn(move || {
            let _ = sender.send(call());
        });
        let returned = returned.recv_timeout(PATIENCE).ok();
        // A call that waits for the lock has it now, and the thread ends.
        drop(held);
        returned
    })
}

#[track_caller]
pub(super) fn assert_busy(outcome: Option<Result<(), StorageError>>) {
    match outcome {
        None => panic!("the lock is waited for long after the timeout"),
        Some(Ok(())) => panic!("the lock was had twice at once"),
        Some(Err(error)) => {
            assert_eq!(error.kind(), StorageErrorKind::Busy, "{error:?}");
            assert!(error.is_retryable());
        }
    }
}

/// Panics, without the report that a panic prints.
pub(super) fn die() -> ! {
    panic::resume_unwind(Box::new("on purpose"))
}

/// Reads, adds one and writes, under the lock, or under one to write. The write may end the lock, or not.
pub(super) fn count_up(storage: &dyn Storage, round: usize) {
    if round.is_multiple_of(3) {
        return count_up_by(storage, |changes| storage.update(changes));
    }
    let lock = lock_among_many(storage);
    match round % 3 {
        1 => add_one(storage),
        _ => lock.last_write(|| add_one(storage)),
    }
    .expect("a write under the lock");
}

/// As [`count_up`], by a new session in the place of the old one.
pub(super) fn count_up_by_replacing(store: &dyn SessionStore, id: &SessionId) {
    count_up_by(&*store.session(id), |changes| {
        store.replace(id, id, changes)
    });
}

/// Under a lock to write, and under the lock itself if others came between.
fn count_up_by(storage: &dyn Storage, write: impl Fn(&[Change<'_>]) -> Result<(), StorageError>) {
    let lock = storage.lock_to_write(LONG_PATIENCE);
    let lock = lock.expect("the lock to write, among many");
    match lock.last_write(|| add_one_by(storage, &write)) {
        Err(error) => assert_eq!(error.kind(), StorageErrorKind::Conflict, "{error:?}"),
        Ok(()) => return,
    }
    drop(lock);
    let lock = lock_among_many(storage);
    lock.last_write(|| add_one_by(storage, &write))
        .expect("a write under the lock");
}

fn lock_among_many(storage: &dyn Storage) -> StorageLock<'_> {
    let lock = storage.lock(LONG_PATIENCE);
    lock.expect("the lock, among many")
}

fn add_one(storage: &dyn Storage) -> Result<(), StorageError> {
    add_one_by(storage, |changes| storage.update(changes))
}

fn add_one_by(
    storage: &dyn Storage,
    write: impl FnOnce(&[Change<'_>]) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let count = counted(storage);
    // Whoever is not excluded comes in between.
    thread::sleep(Duration::from_millis(1));
    let text = (count + 1).to_string();
    write(&[Change::set(RefreshToken, &text)])
}

pub(super) fn counted(storage: &dyn Storage) -> usize {
    let count = get(storage, RefreshToken);
    count.map_or(0, |text| text.parse().expect("a count"))
}

/// Repeats for half a second, which is long enough to see a race.
pub(super) fn for_a_while(mut step: impl FnMut(u64)) {
    let end = Instant::now() + SECOND / 2;
    let mut round = 0;
    while round == 0 || Instant::now() < end {
        round += 1;
        step(round);
    }
}

/// Numbers that only look random: the same for the same seed (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }
}
