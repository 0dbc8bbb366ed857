//! A store in memory that keeps all promises but one.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use logto_core::{
    Change, Clock, FoundSession, LocalLock, LocalLocks, OwnerDigest, PersistKey, SessionId,
    SessionOwner, SessionStore, Storage, StorageError, StorageErrorKind, StorageLock,
};
use logto_testing::TestClock;
use logto_testing::contract::Fixture;

/// The promise that a toy breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    StartsFull,
    OneValueForAllKeys,
    KeepsTheTail,
    RemovesNothing,
    RemovesAll,
    MissesWhatIsAbsent,
    EmptyIsAbsent,
    EndsAtNul,
    Trims,
    SmallValuesOnly,
    UpdatesOneKey,
    UpdateReplacesAll,
    FirstChangeCounts,
    RefusesEmptyUpdates,
    UpdatesStepByStep,
    UnsyncedIsUnseen,
    WritesInTwoSteps,
    BusyAmongThreads,
    NoLock,
    LocksByHandle,
    WrongKindOfBusy,
    WaitsTooLong,
    DoesNotWait,
    KeepsTheLock,
    KeepsTheLockOfThePanicked,
    LosesTheLastWrite,
    LockToWriteExcludesNobody,
    WritesInConflict,
    WritesTakeTheLock,
    ReadsTakeTheLock,
    ShowsValues,
    OneSession,
    ValuesByHandle,
    ForgetsWhenClosed,
    RenameCopies,
    RenameMovesOneValue,
    RenameMerges,
    RenameOfNothingRemoves,
    RenameOfNothingFails,
    RenameToItselfRemoves,
    RenameTakesTheLock,
    RenameRevives,
    ReplaceMerges,
    ReplaceKeepsTheOld,
    ReplaceToItselfRemoves,
    ReplaceTakesTheLock,
    ReplaceKeepsFormerOwners,
    RemovesOneValue,
    MissesAbsentSessions,
    ExpiresEarly,
    ExpiresWhenPurged,
    ReadsAreNoUse,
    FailedReadsAreNoUse,
    NotesReadsLate,
    WritesAreNoUse,
    OldValuesComeBack,
    EndlessIsShort,
    PurgeCountsValues,
    PurgeFreesNothing,
    PurgeFreesAll,
    OneLock,
    LocksByStore,
    MixesThreadsUp,
    DefaultSessionIsNew,
    DefaultSessionIsZeros,
    ShowsDigests,
    ShowsIds,
    FindsNothing,
    FindsUsersOnly,
    FindsAll,
    FindsOne,
    FindsCopies,
    FindsWithoutNames,
    KeepsFormerOwners,
    KeepsTheFirstOwner,
    LosesOwnersOnWrites,
    RefusesOtherOwners,
    RenameLosesTheOwner,
    RenameKeepsBothOwners,
    RenamesInTwoSteps,
    FindsTheRemoved,
    FindsTheExpired,
    FindingIsUse,
    MissesTheDefaultSession,
    LocksMakeSessions,
    VisitsNothing,
    VisitsOnePage,
    VisitsPagesByNumber,
    VisitsCopies,
    VisitsWithoutNames,
    VisitsTheExpired,
    VisitingIsUse,
    VisitsNoDefaultSession,
    VisitsAfterErrors,
    VisitsUnderTheLock,
    WritesElsewhereFirst,
    OtherSessionByDigest,
    NoAbsentSessionByDigest,
}

use Flaw as F;

thread_local! {
    static FLAW: Cell<Flaw> = const { Cell::new(Flaw::None) };
}

/// A place in memory that outlives the stores over it.
pub(crate) struct Toy {
    flaw: Flaw,
    place: Place,
    locks: LocalLocks,
}

/// The name of the default session.
const DEFAULT: [u8; 32] = [0xdd; 32];

type Place = Arc<Mutex<HashMap<[u8; 32], Session>>>;

#[derive(Clone)]
struct Session {
    values: HashMap<PersistKey, String>,
    /// By whom it is found.
    owners: Vec<OwnerDigest>,
    used_at: SystemTime,
}

impl Toy {
    /// All toys that this thread makes have the flaw.
    pub(crate) fn make_with(flaw: Flaw) {
        FLAW.set(flaw);
    }
}

impl Fixture for Toy {
    const PERSISTENT: bool = true;

    fn new() -> Self {
        Self {
            flaw: FLAW.get(),
            place: Place::default(),
            locks: LocalLocks::default(),
        }
    }

    fn open(&self, idle_lifetime: Duration, clock: TestClock) -> Box<dyn SessionStore> {
        let place = match self.flaw {
            F::ForgetsWhenClosed => Place::default(),
            _ => self.place.clone(),
        };
        let locks = match self.flaw {
            F::LocksByStore => LocalLocks::default(),
            _ => self.locks.clone(),
        };
        let lifetime = match self.flaw {
            F::ExpiresEarly => idle_lifetime / 2,
            F::EndlessIsShort if idle_lifetime == Duration::MAX => Duration::from_secs(3600),
            _ => idle_lifetime,
        };
        Box::new(ToyStore {
            flaw: self.flaw,
            place,
            locks,
            lifetime,
            clock,
            current: Arc::default(),
        })
    }

    /// Only stores of this process can be opened; the checks among processes are given another toy.
    fn place(&self) -> Option<String> {
        Some("memory".to_owned())
    }
}

#[derive(Clone)]
struct ToyStore {
    flaw: Flaw,
    place: Place,
    locks: LocalLocks,
    lifetime: Duration,
    clock: TestClock,
    /// The session that is in use, if threads are mixed up.
    current: Arc<Mutex<[u8; 32]>>,
}

impl ToyStore {
    fn sessions(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_expired(&self, session: &Session) -> bool {
        let idle = self.clock.now().duration_since(session.used_at);
        idle.is_ok_and(|idle| idle > self.lifetime)
    }

    fn name(&self, id: &SessionId) -> [u8; 32] {
        match self.flaw {
            F::OneSession => [7; 32],
            _ => id.digest(),
        }
    }

    fn finds(&self, name: &[u8; 32], session: &Session, owner: &OwnerDigest) -> bool {
        let found = session.owners.contains(owner);
        match self.flaw {
            F::FindsNothing => false,
            F::FindsUsersOnly => found && session.owners.first() == Some(owner),
            F::FindsAll => !session.owners.is_empty(),
            F::MissesTheDefaultSession => found && *name != DEFAULT,
            _ => found,
        }
    }

    /// What a visit is given, if the session is there.
    fn to_visit(&self, name: [u8; 32]) -> Option<FoundSession> {
        let mut sessions = self.sessions();
        let session = sessions.get_mut(&name)?;
        if self.is_expired(session) && self.flaw != F::VisitsTheExpired {
            return None;
        }
        if self.flaw == F::VisitingIsUse {
            session.used_at = self.clock.now();
        }
        let storage = match self.flaw {
            F::VisitsCopies => self.copy_of(name, session),
            _ => self.toy_session(name, ""),
        };
        let name = match self.flaw {
            F::VisitsWithoutNames => [0; 32],
            _ => name,
        };
        Some(FoundSession::new(name, storage))
    }

    /// Goes on after so many sessions, whichever they are by then.
    fn visit_by_number(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        const PAGE: usize = 10;
        for from in (0..).step_by(PAGE) {
            let mut names: Vec<_> = self.sessions().keys().copied().collect();
            names.sort_unstable();
            let page = names.into_iter().skip(from).take(PAGE);
            let found: Vec<_> = page.filter_map(|name| self.to_visit(name)).collect();
            if found.is_empty() {
                break;
            }
            found.into_iter().try_for_each(&mut *visit)?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn copy_of(&self, name: [u8; 32], session: &Session) -> Arc<dyn Storage> {
        let mut copy = self.clone();
        copy.place = Arc::new(Mutex::new(HashMap::from([(name, session.clone())])));
        copy.toy_session(name, "")
    }

    fn toy_session(&self, name: [u8; 32], id: &str) -> Arc<dyn Storage> {
        let mut store = self.clone();
        match self.flaw {
            F::ValuesByHandle => store.place = Place::default(),
            F::LocksByHandle => store.locks = LocalLocks::default(),
            _ => {}
        }
        Arc::new(ToySession {
            store,
            name,
            id: id.to_owned(),
        })
    }
}

impl SessionStore for ToyStore {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.toy_session(self.name(id), id.expose())
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        let (from, to) = (self.name(from), self.name(to));
        let _held = match self.flaw {
            F::RenameTakesTheLock => Some(self.locks.lock(from, Duration::from_millis(50))?),
            _ => None,
        };
        let mut sessions = self.sessions();
        let found = sessions.get(&from).cloned();
        let found = found.filter(|found| self.flaw == F::RenameRevives || !self.is_expired(found));
        let Some(mut moved) = found else {
            match self.flaw {
                F::RenameOfNothingRemoves => drop(sessions.remove(&to)),
                F::RenameOfNothingFails => return Err(failed("there is no such session")),
                _ => {}
            }
            return Ok(());
        };
        moved.used_at = self.clock.now();
        if self.flaw != F::RenameCopies {
            sessions.remove(&from);
        }
        if self.flaw == F::RenamesInTwoSteps {
            drop(sessions);
            thread::sleep(Duration::from_millis(1));
            sessions = self.sessions();
        }
        match self.flaw {
            F::RenameLosesTheOwner => moved.owners.clear(),
            F::RenameKeepsBothOwners => {
                let old = sessions.remove(&to).map(|old| old.owners);
                moved.owners.extend(old.into_iter().flatten());
            }
            F::RenameMovesOneValue => moved.values.retain(|key, _| *key == PersistKey::IdToken),
            F::RenameToItselfRemoves if from == to => return Ok(()),
            F::RenameMerges => {
                let old = sessions.remove(&to).map(|old| old.values);
                for (key, value) in old.into_iter().flatten() {
                    moved.values.entry(key).or_insert(value);
                }
            }
            _ => {}
        }
        sessions.insert(to, moved);
        Ok(())
    }

    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        let (old, new) = (self.name(from), self.name(to));
        let _held = match self.flaw {
            F::ReplaceTakesTheLock => Some(self.locks.lock(old, Duration::from_millis(50))?),
            _ => None,
        };
        let former = match self.flaw {
            F::ReplaceMerges => None,
            _ => self.sessions().remove(&new),
        };
        if self.flaw == F::ReplaceToItselfRemoves && old == new {
            return Ok(());
        }
        self.session(to).update(changes)?;
        if self.flaw == F::ReplaceKeepsFormerOwners
            && let Some(session) = self.sessions().get_mut(&new)
        {
            session
                .owners
                .extend(former.into_iter().flat_map(|former| former.owners));
        }
        match self.flaw {
            F::ReplaceKeepsTheOld => Ok(()),
            _ if old == new => Ok(()),
            _ => self.remove(from),
        }
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        let mut sessions = self.sessions();
        let name = self.name(id);
        match self.flaw {
            F::RemovesOneValue => {
                if let Some(session) = sessions.get_mut(&name) {
                    session.values.remove(&PersistKey::IdToken);
                }
            }
            F::MissesAbsentSessions if !sessions.contains_key(&name) => {
                return Err(failed("there is no such session"));
            }
            F::FindsTheRemoved => {
                if let Some(session) = sessions.get_mut(&name) {
                    session.values.clear();
                }
            }
            _ => drop(sessions.remove(&name)),
        }
        Ok(())
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        let mut sessions = self.sessions();
        let expired = |session: &&Session| self.is_expired(session);
        let count = match self.flaw {
            F::PurgeCountsValues => {
                let expired = sessions.values().filter(expired);
                expired.map(|session| session.values.len()).sum()
            }
            _ => sessions.values().filter(expired).count(),
        };
        match self.flaw {
            F::PurgeFreesNothing => {}
            F::PurgeFreesAll => sessions.clear(),
            _ => sessions.retain(|_, session| !self.is_expired(session)),
        }
        Ok(count as u64)
    }

    fn sessions_of(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        let mut found = Vec::new();
        for (name, session) in self.sessions().iter_mut() {
            let is_there = self.flaw == F::FindsTheExpired || !self.is_expired(session);
            if !is_there || !self.finds(name, session, owner) {
                continue;
            }
            if self.flaw == F::FindingIsUse {
                session.used_at = self.clock.now();
            }
            let storage = match self.flaw {
                F::FindsCopies => self.copy_of(*name, session),
                _ => self.toy_session(*name, ""),
            };
            let name = match self.flaw {
                F::FindsWithoutNames => [0; 32],
                _ => *name,
            };
            found.push(FoundSession::new(name, storage));
        }
        if self.flaw == F::FindsOne {
            found.truncate(1);
        }
        Ok(found)
    }

    fn for_each_session(
        &self,
        visit: &mut dyn FnMut(FoundSession) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        if self.flaw == F::VisitsPagesByNumber {
            return self.visit_by_number(visit);
        }
        let mut names: Vec<_> = self.sessions().keys().copied().collect();
        match self.flaw {
            F::VisitsNothing => names.clear(),
            F::VisitsOnePage => names.truncate(500),
            F::VisitsNoDefaultSession => names.retain(|name| *name != DEFAULT),
            _ => {}
        }
        for name in names {
            let Some(found) = self.to_visit(name) else {
                continue;
            };
            let _held = match self.flaw {
                F::VisitsUnderTheLock => Some(self.locks.lock(name, Duration::from_millis(50))?),
                _ => None,
            };
            let visited = visit(found);
            if self.flaw != F::VisitsAfterErrors {
                visited?;
            }
        }
        Ok(())
    }

    fn session_by_digest(&self, digest: &[u8; 32]) -> Result<Arc<dyn Storage>, StorageError> {
        let mut name = *digest;
        match self.flaw {
            F::OtherSessionByDigest => name.reverse(),
            F::NoAbsentSessionByDigest if !self.sessions().contains_key(&name) => {
                return Err(failed("there is no such session"));
            }
            _ => {}
        }
        Ok(self.toy_session(name, ""))
    }

    fn default_session(&self) -> Arc<dyn Storage> {
        match self.flaw {
            F::DefaultSessionIsNew => self.session(&SessionId::random()),
            F::DefaultSessionIsZeros => {
                self.session(&SessionId::parse(&"A".repeat(43)).expect("an id"))
            }
            _ => self.toy_session(DEFAULT, "default"),
        }
    }
}

impl fmt::Debug for ToyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            F::ShowsDigests => self.sessions().keys().fmt(f),
            _ => f.write_str("ToyStore"),
        }
    }
}

struct ToySession {
    store: ToyStore,
    name: [u8; 32],
    id: String,
}

impl ToySession {
    fn flaw(&self) -> Flaw {
        self.store.flaw
    }

    /// The session that a call is about.
    fn name(&self) -> [u8; 32] {
        if self.flaw() != F::MixesThreadsUp {
            return self.name;
        }
        *self.store.current.lock().unwrap() = self.name;
        thread::sleep(Duration::from_millis(1));
        *self.store.current.lock().unwrap()
    }

    /// What locks and values are guarded by, in toys that take too much.
    fn wait_for_the_lock(&self, flaw: Flaw) -> Result<Option<LocalLock>, StorageError> {
        if self.flaw() != flaw {
            return Ok(None);
        }
        let locks = &self.store.locks;
        locks.lock(self.name, Duration::from_millis(50)).map(Some)
    }

    fn stored_key(&self, key: PersistKey) -> PersistKey {
        match self.flaw() {
            F::OneValueForAllKeys => PersistKey::IdToken,
            _ => key,
        }
    }

    fn stored_value(&self, value: &str, before: Option<&String>) -> Option<String> {
        let value = match self.flaw() {
            F::KeepsTheTail => {
                let tail = before.and_then(|before| before.get(value.len()..));
                return Some(format!("{value}{}", tail.unwrap_or_default()));
            }
            F::EmptyIsAbsent if value.is_empty() => return None,
            F::EndsAtNul => value.split('\0').next()?,
            F::Trims => value.trim(),
            F::SmallValuesOnly => value.get(..65_536).unwrap_or(value),
            _ => value,
        };
        Some(value.to_owned())
    }

    fn change(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        let name = self.name();
        let mut sessions = match self.flaw() {
            F::BusyAmongThreads => self.store.place.try_lock().map_err(|_| busy())?,
            _ => self.store.sessions(),
        };
        if self.flaw() == F::WritesElsewhereFirst
            && let Some(session) = sessions.remove(&name)
        {
            drop(sessions);
            thread::sleep(Duration::from_millis(1));
            sessions = self.store.sessions();
            sessions.insert(name, session);
        }
        let now = self.store.clock.now();
        let session = sessions.entry(name).or_insert_with(|| Session {
            values: HashMap::new(),
            owners: Vec::new(),
            used_at: now,
        });
        if self.store.is_expired(session) && self.flaw() != F::OldValuesComeBack {
            session.values.clear();
            session.owners.clear();
            session.used_at = now;
        }
        if self.flaw() != F::WritesAreNoUse {
            session.used_at = now;
        }
        for change in changes {
            self.make(session, *change)?;
        }
        if session.values.is_empty() {
            sessions.remove(&name);
        }
        if self.flaw() == F::BusyAmongThreads {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Notes by whom the session is found after a change of it.
    fn note_owner(&self, session: &mut Session, change: Change<'_>) -> Result<(), StorageError> {
        if change.key != PersistKey::Owner {
            if self.flaw() == F::LosesOwnersOnWrites {
                session.owners.clear();
            }
            return Ok(());
        }
        let owner = change.value.and_then(SessionOwner::of_value);
        match self.flaw() {
            F::RefusesOtherOwners if owner.is_none() && change.value.is_some() => {
                return Err(failed("this is no owner"));
            }
            F::KeepsFormerOwners => {}
            F::KeepsTheFirstOwner if change.value.is_some() && !session.owners.is_empty() => {
                return Ok(());
            }
            _ => session.owners.clear(),
        }
        let digests = owner.iter().flat_map(SessionOwner::digests);
        session.owners.extend(digests);
        Ok(())
    }

    fn make(&self, session: &mut Session, change: Change<'_>) -> Result<(), StorageError> {
        self.note_owner(session, change)?;
        let key = self.stored_key(change.key);
        let before = session.values.get(&key);
        match (change.value, self.flaw()) {
            (None, F::RemovesNothing) => {}
            (None, F::RemovesAll) => session.values.clear(),
            (None, F::MissesWhatIsAbsent) if before.is_none() => {
                return Err(failed("there is no such value"));
            }
            (None, _) => drop(session.values.remove(&key)),
            (Some(value), _) => match self.stored_value(value, before) {
                Some(value) => drop(session.values.insert(key, value)),
                None => drop(session.values.remove(&key)),
            },
        }
        Ok(())
    }
}

impl Storage for ToySession {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let _held = self.wait_for_the_lock(F::ReadsTakeTheLock)?;
        let now = self.store.clock.now();
        let name = self.name();
        let mut sessions = self.store.sessions();
        let absent = (self.flaw() == F::StartsFull).then(String::new);
        let Some(session) = sessions.get_mut(&name) else {
            return Ok(absent);
        };
        if self.store.is_expired(session) && self.flaw() != F::ExpiresWhenPurged {
            return Ok(absent);
        }
        let value = session.values.get(&self.stored_key(key)).cloned();
        let idle = now.duration_since(session.used_at).unwrap_or_default();
        let is_use = match self.flaw() {
            F::ReadsAreNoUse => false,
            F::FailedReadsAreNoUse => value.is_some(),
            F::NotesReadsLate => idle > self.store.lifetime / 2,
            _ => true,
        };
        if is_use {
            session.used_at = now;
        }
        Ok(value.or(absent))
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        let _held = self.wait_for_the_lock(F::WritesTakeTheLock)?;
        if let (F::WritesInTwoSteps, Some(value)) = (self.flaw(), value) {
            self.change(&[Change::set(key, &value[..value.len() / 2])])?;
            thread::sleep(Duration::from_millis(1));
        }
        self.change(&[Change { key, value }])
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        match self.flaw() {
            F::LosesTheLastWrite if IS_LAST_WRITE.get() => Ok(()),
            F::WritesInConflict if IS_LAST_WRITE.get() => {
                self.change(changes)?;
                Err(StorageError::new(StorageErrorKind::Conflict, "too late"))
            }
            F::RefusesEmptyUpdates if changes.is_empty() => Err(failed("nothing to change")),
            F::UpdatesOneKey => self.change(&changes[..changes.len().min(1)]),
            F::FirstChangeCounts => {
                let reversed: Vec<_> = changes.iter().rev().copied().collect();
                self.change(&reversed)
            }
            F::UpdateReplacesAll => {
                self.store.sessions().remove(&self.name);
                self.change(changes)
            }
            F::UpdatesStepByStep => changes.iter().try_for_each(|change| {
                thread::sleep(Duration::from_millis(1));
                self.change(&[*change])
            }),
            _ => self.change(changes),
        }
    }

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        match self.flaw() {
            F::UnsyncedIsUnseen => Ok(()),
            _ => self.update(changes),
        }
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        let name = match self.flaw() {
            F::NoLock => return Ok(StorageLock::none()),
            F::OneLock => [1; 32],
            _ => self.name,
        };
        let timeout = match self.flaw() {
            F::DoesNotWait => Duration::ZERO,
            F::WaitsTooLong => Duration::from_secs(60),
            // Locks that are never released need no long wait to be found.
            F::KeepsTheLock | F::KeepsTheLockOfThePanicked => Duration::from_millis(50),
            _ => timeout,
        };
        let lock = self.store.locks.lock(name, timeout);
        let lock = lock.map_err(|error| match self.flaw() {
            F::WrongKindOfBusy => failed("the lock is held"),
            _ => error,
        })?;
        if self.flaw() == F::LocksMakeSessions {
            let session = Session {
                values: HashMap::new(),
                owners: Vec::new(),
                used_at: self.store.clock.now(),
            };
            self.store.sessions().entry(name).or_insert(session);
        }
        let held = Held {
            lock: Some(lock),
            flaw: self.flaw(),
        };
        let around_last_write = |_: &Held, write: &mut dyn FnMut()| {
            IS_LAST_WRITE.set(true);
            write();
            IS_LAST_WRITE.set(false);
        };
        Ok(StorageLock::lease_ended_by_write(
            held,
            |_| true,
            around_last_write,
        ))
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        match self.flaw() {
            F::LockToWriteExcludesNobody => Ok(StorageLock::new(())),
            _ => self.lock(timeout),
        }
    }
}

impl fmt::Debug for ToySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = self.store.sessions();
        match (self.flaw(), sessions.get(&self.name)) {
            (F::ShowsValues, Some(session)) => session.values.fmt(f),
            (F::ShowsIds, _) => self.id.fmt(f),
            _ => f.write_str("ToySession"),
        }
    }
}

thread_local! {
    static IS_LAST_WRITE: Cell<bool> = const { Cell::new(false) };
}

struct Held {
    lock: Option<LocalLock>,
    flaw: Flaw,
}

impl Drop for Held {
    fn drop(&mut self) {
        let keeps = match self.flaw {
            F::KeepsTheLock => true,
            F::KeepsTheLockOfThePanicked => thread::panicking(),
            _ => false,
        };
        if keeps {
            std::mem::forget(self.lock.take());
        }
    }
}

fn failed(message: &'static str) -> StorageError {
    StorageError::new(StorageErrorKind::Backend, message)
}

fn busy() -> StorageError {
    StorageError::new(StorageErrorKind::Busy, "somebody else writes")
}
