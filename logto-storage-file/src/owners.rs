//! By whom sessions are found: an empty file for each owner of each session, a *mark*, whose name says
//! both. A mark is durable before its session has the owner, and is removed after. So there may be too
//! many of them, and never too few; the session's own file is the truth.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use logto_core::{OwnerDigest, SessionOwner, StorageError};

use crate::directory::Directory;
use crate::error;
use crate::place::{Place, hex, unhex};
use crate::storage;

/// The directory of the marks, in a store's.
pub(crate) const DIRECTORY: &str = "owners";

/// Marks that this session is about to be the owner's. To be called in the turn to write to it.
pub(crate) fn mark(
    directory: &Directory,
    place: &Place,
    owner: &SessionOwner,
) -> Result<(), StorageError> {
    let Some(marks) = &place.owners else {
        return Ok(());
    };
    let fs = directory.fs();
    let make = |digest: OwnerDigest| match fs.create_new(&marks.join(name(&digest, place))) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    };
    // Their names are all that they hold.
    let made = owner
        .hidden(directory.sealer())
        .digests()
        .try_for_each(make);
    made.and_then(|()| fs.sync_directory(marks))
        .map_err(|e| error::not_written(marks, e))
}

/// Removes the marks of an owner that this session had, but for those that it still has. Best effort:
/// what is left finds nothing.
pub(crate) fn unmark(
    directory: &Directory,
    place: &Place,
    before: Option<SessionOwner>,
    now: Option<SessionOwner>,
) {
    let Some(before) = before else { return };
    for digest in before.digests() {
        if now.is_none_or(|now| !now.is(&digest)) {
            remove_marks(directory, place, &digest);
        }
    }
}

fn remove_marks(directory: &Directory, place: &Place, owner: &OwnerDigest) {
    let Some(marks) = &place.owners else { return };
    for hidden in owner.hidden_by_each_key(directory.sealer()) {
        match directory.fs().remove(&marks.join(name(&hidden, place))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::debug!("a mark of a former owner is left: {error}");
            }
            _ => {}
        }
    }
}

/// The live sessions of an owner.
pub(crate) fn find(directory: &Directory, owner: &OwnerDigest) -> Result<Vec<Place>, StorageError> {
    let mut looked_at = BTreeSet::new();
    let mut found = Vec::new();
    let mut lists_without_news = 0;
    // A session that is renamed meanwhile is marked under its new name before it has it. One list may
    // miss a mark that is made, and one that is removed, while it is read.
    while lists_without_news < 2 {
        let mut marked = marked(directory, owner)?;
        marked.retain(|session| looked_at.insert(*session));
        lists_without_news = match marked.is_empty() {
            true => lists_without_news + 1,
            false => 0,
        };
        for session in marked {
            let place = Place::in_store(directory.path(), session);
            if is_of(directory, &place, owner)? {
                found.push(place);
            }
        }
    }
    Ok(found)
}

/// The sessions that are marked as the owner's.
fn marked(directory: &Directory, owner: &OwnerDigest) -> Result<Vec<[u8; 32]>, StorageError> {
    let hidden = owner.hidden_by_each_key(directory.sealer());
    let is_wanted = |owner: &[u8; 32]| hidden.iter().any(|digest| digest.as_bytes() == owner);
    let marks = directory.path().join(DIRECTORY);
    let names = directory.fs().list(&marks);
    let names = names.map_err(|e| error::no_directory(&marks, e))?;
    let parsed = names.iter().filter_map(|name| parse(name));
    Ok(parsed
        .filter(|(owner, _)| is_wanted(owner))
        .map(|(_, session)| session)
        .collect())
}

/// Whether the session is there and the owner's. If its mark lies, that is removed.
fn is_of(directory: &Directory, place: &Place, owner: &OwnerDigest) -> Result<bool, StorageError> {
    let mut seen = look(directory, place, owner)?;
    if seen == Seen::Nothing {
        // It may be on its way to this name.
        let _turn = directory.turn(place)?;
        seen = look(directory, place, owner)?;
        if seen == Seen::Nothing {
            remove_marks(directory, place, owner);
        }
    }
    Ok(seen == Seen::Live)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Live,
    /// It is the owner's, but expired, or cannot be opened.
    Dead,
    /// No session of this owner.
    Nothing,
}

fn look(directory: &Directory, place: &Place, owner: &OwnerDigest) -> Result<Seen, StorageError> {
    let idle = directory.idle();
    let seen = storage::read_any(directory, place, |record| {
        let is_of = record.owner().is_some_and(|found| found.is(owner));
        match (is_of, idle.is_over(record.used_at, idle.now())) {
            (true, false) => Seen::Live,
            (true, true) => Seen::Dead,
            (false, _) => Seen::Nothing,
        }
    });
    match seen {
        Err(error) if error::is_shut(&error) => {
            // Nobody is signed in by it, as things are.
            log::warn!("a session of a user is passed over: {error}");
            Ok(Seen::Dead)
        }
        seen => Ok(seen?.unwrap_or(Seen::Nothing)),
    }
}

/// Removes the marks of sessions that are not there any more.
pub(crate) fn sweep(directory: &Directory) {
    let marks = directory.path().join(DIRECTORY);
    let Ok(names) = directory.fs().list(&marks) else {
        return;
    };
    for name in names {
        let Some((_, session)) = parse(&name) else {
            continue;
        };
        let place = Place::in_store(directory.path(), session);
        let is_gone = || matches!(directory.read(&place), Ok(None));
        if !Path::exists(&place.session)
            && let Ok(_turn) = directory.turn_now(&place)
            && is_gone()
            && let Err(error) = directory.fs().remove(&marks.join(&name))
        {
            log::debug!("a mark of a session that is gone is left: {error}");
        }
    }
}

fn name(owner: &OwnerDigest, place: &Place) -> String {
    format!("{}.{}", hex(owner.as_bytes()), hex(&place.digest))
}

/// The owner and the session of a mark; `None` of another file.
fn parse(name: &OsStr) -> Option<([u8; 32], [u8; 32])> {
    let (owner, session) = name.to_str()?.split_once('.')?;
    Some((unhex(owner)?, unhex(session)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_named_and_nothing_else_is() {
        let owner = OwnerDigest::of_user("https://foo.logto.app/oidc", "alice");
        let place = Place::in_store(Path::new("sessions"), [7; 32]);
        let name = name(&owner, &place);
        let read = parse(name.as_ref());
        assert_eq!(read, Some((*owner.as_bytes(), place.digest)));
        let upper = name.to_uppercase();
        let longer = format!("{name}.tmp");
        let above = format!("{}.../../../{}", &name[..64], &name[65..]);
        for other in ["", ".", "..", &name[..128], &upper, &longer, &above] {
            assert_eq!(parse(other.as_ref()), None, "{other}");
        }
    }
}
