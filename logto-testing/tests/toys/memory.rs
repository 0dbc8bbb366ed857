//! A storage in memory that keeps all promises but one.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use logto_core::{
    Clock as _, LocalLock, LocalLocks, OwnerDigest, Record, SessionKey, SessionOwner, Storage,
    StorageError, StorageErrorKind, StorageLock, Version,
};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

/// The promise that a toy breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    LosesServerSessions,
    MakesVersions,
    EndsAtNul,
    Trims,
    EmptyIsAbsent,
    SmallDataOnly,
    KeepsTheTail,
    SavesInTwoSteps,
    NoneOverwrites,
    ComparesPresenceOnly,
    AnyVersionCreates,
    ComparesCounts,
    ConflictWrites,
    ComparesThenSwaps,
    RemovesNothing,
    RemovesAll,
    RemoveKeepsOwners,
    MissesTheAbsent,
    ReplaceKeepsTheOld,
    ReplaceKeepsTheRecord,
    ReplaceOfNothingConflicts,
    ReplaceNeverCompares,
    ReplaceOverwrites,
    ReplacesInTwoSteps,
    ReplaceKeepsOwners,
    TruncatesKeys,
    OnlyIsHidden,
    BusyAmongThreads,
    ShowsData,
    ShowsKeys,
    ForgetsWhenClosed,
    ExpiresEarly,
    LoadsTheExpired,
    SaveSeesTheExpired,
    ReplaceSeesTheExpired,
    FindsTheExpired,
    VisitsTheExpired,
    LoadsAreNoUse,
    LoadsChangeVersions,
    NotesLoadsLate,
    SavesAreNoUse,
    FindingIsUse,
    VisitingIsUse,
    EndlessIsShort,
    PurgeFreesNothing,
    PurgeFreesAll,
    PurgeCountsAll,
    FindsNothing,
    FindsUsersOnly,
    FindsOne,
    FindsAll,
    KeepsFormerOwners,
    KeepsTheFirstOwner,
    IndexLags,
    LocksMakeSessions,
    VisitsNothing,
    VisitsOnePage,
    VisitsTwice,
    VisitsUnderTheMutex,
    VisitsPagesByNumber,
    VisitsAfterErrors,
    SwallowsErrors,
    NoLock,
    LockDoesNotWait,
    LockWaitsTooLong,
    LockConflicts,
    KeepsTheLock,
    KeepsTheLockOfThePanicked,
    LoadsTakeTheLock,
    SavesTakeTheLock,
    LocksByStorage,
}

use Fault as F;

thread_local! {
    static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}

/// A place in memory that outlives the storages over it.
pub(crate) struct InMemory(Toy);

impl InMemory {
    /// All toys that this thread makes have the fault.
    pub(crate) fn make_with(fault: Fault) {
        FAULT.set(fault);
    }
}

impl Fixture for InMemory {
    const PERSISTENT: bool = true;

    fn new() -> Self {
        Self(Toy {
            fault: FAULT.get(),
            map: Arc::default(),
            locks: LocalLocks::default(),
            lifetime: Duration::MAX,
            clock: TestClock::new(),
        })
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn Storage> {
        let mut toy = self.0.clone();
        toy.clock = clock;
        toy.lifetime = match toy.fault {
            F::ExpiresEarly => idle_lifetime / 2,
            F::EndlessIsShort if idle_lifetime == Duration::MAX => Duration::from_secs(3600),
            _ => idle_lifetime,
        };
        match toy.fault {
            F::ForgetsWhenClosed => toy.map = Arc::default(),
            F::LocksByStorage => toy.locks = LocalLocks::default(),
            _ => {}
        }
        Box::new(toy)
    }

    /// Only storages of this process can be opened; the checks among processes are given another toy.
    fn place(&self) -> Option<String> {
        Some("memory".to_owned())
    }
}

#[derive(Clone)]
struct Toy {
    fault: Fault,
    map: Arc<Mutex<Map>>,
    locks: LocalLocks,
    lifetime: Duration,
    clock: TestClock,
}

#[derive(Default)]
struct Map {
    entries: HashMap<SessionKey, Entry>,
    /// By whom a session is found.
    owners: Vec<(OwnerDigest, SessionKey)>,
    /// How often a session had been saved at a version.
    counts: HashMap<Version, u32>,
}

#[derive(Clone)]
struct Entry {
    record: Record,
    used_at: SystemTime,
    saved_at: Instant,
    count: u32,
}

impl Toy {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn map(&self) -> Result<MutexGuard<'_, Map>, StorageError> {
        match self.map.try_lock() {
            Err(TryLockError::WouldBlock) if self.is(F::BusyAmongThreads) => {
                Err(error(StorageErrorKind::Busy))
            }
            Ok(map) if self.is(F::BusyAmongThreads) => {
                thread::sleep(Duration::from_micros(100));
                Ok(map)
            }
            Ok(map) => Ok(map),
            Err(_) => Ok(self.map.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn key(&self, session: &SessionKey) -> SessionKey {
        let mut bytes = *session.as_bytes();
        if self.is(F::TruncatesKeys) {
            bytes[16..].fill(0);
        }
        SessionKey::from_bytes(bytes)
    }

    /// The lock of the session for the length of a call, which must not need it.
    fn locked(&self, fault: Fault, session: &SessionKey) -> Option<LocalLock> {
        let lock = self
            .is(fault)
            .then(|| self.locks.lock(session, Duration::from_secs(20)));
        lock.and_then(Result::ok)
    }

    fn has_expired(&self, entry: &Entry) -> bool {
        let unused = self.clock.now().duration_since(entry.used_at);
        unused.is_ok_and(|unused| unused > self.lifetime)
    }

    /// Whether the entry is there to a call that may see the expired.
    fn is_there(&self, entry: &Entry, sees_expired: Fault) -> bool {
        self.is(sees_expired) || !self.has_expired(entry)
    }

    fn compare(
        &self,
        map: &Map,
        session: &SessionKey,
        expected: Option<Version>,
        sees_expired: Fault,
    ) -> Result<(), StorageError> {
        let entry = map.entries.get(session);
        let entry = entry.filter(|entry| self.is_there(entry, sees_expired));
        let is_same = match (entry, expected) {
            (None, expected) => expected.is_none() || self.is(F::AnyVersionCreates),
            (Some(_), None) => self.is(F::NoneOverwrites),
            (Some(_), Some(_)) if self.is(F::ComparesPresenceOnly) => true,
            (Some(entry), Some(expected)) if self.is(F::ComparesCounts) => {
                map.counts.get(&expected) == Some(&entry.count)
            }
            (Some(entry), Some(expected)) => entry.record.version() == expected,
        };
        match is_same {
            true => Ok(()),
            false => Err(StorageError::conflict()),
        }
    }

    fn put(&self, map: &mut Map, session: &SessionKey, record: &Record) {
        let old = map
            .entries
            .get(session)
            .filter(|old| !self.has_expired(old));
        let used_at = match old {
            Some(old) if self.is(F::SavesAreNoUse) => old.used_at,
            _ => self.clock.now(),
        };
        let count = old.map_or(0, |old| old.count + 1);
        let record = self.distorted(record, old.map(|old| old.record.data()));
        let keeps = self.is(F::KeepsTheFirstOwner) && old.is_some();
        let had_owner = keeps && map.owners.iter().any(|(_, found)| found == session);
        if !self.is(F::KeepsFormerOwners) && !had_owner {
            map.owners.retain(|(_, found)| found != session);
        }
        if !had_owner {
            let digests = record
                .owner()
                .into_iter()
                .flat_map(|owner| owner.digests().collect::<Vec<_>>());
            let digests = digests.map(|digest| (digest, *session));
            map.owners
                .extend(digests.take(if self.is(F::FindsUsersOnly) { 1 } else { 2 }));
        }
        map.counts.insert(record.version(), count);
        let saved_at = Instant::now();
        let entry = Entry {
            record,
            used_at,
            saved_at,
            count,
        };
        map.entries.insert(*session, entry);
    }

    /// What the toy makes of a record.
    fn distorted(&self, record: &Record, old: Option<&str>) -> Record {
        let mut owner = record.owner();
        let mut data = record.data().to_owned();
        match self.fault {
            F::LosesServerSessions => {
                owner = owner.map(|owner| SessionOwner::from_digests(owner.user(), None));
            }
            F::EndsAtNul => data.truncate(data.find('\0').unwrap_or(data.len())),
            F::Trims => data = data.trim().to_owned(),
            F::KeepsTheTail => {
                data.extend(
                    old.unwrap_or_default()
                        .chars()
                        .skip(record.data().chars().count()),
                );
            }
            _ => {}
        }
        Record::stored(record.version(), owner, data)
    }

    fn take(&self, map: &mut Map, session: &SessionKey, keeps_owners: Fault) {
        if !self.is(keeps_owners) {
            map.owners.retain(|(_, found)| found != session);
        }
        if self.is(keeps_owners)
            && let Some(entry) = map.entries.get_mut(session)
        {
            // Found, and not there.
            entry.used_at = SystemTime::UNIX_EPOCH;
            return;
        }
        map.entries.remove(session);
    }

    /// The keys of the sessions that are there to a search, which may be a use.
    fn searched(
        &self,
        sees_expired: Fault,
        is_use: Fault,
    ) -> Result<Vec<SessionKey>, StorageError> {
        let (mut map, now) = (self.map()?, self.clock.now());
        let mut keys = Vec::new();
        for (session, entry) in &mut map.entries {
            if !self.is_there(entry, sees_expired)
                || self.is(F::OnlyIsHidden) && *session == SessionKey::ONLY
            {
                continue;
            }
            if self.is(is_use) {
                entry.used_at = now;
            }
            keys.push(*session);
        }
        keys.sort_unstable();
        Ok(keys)
    }

    fn visit_pages_by_number(&self, visit: Visit<'_>) -> Result<(), StorageError> {
        let mut visited = 0;
        loop {
            let sessions = self.searched(F::VisitsTheExpired, F::VisitingIsUse)?;
            let page: Vec<_> = sessions.into_iter().skip(visited).take(10).collect();
            if page.is_empty() {
                return Ok(());
            }
            visited += page.len();
            page.iter().try_for_each(&mut *visit)?;
        }
    }
}

type Visit<'a> = &'a mut dyn FnMut(&SessionKey) -> Result<(), StorageError>;

impl Storage for Toy {
    fn load(&self, session: &SessionKey) -> Result<Option<Record>, StorageError> {
        let _locked = self.locked(F::LoadsTakeTheLock, session);
        let now = self.clock.now();
        let mut map = self.map()?;
        let Some(entry) = map.entries.get_mut(&self.key(session)) else {
            return Ok(None);
        };
        if !self.is_there(entry, F::LoadsTheExpired)
            || self.is(F::EmptyIsAbsent) && entry.record.data().is_empty()
        {
            return Ok(None);
        }
        let unused = now.duration_since(entry.used_at).unwrap_or_default();
        let notes = match self.fault {
            F::LoadsAreNoUse => false,
            F::NotesLoadsLate => unused > self.lifetime / 2,
            _ => true,
        };
        if notes {
            entry.used_at = now;
        }
        let record = entry.record.clone();
        if self.is(F::LoadsChangeVersions) && !unused.is_zero() {
            entry.record = Record::new(record.owner(), record.data());
        }
        Ok(Some(match self.fault {
            F::MakesVersions => Record::new(record.owner(), record.data()),
            _ => record,
        }))
    }

    fn save(
        &self,
        session: &SessionKey,
        record: &Record,
        expected: Option<Version>,
    ) -> Result<(), StorageError> {
        let _locked = self.locked(F::SavesTakeTheLock, session);
        if self.is(F::SmallDataOnly) && record.data().len() > 1 << 16 {
            return Err(error(StorageErrorKind::Backend));
        }
        let session = &self.key(session);
        let mut map = self.map()?;
        let outcome = self.compare(&map, session, expected, F::SaveSeesTheExpired);
        if outcome.is_err() && !self.is(F::ConflictWrites) {
            return outcome;
        }
        let first = match self.fault {
            F::SavesInTwoSteps => Some(Record::stored(record.version(), None, record.data())),
            F::ComparesThenSwaps => None,
            _ => {
                self.put(&mut map, session, record);
                return outcome;
            }
        };
        if let Some(first) = first {
            self.put(&mut map, session, &first);
        }
        drop(map);
        thread::sleep(Duration::from_millis(1));
        self.put(&mut *self.map()?, session, record);
        outcome
    }

    fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        let session = &self.key(session);
        let mut map = self.map()?;
        match self.fault {
            F::RemovesNothing => {}
            F::RemovesAll => *map = Map::default(),
            F::MissesTheAbsent if !map.entries.contains_key(session) => {
                return Err(error(StorageErrorKind::Backend));
            }
            _ => self.take(&mut map, session, F::RemoveKeepsOwners),
        }
        Ok(())
    }

    fn replace(
        &self,
        from: &SessionKey,
        expected: Option<Version>,
        to: &SessionKey,
        record: &Record,
    ) -> Result<(), StorageError> {
        let [from, to] = [&self.key(from), &self.key(to)];
        let mut map = self.map()?;
        let compared = self.compare(&map, from, expected, F::ReplaceSeesTheExpired);
        if !self.is(F::ReplaceNeverCompares) {
            compared?;
        }
        if !self.is(F::ReplaceOverwrites) {
            self.compare(&map, to, None, F::ReplaceSeesTheExpired)?;
        }
        if self.is(F::ReplacesInTwoSteps) {
            drop(map);
            thread::sleep(Duration::from_millis(1));
            map = self.map()?;
        }
        let old = map.entries.get(from).map(|entry| entry.record.clone());
        if old.is_none() && self.is(F::ReplaceOfNothingConflicts) {
            return Err(StorageError::conflict());
        }
        let kept = old.filter(|_| self.is(F::ReplaceKeepsTheRecord));
        self.put(&mut map, to, kept.as_ref().unwrap_or(record));
        if !self.is(F::ReplaceKeepsTheOld) {
            self.take(&mut map, from, F::ReplaceKeepsOwners);
        }
        Ok(())
    }

    fn lock(
        &self,
        session: &SessionKey,
        timeout: Duration,
    ) -> Result<StorageLock<'_>, StorageError> {
        let timeout = match self.fault {
            F::NoLock => return Ok(StorageLock::none()),
            F::LockDoesNotWait => Duration::ZERO,
            F::LockWaitsTooLong => Duration::from_secs(15),
            _ => timeout,
        };
        if self.is(F::LocksMakeSessions) {
            self.put(&mut *self.map()?, session, &Record::new(None, ""));
        }
        let held =
            self.locks
                .lock(session, timeout)
                .map_err(|busy| match self.is(F::LockConflicts) {
                    true => StorageError::conflict(),
                    false => busy,
                })?;
        Ok(StorageLock::new(Guard(self.fault, Some(held))))
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        let mut map = self.map()?;
        let before = map.entries.len();
        match self.fault {
            F::PurgeFreesNothing => {}
            F::PurgeFreesAll => map.entries.clear(),
            _ => map.entries.retain(|_, entry| !self.has_expired(entry)),
        }
        let counted = match self.fault {
            F::PurgeCountsAll => before,
            _ => before - map.entries.len(),
        };
        Ok(counted as u64)
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let mut sessions = self.searched(F::FindsTheExpired, F::FindingIsUse)?;
        let map = self.map()?;
        let is_new = |session: &SessionKey| {
            let entry = map.entries.get(session);
            entry.is_some_and(|entry| entry.saved_at.elapsed() < Duration::from_millis(2))
        };
        let former = [F::RemoveKeepsOwners, F::ReplaceKeepsOwners].contains(&self.fault);
        if former {
            sessions = map.entries.keys().copied().collect();
        }
        sessions.retain(|session| {
            let is_theirs = map.owners.contains(&(*owner, *session));
            (is_theirs || self.is(F::FindsAll)) && !(self.is(F::IndexLags) && is_new(session))
        });
        sessions.truncate(match self.fault {
            F::FindsNothing => 0,
            F::FindsOne => 1,
            _ => usize::MAX,
        });
        Ok(sessions)
    }

    fn for_each(&self, visit: Visit<'_>) -> Result<(), StorageError> {
        if self.is(F::VisitsPagesByNumber) {
            return self.visit_pages_by_number(visit);
        }
        let mut sessions = self.searched(F::VisitsTheExpired, F::VisitingIsUse)?;
        match self.fault {
            F::VisitsNothing => sessions.clear(),
            F::VisitsOnePage => sessions.truncate(100),
            F::VisitsTwice => sessions.extend_from_within(..sessions.len().min(1)),
            _ => {}
        }
        let _held = self.is(F::VisitsUnderTheMutex).then(|| self.map());
        let mut outcome = Ok(());
        for session in &sessions {
            let visited = visit(session);
            if visited.is_err() && !self.is(F::VisitsAfterErrors) {
                return match self.is(F::SwallowsErrors) {
                    true => Ok(()),
                    false => visited,
                };
            }
            outcome = outcome.and(visited);
        }
        outcome
    }
}

impl fmt::Debug for Toy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.map().map_err(|_| fmt::Error)?;
        for (session, entry) in &map.entries {
            match self.fault {
                F::ShowsData => f.write_str(entry.record.data())?,
                F::ShowsKeys => write!(f, "{:?}", session.as_bytes())?,
                _ => f.write_str("Toy")?,
            }
        }
        Ok(())
    }
}

/// A lock that may never be released.
struct Guard(Fault, Option<LocalLock>);

impl Drop for Guard {
    fn drop(&mut self) {
        let keeps = self.0 == F::KeepsTheLock
            || self.0 == F::KeepsTheLockOfThePanicked && thread::panicking();
        if keeps {
            std::mem::forget(self.1.take());
        }
    }
}

fn error(kind: StorageErrorKind) -> StorageError {
    StorageError::new(kind, "a toy fails")
}
