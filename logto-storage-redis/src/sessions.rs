//! What all sessions of a store share, and how one is read and written.

use std::sync::Arc;

use logto_core::{Change, LocalLocks, PersistKey, StorageError, StorageErrorKind};
use redis::Pipeline;

use crate::lease::Leases;
use crate::lifetime::{Lifetime, TimeLeft};
use crate::moving;
use crate::names::{Names, SessionKey};
use crate::owners;
use crate::reply::{Reply, TRIES, contended, corrupt, unexpected};
use crate::scripts;
use crate::server::Server;

/// What all sessions of a store share.
pub(crate) struct Sessions {
    pub(crate) server: Arc<Server>,
    pub(crate) names: Names,
    pub(crate) lifetime: Lifetime,
    pub(crate) locks: LocalLocks,
    pub(crate) leases: Leases,
}

/// A value of a session, and what is to be known of the session with it.
pub(crate) struct Seen {
    pub(crate) value: Option<Vec<u8>>,
    used: Option<i64>,
    left: TimeLeft,
    pending: Option<Vec<u8>>,
}

/// What makes the lock's writes the holder's: they are refused when somebody else has had it.
#[derive(Clone)]
pub(crate) struct Fence {
    pub(crate) lock: Arc<str>,
    pub(crate) held: Arc<str>,
}

impl Sessions {
    /// The value of a field. A rename to this session that was left in the middle is finished first,
    /// if it has been decided.
    pub(crate) fn look(&self, session: &SessionKey, field: &str) -> Result<Seen, StorageError> {
        let mut seen = self.look_once(session, field)?;
        for _ in 0..TRIES {
            let Some(pending) = seen.pending.take() else {
                return Ok(seen);
            };
            let is_finished = moving::finish_if_committed(self, session, &pending)?;
            let again = self.look_once(session, field)?;
            // It was not decided between the two looks.
            if !is_finished && again.pending.as_ref() == Some(&pending) {
                return Ok(again);
            }
            seen = again;
        }
        Err(contended())
    }

    fn look_once(&self, session: &SessionKey, field: &str) -> Result<Seen, StorageError> {
        let mut commands = Pipeline::with_capacity(2);
        self.add_look(&mut commands, session, field);
        let key = session.as_str();
        match self.looks_at_all() {
            false => {
                let (value, left) = self.server.read(key, &commands)?;
                Ok(Seen::of_value(value, left))
            }
            true => {
                let (fields, left) = self.server.read(key, &commands)?;
                Ok(Seen::of_fields(fields, left))
            }
        }
    }

    /// The same of many sessions at once, which are all on one server.
    pub(crate) fn look_at_each(
        &self,
        sessions: &[SessionKey],
        field: &str,
    ) -> Result<Vec<Seen>, StorageError> {
        let Some(first) = sessions.first() else {
            return Ok(Vec::new());
        };
        let mut commands = Pipeline::with_capacity(2 * sessions.len());
        for session in sessions {
            self.add_look(&mut commands, session, field);
        }
        let answers: Vec<redis::Value> = self.server.read(first.as_str(), &commands)?;
        let unreadable = |_| unexpected();
        let mut answers = answers.into_iter();
        let mut seen = Vec::with_capacity(sessions.len());
        while let (Some(value), Some(left)) = (answers.next(), answers.next()) {
            let left = redis::from_redis_value(left).map_err(unreadable)?;
            seen.push(match self.looks_at_all() {
                false => Seen::of_value(redis::from_redis_value(value).map_err(unreadable)?, left),
                true => Seen::of_fields(redis::from_redis_value(value).map_err(unreadable)?, left),
            });
        }
        Ok(seen)
    }

    fn add_look(&self, commands: &mut Pipeline, session: &SessionKey, field: &str) {
        let key = session.as_str();
        match self.looks_at_all() {
            false => commands.cmd("HGET").arg(key).arg(field),
            true => commands
                .cmd("HMGET")
                .arg(key)
                .arg(field)
                .arg("@used")
                .arg("@in"),
        };
        commands.cmd("PTTL").arg(key);
    }

    /// Whether a session has more to be looked at than the value.
    fn looks_at_all(&self) -> bool {
        self.server.is_cluster() || self.lifetime.has_clock()
    }

    /// Whether it is over, by the caller's clock.
    pub(crate) fn is_over(&self, seen: &Seen) -> bool {
        self.lifetime.is_over(seen.used)
    }

    /// Whether a key that was found is a session, and not over. One that cannot be read is: nobody can tell.
    pub(crate) fn is_there(&self, session: &SessionKey) -> Result<bool, StorageError> {
        if !self.looks_at_all() {
            return Ok(true);
        }
        match self.has_values(session) {
            Err(error) if error.kind() == StorageErrorKind::Corrupt => Ok(true),
            result => result,
        }
    }

    /// A rename leaves a key in a cluster which has no values.
    fn has_values(&self, session: &SessionKey) -> Result<bool, StorageError> {
        let seen = self.look(session, "@used")?;
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("HKEYS").arg(session.as_str());
        let (names,): (Vec<Vec<u8>>,) = self.server.read(session.as_str(), &commands)?;
        Ok(!self.is_over(&seen) && names.iter().any(|name| !name.starts_with(b"@")))
    }

    /// Whether the read must be noted.
    pub(crate) fn should_note(&self, seen: &Seen) -> bool {
        self.lifetime.should_note(seen.used, seen.left)
    }

    /// Makes all of these changes or none. An empty list only notes that the session was used.
    pub(crate) fn write(
        &self,
        session: &SessionKey,
        fence: Option<&Fence>,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        let draft = Draft::of(changes);
        if let Some(owner) = draft.owner.flatten() {
            owners::index(self, session, owner.as_bytes())?;
        }
        let mut indexed = Vec::new();
        for _ in 0..TRIES {
            match self.send(session, fence, &draft, &indexed)? {
                Reply::Done => return Ok(()),
                Reply::Lost => return Err(lost()),
                Reply::Pending(pending) => moving::resolve(self, session, &pending)?,
                Reply::Index(owner) => {
                    owners::index(self, session, &owner)?;
                    indexed = owner;
                }
                Reply::Unfinished(_) | Reply::Begun(_) => return Err(unexpected()),
            }
        }
        Err(contended())
    }

    fn send(
        &self,
        session: &SessionKey,
        fence: Option<&Fence>,
        draft: &Draft<'_>,
        indexed: &[u8],
    ) -> Result<Reply, StorageError> {
        let times = self.lifetime.times();
        let set = draft.set.len().to_string();
        let mut arguments: Vec<&[u8]> =
            Vec::with_capacity(8 + draft.set.len() + draft.removed.len());
        arguments.extend([
            fence.map_or("", |fence| &*fence.held).as_bytes(),
            times.now.as_bytes(),
            times.oldest.as_bytes(),
            self.lifetime.argument.as_bytes(),
            self.lifetime.index_times.as_bytes(),
            indexed,
            if draft.owner.is_some() { b"1" } else { b"" },
            set.as_bytes(),
        ]);
        arguments.extend(&draft.set);
        arguments.extend(&draft.removed);
        match fence {
            Some(fence) => {
                let keys = [session.as_str(), &fence.lock];
                self.server.write(&scripts::WRITE, &keys, &arguments)
            }
            None => self
                .server
                .write(&scripts::WRITE, &[session.as_str()], &arguments),
        }
    }

    /// Removes a session with all of its values.
    pub(crate) fn remove(&self, session: &SessionKey) -> Result<(), StorageError> {
        let mut force: &[u8] = b"";
        for _ in 0..TRIES {
            match self
                .server
                .write(&scripts::REMOVE, &[session.as_str()], &[force])?
            {
                Reply::Done => return Ok(()),
                Reply::Pending(pending) => match moving::resolve(self, session, &pending) {
                    // What cannot be read will not be a session.
                    Err(error) if error.kind() == StorageErrorKind::Corrupt => force = b"1",
                    resolved => resolved?,
                },
                _ => return Err(unexpected()),
            }
        }
        Err(contended())
    }

    /// Frees a session that is over by the caller's clock.
    pub(crate) fn purge(&self, session: &SessionKey) -> Result<bool, StorageError> {
        let oldest = self.lifetime.times().oldest;
        let keys = [session.as_str()];
        let purged: i64 = self
            .server
            .write(&scripts::PURGE, &keys, &[oldest.as_bytes()])?;
        Ok(purged == 1)
    }
}

impl Seen {
    fn of_value(value: Option<Vec<u8>>, left: i64) -> Self {
        Self {
            value,
            used: None,
            left: TimeLeft(left),
            pending: None,
        }
    }

    fn of_fields([value, used, pending]: [Option<Vec<u8>>; 3], left: i64) -> Self {
        let number = |text: Vec<u8>| String::from_utf8(text).ok()?.parse().ok();
        Self {
            value,
            used: used.and_then(number),
            left: TimeLeft(left),
            pending,
        }
    }

    /// The value as text.
    pub(crate) fn into_text(self) -> Result<Option<String>, StorageError> {
        let text = self.value.map(String::from_utf8).transpose();
        text.map_err(|_| corrupt("a value of the session is not UTF-8"))
    }
}

/// The last change of each key, as arguments of the script.
struct Draft<'a> {
    /// Names and values.
    set: Vec<&'a [u8]>,
    removed: Vec<&'a [u8]>,
    /// What the owner becomes, if it changes.
    owner: Option<Option<&'a str>>,
}

impl<'a> Draft<'a> {
    fn of(changes: &[Change<'a>]) -> Self {
        let mut draft = Self {
            set: Vec::with_capacity(2 * changes.len()),
            removed: Vec::new(),
            owner: None,
        };
        for (at, Change { key, value, .. }) in changes.iter().enumerate() {
            if changes[at + 1..].iter().any(|later| later.key == *key) {
                continue;
            }
            if *key == PersistKey::Owner {
                draft.owner = Some(*value);
            }
            let name = key.as_str().as_bytes();
            match value {
                Some(value) => draft.set.extend([name, value.as_bytes()]),
                None => draft.removed.push(name),
            }
        }
        draft
    }
}

fn lost() -> StorageError {
    StorageError::new(
        StorageErrorKind::Busy,
        "the lock of the session was lost to another process; nothing was written",
    )
}
