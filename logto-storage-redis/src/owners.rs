//! By whom sessions are found: a sorted set for each owner, in which a session is before it has the
//! owner. The set may have more than that; whose a session is, the session says.

use std::collections::{BTreeMap, BTreeSet};

use logto_core::{OwnerDigest, PersistKey, SessionOwner, StorageError};
use redis::Pipeline;

use crate::names::SessionKey;
use crate::reply::unexpected;
use crate::scripts;
use crate::sessions::{Seen, Sessions};

/// How often sessions are looked for until they are twice the same.
const ROUNDS: usize = 10;

/// How often while none is seen, since one that is renamed all the time may be missed in each round.
const ROUNDS_IF_NONE: usize = 100;

/// How long an entry is left whose session is not there: it may be about to be written.
const YOUNG: i64 = 10 * 60 * 1000;

/// How many sessions are looked at, at a time.
const BATCH: usize = 500;

/// Puts a session into the indexes of an owner, before it has that owner. A value that is no owner has
/// none.
pub(crate) fn index(
    sessions: &Sessions,
    session: &SessionKey,
    owner: &[u8],
) -> Result<(), StorageError> {
    let Some(owner) = parse(owner) else {
        return Ok(());
    };
    let indexes: Vec<_> = owner
        .digests()
        .map(|digest| sessions.names.index(&digest))
        .collect();
    let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
    let lifetime = &sessions.lifetime;
    let arguments: [&[u8]; 3] = [
        session.digest(),
        lifetime.index_span.as_bytes(),
        lifetime.index_is_endless.as_bytes(),
    ];
    // In a cluster they lie in different slots.
    let at_once = if sessions.server.is_cluster() { 1 } else { 2 };
    for keys in indexes.chunks(at_once) {
        let _: i64 = sessions.server.write(&scripts::INDEX, keys, &arguments)?;
    }
    Ok(())
}

/// The sessions that have this owner. While they are renamed, one may be seen under its old id and
/// then under its new one, or under neither; so they are looked for until they are twice the same.
pub(crate) fn find(
    sessions: &Sessions,
    owner: &OwnerDigest,
) -> Result<Vec<[u8; 32]>, StorageError> {
    let index = sessions.names.index(owner);
    let mut ever = BTreeSet::new();
    let mut before = None;
    for round in 0..ROUNDS_IF_NONE {
        if round >= ROUNDS && !ever.is_empty() {
            break;
        }
        let entries = Entries::read(sessions, &index)?;
        // Who has the owner is in the index all the time.
        if entries.found.is_empty() {
            return Ok(Vec::new());
        }
        let owned = owned(sessions, &entries, owner)?;
        let matching = owned.iter().filter(|(_, is_owned)| **is_owned);
        let matching: Vec<_> = matching.map(|(digest, _)| *digest).collect();
        if before.as_ref() == Some(&owned) {
            entries.drop_old(sessions, &index, &owned);
            return Ok(matching);
        }
        ever.extend(matching);
        before = Some(owned);
    }
    Ok(ever.into_iter().collect())
}

/// Whether each session has the owner.
fn owned(
    sessions: &Sessions,
    entries: &Entries,
    owner: &OwnerDigest,
) -> Result<BTreeMap<[u8; 32], bool>, StorageError> {
    let field = PersistKey::Owner.as_str();
    let is_owned = |seen: &Seen| {
        let found = seen.value.as_deref().and_then(parse);
        found.is_some_and(|found| found.is(owner)) && !sessions.is_over(seen)
    };
    let keys = entries.newest_first().into_iter();
    let keys: Vec<_> = keys.map(|digest| sessions.names.session(*digest)).collect();
    let mut owned = BTreeMap::new();
    if sessions.server.is_cluster() {
        for key in &keys {
            owned.insert(*key.digest(), is_owned(&sessions.look(key, field)?));
        }
        return Ok(owned);
    }
    for keys in keys.chunks(BATCH) {
        let seen = sessions.look_at_each(keys, field)?;
        let seen = keys.iter().zip(&seen);
        owned.extend(seen.map(|(key, seen)| (*key.digest(), is_owned(seen))));
    }
    Ok(owned)
}

fn parse(owner: &[u8]) -> Option<SessionOwner> {
    SessionOwner::of_value(std::str::from_utf8(owner).ok()?)
}

/// A name and its score.
type Entry = (Vec<u8>, String);

/// What an index holds.
struct Entries {
    /// When it was read, by the server's clock.
    now: i64,
    /// The score of each session: when the entry may go.
    found: BTreeMap<[u8; 32], String>,
}

impl Entries {
    fn read(sessions: &Sessions, index: &str) -> Result<Self, StorageError> {
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("TIME");
        commands
            .cmd("ZRANGE")
            .arg(index)
            .arg(0)
            .arg(-1)
            .arg("WITHSCORES");
        let (time, entries): ([i64; 2], Vec<Entry>) = sessions.server.read(index, &commands)?;
        let [seconds, micros] = time;
        let is_digest = |(name, score): Entry| Some((name.try_into().ok()?, score));
        Ok(Self {
            now: seconds * 1000 + micros / 1000,
            found: entries.into_iter().filter_map(is_digest).collect(),
        })
    }

    /// A session that is renamed now is among the newest, and not for long.
    fn newest_first(&self) -> Vec<&[u8; 32]> {
        let goes = |score: &str| score.parse().unwrap_or(f64::MAX);
        let mut entries: Vec<_> = self.found.iter().collect();
        entries.sort_by(|(_, one), (_, other)| goes(other).total_cmp(&goes(one)));
        entries.into_iter().map(|(digest, _)| digest).collect()
    }

    /// Drops entries of sessions that have another owner or are gone. Best effort: they go by
    /// themselves when their time is over.
    fn drop_old(&self, sessions: &Sessions, index: &str, owned: &BTreeMap<[u8; 32], bool>) {
        let span = sessions.lifetime.index_span();
        let is_old = |score: &String| {
            let goes: Option<f64> = score.parse().ok();
            goes.is_some_and(|goes| self.now - (goes as i64).saturating_sub(span) > YOUNG)
        };
        let mut arguments: Vec<&[u8]> = Vec::new();
        for (digest, score) in &self.found {
            if owned.get(digest) == Some(&false) && is_old(score) {
                arguments.extend([digest.as_slice(), score.as_bytes()]);
            }
        }
        for arguments in arguments.chunks(2 * BATCH) {
            let dropped = sessions
                .server
                .write(&scripts::UNINDEX, &[index], arguments);
            let dropped = dropped.and_then(|dropped: i64| match dropped {
                0 => Ok(()),
                _ => Err(unexpected()),
            });
            if let Err(error) = dropped {
                log::debug!("entries of an index are dropped later: {error}");
            }
        }
    }
}
