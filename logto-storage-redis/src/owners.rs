//! By whom sessions are found: a sorted set for each owner, in which a session is before it has the
//! owner. The set may have more than that; whose a session is, the session says.

use logto_core::{OwnerDigest, SessionKey, SessionOwner, StorageError, StorageErrorKind};
use redis::Pipeline;

use crate::lifetime::Lifetime;
use crate::names::Names;
use crate::record::{self, Fields};
use crate::scripts;
use crate::server::Server;

/// How long an entry is left whose session is not there: it may be about to be written.
const YOUNG: i64 = 10 * 60 * 1000;

/// How many sessions are looked at, at a time.
const BATCH: usize = 500;

/// Where the indexes are, and how long an entry lasts.
#[derive(Clone, Copy)]
pub(crate) struct Index<'a> {
    pub(crate) server: &'a Server,
    pub(crate) names: &'a Names,
    pub(crate) lifetime: &'a Lifetime,
}

impl Index<'_> {
    /// Puts a session into the indexes of an owner, before it has that owner.
    pub(crate) fn add(
        &self,
        session: &SessionKey,
        owner: &SessionOwner,
    ) -> Result<(), StorageError> {
        let indexes: Vec<_> = owner
            .digests()
            .map(|digest| self.names.index(&digest))
            .collect();
        let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
        // In a cluster they lie in different slots.
        let at_once = if self.server.is_cluster() { 1 } else { 2 };
        for keys in indexes.chunks(at_once) {
            let arguments = (session.as_bytes().as_slice(), self.lifetime.index_span);
            let _: i64 = self.server.write(&scripts::INDEX, keys, arguments)?;
        }
        Ok(())
    }

    /// The sessions that have this owner. To look at them is no use of them.
    pub(crate) fn find(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let index = self.names.index(owner);
        let (now, entries) = self.entries(&index)?;
        let keys: Vec<_> = entries.iter().map(|(session, _)| *session).collect();
        let is_theirs = |fields: &Fields| {
            record::is_owned(fields, owner) && record::is_live(fields, self.lifetime)
        };
        let (mut found, mut stale) = (Vec::new(), Vec::new());
        let at_once = if self.server.is_cluster() { 1 } else { BATCH };
        for ((session, score), fields) in entries.into_iter().zip(self.fields(&keys, at_once)?) {
            match is_theirs(&fields) {
                true => found.push(session),
                false => stale.push((session, score)),
            }
        }
        self.drop_old(&index, now, &stale);
        Ok(found)
    }

    /// The server's time, and each session of an index with its score: when the entry may go.
    fn entries(&self, index: &str) -> Result<(i64, Vec<(SessionKey, String)>), StorageError> {
        let mut commands = redis::pipe();
        commands.cmd("TIME");
        let range = (index, 0, -1, "WITHSCORES");
        commands.cmd("ZRANGE").arg(range);
        let (time, entries): ([i64; 2], Vec<(Vec<u8>, String)>) =
            self.server.read(index, &commands)?;
        let session = |(name, score): (Vec<u8>, String)| {
            Some((SessionKey::from_bytes(name.try_into().ok()?), score))
        };
        let now = time[0] * 1000 + time[1] / 1000;
        Ok((now, entries.into_iter().filter_map(session).collect()))
    }

    /// All of these sessions but their data. A key of another type is no session.
    fn fields(&self, sessions: &[SessionKey], at_once: usize) -> Result<Vec<Fields>, StorageError> {
        let mut all = Vec::with_capacity(sessions.len());
        for sessions in sessions.chunks(at_once) {
            let keys: Vec<_> = sessions.iter().map(|key| self.names.session(key)).collect();
            let mut commands = Pipeline::with_capacity(keys.len());
            for key in &keys {
                record::ask(&mut commands, key, "none");
            }
            match self.server.read::<Vec<Fields>>(&keys[0], &commands) {
                Err(error) if error.kind() != StorageErrorKind::Corrupt => return Err(error),
                Err(_) if sessions.len() > 1 => all.extend(self.fields(sessions, 1)?),
                fields => all.extend(fields.unwrap_or_else(|_| vec![Fields::default()])),
            }
        }
        Ok(all)
    }

    /// Drops entries of sessions that have another owner or are gone. Best effort: they go by
    /// themselves when their time is over.
    fn drop_old(&self, index: &str, now: i64, stale: &[(SessionKey, String)]) {
        let span = self.lifetime.index_span;
        let is_old = |score: &str| {
            let goes: Option<f64> = score.parse().ok();
            goes.is_some_and(|goes| now - (goes as i64).saturating_sub(span) > YOUNG)
        };
        let old = stale.iter().filter(|(_, score)| is_old(score));
        let arguments: Vec<&[u8]> = old
            .flat_map(|(session, score)| [session.as_bytes(), score.as_bytes()])
            .collect();
        for arguments in arguments.chunks(2 * BATCH) {
            let dropped = self
                .server
                .write::<i64>(&scripts::UNINDEX, &[index], arguments);
            if let Err(error) = dropped {
                log::debug!("entries of an index are dropped later: {error}");
            }
        }
    }
}
