//! The handle of one session: loads and changes its record, and locks it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::crypto::random_bytes;
use crate::error::{StorageError, StorageErrorKind};
use crate::oidc::id_token::IdTokenClaims;
use crate::oidc_core::OidcCore;
use crate::secret::Secret;
use crate::session::{PersistKey, SessionData, parse};
use crate::storage::{
    LocalLock, LocalLocks, Record, SessionKey, SessionOwner, Storage, StorageLock, Version,
};

/// How often a change is tried before its [`Conflict`](StorageErrorKind::Conflict) is returned.
const MOST_TRIES: u32 = 64;

/// The longest sleep between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// One session in a storage: its values by the names of Logto's other SDKs.
///
/// [`LogtoClient`](crate::LogtoClient) does all that an application needs; this is for programs that look into a
/// session, or bring the sessions of another SDK along. A value that is changed while a refresh
/// is under way counts as a change by another user of the session.
///
/// `Clone` is cheap and stands for the same session.
///
/// ```
/// # use logto_core as logto;
/// use logto::{MemoryStorage, PersistKey, Session, SessionKey};
///
/// let session = Session::new(MemoryStorage::new(), SessionKey::ONLY);
/// session.set(PersistKey::RefreshToken, "a token")?;
/// assert_eq!(session.get(PersistKey::RefreshToken)?.as_deref(), Some("a token"));
/// session.delete(PersistKey::RefreshToken)?;
/// assert_eq!(session.get(PersistKey::RefreshToken)?, None);
/// # Ok::<(), logto_core::StorageError>(())
/// ```
#[derive(Clone)]
pub struct Session {
    storage: Arc<dyn Storage>,
    key: SessionKey,
    parsed: Arc<Mutex<Parsed>>,
}

/// The version that was parsed last.
type Parsed = Option<(Version, Arc<SessionData>)>;

/// What a session holds at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub data: Arc<SessionData>,
    pub owner: Option<SessionOwner>,
    /// `None` if there is no record.
    pub version: Option<Version>,
}

/// The new content of a session, while it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub data: SessionData,
    pub owner: Option<SessionOwner>,
}

impl Draft {
    /// Removes every token and the owner. Sign-ins under way stay.
    pub fn clear_tokens(&mut self) {
        self.data.clear_tokens();
        self.owner = None;
    }

    /// Sets the ID token and whose session it is. A refresh need not name the server session again.
    pub fn set_id_token(&mut self, id_token: Secret, claims: &IdTokenClaims) {
        let owner = SessionOwner::new(&claims.iss, &claims.sub, claims.sid.as_deref());
        self.owner = Some(match &self.owner {
            Some(known) => owner.or_session_of(known),
            None => owner,
        });
        self.data.id_token = Some(id_token);
    }
}

impl Snapshot {
    fn of(draft: Draft, record: &Record) -> Self {
        Self {
            data: Arc::new(draft.data),
            owner: draft.owner,
            version: Some(record.version()),
        }
    }

    pub fn draft(&self) -> Draft {
        Draft {
            data: (*self.data).clone(),
            owner: self.owner,
        }
    }

    /// The claims of the ID token; `None` if there is none, or it cannot be read.
    pub fn claims(&self) -> Option<IdTokenClaims> {
        OidcCore::decode_id_token(self.data.id_token.as_ref()?.expose()).ok()
    }
}

impl Session {
    /// The session with this key in a storage. Does no I/O; the session need not exist.
    pub fn new(storage: impl Storage + 'static, key: SessionKey) -> Self {
        Self {
            storage: Arc::new(storage),
            key,
            parsed: Arc::default(),
        }
    }

    /// The key of the session.
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Returns the value of this key: a token as it is, the others as JSON. `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    pub fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        let Snapshot { data, .. } = self.load()?;
        let text = |token: &Option<Secret>| token.as_ref().map(|token| token.expose().to_owned());
        Ok(match key {
            PersistKey::IdToken => text(&data.id_token),
            PersistKey::RefreshToken => text(&data.refresh_token),
            PersistKey::AccessTokenMap => (!data.access_tokens.x.is_empty())
                .then(|| serde_json::to_string(&data.access_tokens).unwrap_or_default()),
            PersistKey::SignInSession => (data.sign_ins != Default::default())
                .then(|| serde_json::to_string(&data.sign_ins).unwrap_or_default()),
        })
    }

    /// Sets the value of this key. With the ID token it also sets the user that the session is found by.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](StorageErrorKind::Corrupt) if the value is not the JSON that the key has; nothing has changed
    /// then. Else, if the session cannot be read or written.
    pub fn set(&self, key: PersistKey, value: &str) -> Result<(), StorageError> {
        self.change(|draft| {
            let Draft { data, owner } = draft;
            match key {
                PersistKey::IdToken => {
                    *owner = None;
                    match OidcCore::decode_id_token(value) {
                        Ok(claims) => draft.set_id_token(value.into(), &claims),
                        Err(_) => data.id_token = Some(value.into()),
                    }
                }
                PersistKey::RefreshToken => {
                    data.refresh_token = Some(value.into());
                    data.pending_refresh_token = None;
                }
                PersistKey::AccessTokenMap => data.access_tokens = parse(key.as_str(), value)?,
                PersistKey::SignInSession => data.sign_ins = parse(key.as_str(), value)?,
            }
            Ok(())
        })
    }

    /// Removes the value of this key. Removing what is not there is no error.
    ///
    /// # Errors
    ///
    /// If the session cannot be read or written.
    pub fn delete(&self, key: PersistKey) -> Result<(), StorageError> {
        self.change(|Draft { data, owner }| {
            match key {
                PersistKey::IdToken => (data.id_token, *owner) = (None, None),
                PersistKey::RefreshToken => {
                    (data.refresh_token, data.pending_refresh_token) = (None, None);
                }
                PersistKey::AccessTokenMap => data.access_tokens = Default::default(),
                PersistKey::SignInSession => data.sign_ins = Default::default(),
            }
            Ok(())
        })
    }

    pub(crate) fn load(&self) -> Result<Snapshot, StorageError> {
        let Some(record) = self.storage.load(&self.key)? else {
            return Ok(Snapshot {
                data: Arc::default(),
                owner: None,
                version: None,
            });
        };
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        let data = match parsed.as_ref() {
            Some((version, data)) if *version == record.version() => Arc::clone(data),
            _ => {
                let data = Arc::new(parse("session", record.data())?);
                *parsed = Some((record.version(), Arc::clone(&data)));
                data
            }
        };
        Ok(Snapshot {
            data,
            owner: record.owner(),
            version: Some(record.version()),
        })
    }

    /// Loads the session, changes it and saves it; again from the start on a conflict. `change` may
    /// be called several times. If it changes nothing, nothing is written.
    pub(crate) fn change<T, E: From<StorageError>>(
        &self,
        change: impl FnMut(&mut Draft) -> Result<T, E>,
    ) -> Result<T, E> {
        let (done, _) = self.change_from(self.load()?, change)?;
        Ok(done)
    }

    /// Same as [`change`](Self::change), where the session was loaded already. Also returns what is there
    /// afterwards.
    pub(crate) fn change_from<T, E: From<StorageError>>(
        &self,
        snapshot: Snapshot,
        mut change: impl FnMut(&mut Draft) -> Result<T, E>,
    ) -> Result<(T, Snapshot), E> {
        self.write_from(snapshot, |snapshot| {
            let mut draft = snapshot.draft();
            let done = change(&mut draft)?;
            if draft.data == *snapshot.data && draft.owner == snapshot.owner {
                return Ok(Ok((done, snapshot.clone())));
            }
            let record = Record::new(draft.owner, draft.data.to_json()?);
            let saved = self.storage.save(&self.key, &record, snapshot.version);
            Ok(saved.map(|()| (done, Snapshot::of(draft, &record))))
        })
    }

    /// Same as [`change_from`](Self::change_from), and moves the session to another key.
    pub(crate) fn replace_from<T, E: From<StorageError>>(
        &self,
        snapshot: Snapshot,
        to: &SessionKey,
        mut change: impl FnMut(&mut Draft) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write_from(snapshot, |snapshot| {
            let mut draft = snapshot.draft();
            let done = change(&mut draft)?;
            let record = Record::new(draft.owner, draft.data.to_json()?);
            let expected = snapshot.version;
            let replaced = self.storage.replace(&self.key, expected, to, &record);
            Ok(replaced.map(|()| done))
        })
    }

    /// Calls `write` with what is there, until it meets no conflict.
    fn write_from<T, E: From<StorageError>>(
        &self,
        mut snapshot: Snapshot,
        mut write: impl FnMut(&Snapshot) -> Result<Result<T, StorageError>, E>,
    ) -> Result<T, E> {
        let mut tries = 0;
        loop {
            tries += 1;
            match write(&snapshot)? {
                Err(error) if error.kind() == StorageErrorKind::Conflict && tries < MOST_TRIES => {
                    pause(tries);
                    snapshot = self.load()?;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Removes the session, whatever it holds.
    pub(crate) fn remove(&self) -> Result<(), StorageError> {
        self.storage.remove(&self.key)
    }

    /// Waits for sole use of the session: among the threads that share `locks`, and then among processes.
    pub(crate) fn lock(
        &self,
        locks: &LocalLocks,
        timeout: Duration,
    ) -> Result<SessionLock<'_>, StorageError> {
        let started = Instant::now();
        let local = locks.lock(&self.key, timeout)?;
        let left = timeout.saturating_sub(started.elapsed());
        Ok(SessionLock {
            storage: self.storage.lock(&self.key, left)?,
            _local: local,
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

/// Sole use of a session.
pub(crate) struct SessionLock<'a> {
    storage: StorageLock<'a>,
    _local: LocalLock,
}

impl SessionLock<'_> {
    /// Fails if the lock was lost. To be called before something is sent that may be sent once only.
    pub fn check(&self) -> Result<(), StorageError> {
        match self.storage.is_held() {
            true => Ok(()),
            false => Err(StorageError::new(
                StorageErrorKind::Busy,
                "the lock of the session was lost to another process",
            )),
        }
    }
}

/// Sleeps before a later try, longer each time and never the same for two, so that many writers get through.
fn pause(tries: u32) {
    if tries > 2 {
        let [random] = random_bytes();
        let step = u32::from(random) % (4 * tries);
        thread::sleep((Duration::from_micros(100) * step).min(LONGEST_PAUSE));
    }
}
