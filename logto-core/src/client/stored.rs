//! What the session has stored, as values; and its lock.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LogtoClient;
use crate::crypto::sha256;
use crate::error::{LogtoError, StorageError, StorageErrorKind};
use crate::models::TokenResponse;
use crate::secret::Secret;
use crate::session::{AccessToken, AccessTokenMap, PendingRefreshToken, PendingSignIns};
use crate::storage::{LocalLock, LocalLocks, PersistKey, StorageLock};

/// The map of access tokens as it was read last, so that it is parsed again only when it has changed.
#[derive(Default)]
pub(super) struct ParsedAccessTokens(Mutex<Option<(Secret, Arc<AccessTokenMap>)>>);

/// Whether a cached token is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    /// It still is, but is to be replaced early.
    Due,
    Stale,
}

/// Sole use of the session.
pub(super) struct SessionLock<'a> {
    storage: StorageLock<'a>,
    /// Of a storage that cannot lock: who else has the refresh token waits for these.
    in_process: Option<Mutex<Vec<LocalLock>>>,
}

impl SessionLock<'_> {
    /// Whether the storage itself excludes others.
    pub fn is_of_the_storage(&self) -> bool {
        self.in_process.is_none()
    }

    /// Holds the lock not to be lost, before something is done that only one may do.
    pub fn check(&self) -> Result<(), StorageError> {
        match self.storage.is_held() {
            true => Ok(()),
            false => Err(StorageError::new(
                StorageErrorKind::Busy,
                "the lock of the session was lost to another process",
            )),
        }
    }

    /// Writes the session for the last time under this lock, which a storage may release with it.
    pub fn last_write<T>(&self, write: impl FnOnce() -> T) -> T {
        self.storage.last_write(write)
    }

    /// To be called before a new refresh token is stored: whoever reads it must wait too, until the
    /// rest of the session is stored. Nobody else has its lock, because nobody else knows it.
    pub fn include(&self, refresh_token: &Secret) {
        if let Some(locks) = &self.in_process
            && let Ok(lock) = lock_in_process(refresh_token, Duration::ZERO)
        {
            let mut locks = locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.push(lock);
        }
    }
}

/// Rotated refresh tokens that could not be stored, by the digest of the one that each replaces: while
/// this process lives, a full disk signs nobody out.
pub(super) struct Unstored;

static UNSTORED: Mutex<BTreeMap<[u8; 32], Secret>> = Mutex::new(BTreeMap::new());

/// More are not kept: a storage that fails for so many sessions fails for good.
const MOST_UNSTORED: usize = 10_000;

impl Unstored {
    pub fn keep(rotated: &Secret, replaced: &Secret) {
        let mut unstored = UNSTORED.lock().unwrap_or_else(PoisonError::into_inner);
        if unstored.len() < MOST_UNSTORED {
            unstored.insert(sha256(replaced.expose().as_bytes()), rotated.clone());
        }
    }

    /// To be called when a token was sent and what came of it is stored.
    pub fn forget(sent: &Secret) {
        let mut unstored = UNSTORED.lock().unwrap_or_else(PoisonError::into_inner);
        unstored.retain(|_, rotated| rotated != sent);
    }

    fn instead_of(replaced: &Secret) -> Option<Secret> {
        let unstored = UNSTORED.lock().unwrap_or_else(PoisonError::into_inner);
        if unstored.is_empty() {
            return None;
        }
        unstored.get(&sha256(replaced.expose().as_bytes())).cloned()
    }
}

impl LogtoClient {
    pub(super) fn stored_access_tokens(&self) -> Result<Arc<AccessTokenMap>, StorageError> {
        let Some(text) = self.storage.get(PersistKey::AccessTokenMap)? else {
            return Ok(Arc::default());
        };
        let mut parsed = self.parsed.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, map)) = parsed.as_ref()
            && known.expose() == text
        {
            return Ok(Arc::clone(map));
        }
        let map = Arc::new(parse(PersistKey::AccessTokenMap, &text).unwrap_or_default());
        *parsed = Some((Secret::new(text), Arc::clone(&map)));
        Ok(map)
    }

    pub(super) fn stored_sign_ins(&self) -> Result<PendingSignIns, StorageError> {
        let text = self.stored_token(PersistKey::SignInSession)?;
        Ok(parse_sign_ins(text.as_ref().map(Secret::expose)))
    }

    /// The refresh token to send next: a rotated one that waits for its ID token's verification goes
    /// before the one that it replaces.
    pub(super) fn stored_refresh_token(&self) -> Result<Option<Secret>, StorageError> {
        let Some(stored) = self.stored_token(PersistKey::RefreshToken)? else {
            return Ok(None);
        };
        let text = self.stored_token(PersistKey::PendingRefreshToken)?;
        let pending: Option<PendingRefreshToken> =
            text.and_then(|text| parse(PersistKey::PendingRefreshToken, text.expose()));
        let newer = pending.and_then(|pending| pending.instead_of(&stored));
        let known = newer.unwrap_or(stored);
        Ok(Some(Unstored::instead_of(&known).unwrap_or(known)))
    }

    /// A value as it is stored; an empty one counts as none.
    pub(super) fn stored_token(&self, key: PersistKey) -> Result<Option<Secret>, StorageError> {
        let token = self.storage.get(key)?.filter(|token| !token.is_empty());
        Ok(token.map(Secret::from))
    }

    pub(super) fn lock(&self) -> Result<SessionLock<'_>, StorageError> {
        self.lock_within(self.logto.lock_timeout())
    }

    pub(super) fn try_lock(&self) -> Result<SessionLock<'_>, StorageError> {
        self.lock_within(Duration::ZERO)
    }

    /// Calls `work`, which reads the session and then writes it once, with nothing sent in between. Where
    /// others came between, once more.
    pub(super) fn lock_to_write<T>(
        &self,
        mut work: impl FnMut(&SessionLock<'_>) -> Result<T, LogtoError>,
    ) -> Result<T, LogtoError> {
        let (timeout, started) = (self.logto.lock_timeout(), Instant::now());
        let lock = self.held(self.storage.lock_to_write(timeout)?, timeout)?;
        match work(&lock) {
            Err(LogtoError::Storage(error)) if error.kind() == StorageErrorKind::Conflict => {
                drop(lock);
                log::debug!("a session was changed in between, and is locked now: {error}");
                work(&self.lock_within(timeout.saturating_sub(started.elapsed()))?)
            }
            done => done,
        }
    }

    fn lock_within(&self, timeout: Duration) -> Result<SessionLock<'_>, StorageError> {
        self.held(self.storage.lock(timeout)?, timeout)
    }

    fn held<'a>(
        &'a self,
        storage: StorageLock<'a>,
        timeout: Duration,
    ) -> Result<SessionLock<'a>, StorageError> {
        let in_process = match storage.is_exclusive() {
            true => None,
            false => Some(Mutex::new(vec![self.lock_in_process(timeout)?])),
        };
        Ok(SessionLock {
            storage,
            in_process,
        })
    }

    /// For a storage that cannot lock: whoever has the same refresh token waits for the one who sends
    /// it, and then for the one that came of it. Without one, the clones of this client wait.
    fn lock_in_process(&self, timeout: Duration) -> Result<LocalLock, StorageError> {
        let own = Secret::from(format!("client {:p}", Arc::as_ptr(&self.storage)));
        let started = Instant::now();
        loop {
            let token = self.stored_refresh_token()?;
            let left = timeout.saturating_sub(started.elapsed());
            let lock = lock_in_process(token.as_ref().unwrap_or(&own), left)?;
            if self.stored_refresh_token()? == token {
                return Ok(lock);
            }
        }
    }

    /// Until when the cache hands out a token that came now. One whose lifetime is not known is given
    /// to those who waited for it, and not kept.
    ///
    /// Where this machine's clock is ahead of the server's, the server's time counts: the clock may
    /// yet be set right.
    pub(super) fn to_cache(&self, tokens: &TokenResponse, issued_at: Option<i64>) -> AccessToken {
        let now = self.logto.now();
        let margin = self.logto.access_token_margin();
        let lifetime = i64::try_from(tokens.expires_in.unwrap_or(0)).unwrap_or(i64::MAX);
        let since = match issued_at {
            Some(issued_at) if now.saturating_sub(issued_at) > margin => issued_at,
            Some(_) => {
                self.logto.confirm_time(now);
                now
            }
            None => now,
        };
        let until = since
            .saturating_add(lifetime)
            .saturating_sub(margin.min(lifetime / 2));
        AccessToken {
            token: tokens.access_token.clone(),
            expires_at: until,
            cached_at: Some(now),
        }
    }

    /// For a storage that cannot lock: sole use of what belongs to this state, among all clients.
    pub(super) fn lock_state(
        &self,
        lock: &SessionLock<'_>,
        state: &Secret,
    ) -> Result<Option<LocalLock>, StorageError> {
        match lock.is_of_the_storage() {
            true => Ok(None),
            false => lock_in_process(state, self.logto.lock_timeout()).map(Some),
        }
    }

    pub(super) fn is_fresh(&self, token: &AccessToken) -> bool {
        self.freshness(token) != Freshness::Stale
    }

    pub(super) fn freshness(&self, token: &AccessToken) -> Freshness {
        let now = self.logto.now();
        let token_time = self.logto.token_time_at(now);
        if !token.is_fresh(token_time, self.logto.access_token_margin()) {
            return Freshness::Stale;
        }
        let early = self.logto.early_refresh(now);
        match early > 0 && token.expires_at.saturating_sub(token_time) <= early {
            true => Freshness::Due,
            false => Freshness::Fresh,
        }
    }
}

fn lock_in_process(name: &Secret, timeout: Duration) -> Result<LocalLock, StorageError> {
    static LOCKS: LazyLock<LocalLocks> = LazyLock::new(LocalLocks::default);
    LOCKS.lock(sha256(name.expose().as_bytes()), timeout)
}

/// Of what is stored of the sign-ins under way.
pub(super) fn parse_sign_ins(text: Option<&str>) -> PendingSignIns {
    let sign_ins = text.and_then(|text| parse(PersistKey::SignInSession, text));
    sign_ins.unwrap_or_default()
}

/// A value that cannot be read is as good as none. It is not told what it was, because it may hold a
/// token.
fn parse<T: DeserializeOwned>(key: PersistKey, text: &str) -> Option<T> {
    serde_json::from_str(text)
        .inspect_err(|error| {
            let (line, column) = (error.line(), error.column());
            log::warn!("the stored {key} cannot be read (line {line} column {column}); ignored");
        })
        .ok()
}

/// The text to store of a value.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| {
        StorageError::new(
            StorageErrorKind::Backend,
            "the session could not be written as JSON",
        )
        .with_source(error)
    })
}
