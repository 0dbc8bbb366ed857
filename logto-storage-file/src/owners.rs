//! The index by owner: an empty file for each owner of each session, a *mark*, whose name says both.
//!
//! A mark is durable before its session has the owner, and is removed after. So there may be a mark too
//! many, and never one too few; the session's own file decides.

use std::ffi::OsStr;
use std::io;

use logto_core::{OwnerDigest, SessionKey, SessionOwner, StorageError};

use crate::directory::Directory;
use crate::{error, fs};

impl Directory {
    /// Marks that the session is about to have this owner.
    pub(crate) fn mark(
        &self,
        session: &SessionKey,
        owner: Option<SessionOwner>,
    ) -> Result<(), StorageError> {
        let Some(owner) = owner else { return Ok(()) };
        let hidden = owner.hidden(&self.sealer);
        hidden
            .digests()
            .try_for_each(|digest| self.create_mark(&digest, session))
            .and_then(|()| self.fs.sync_directory(&self.owners))
            .map_err(|e| error::not_written(&self.owners, e))
    }

    fn create_mark(&self, owner: &OwnerDigest, session: &SessionKey) -> io::Result<()> {
        let path = self.owners.join(name(owner, session));
        match self.fs.create(&path, &[], None) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            created => created.map(drop),
        }
    }

    /// Removes the marks of an owner that the session had, except those that it still needs. A mark that
    /// cannot be removed finds nothing.
    pub(crate) fn unmark(
        &self,
        session: &SessionKey,
        before: Option<SessionOwner>,
        now: Option<SessionOwner>,
    ) {
        let needed: Vec<_> = now
            .map(|owner| owner.hidden(&self.sealer).digests().collect())
            .unwrap_or_default();
        let before = before.iter().flat_map(SessionOwner::digests);
        for digest in before.flat_map(|digest| digest.hidden_by_each_key(&self.sealer)) {
            if !needed.contains(&digest) {
                self.remove_mark(&name(&digest, session));
            }
        }
    }

    fn remove_mark(&self, name: &str) {
        match self.fs.remove(&self.owners.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::debug!("a mark in the owner index is left: {error}");
            }
            _ => {}
        }
    }

    /// The sessions that are marked as this owner's.
    pub(crate) fn marked(&self, owner: &OwnerDigest) -> Result<Vec<SessionKey>, StorageError> {
        let hidden = owner.hidden_by_each_key(&self.sealer);
        let mut marks = self.marks()?;
        marks.retain(|(owner, _)| hidden.contains(owner));
        Ok(marks.into_iter().map(|(_, session)| session).collect())
    }

    /// All marks.
    pub(crate) fn marks(&self) -> Result<Vec<(OwnerDigest, SessionKey)>, StorageError> {
        let names = fs::names(&self.owners)?;
        Ok(names.iter().filter_map(|name| parse(name)).collect())
    }

    /// Removes one of [`marks`](Self::marks), whose session is gone.
    pub(crate) fn sweep_mark(&self, (owner, session): &(OwnerDigest, SessionKey)) {
        self.remove_mark(&name(owner, session));
    }
}

fn name(owner: &OwnerDigest, session: &SessionKey) -> String {
    // The two have one form, and the key knows how to write it.
    let owner = SessionKey::from_bytes(*owner.as_bytes()).to_hex();
    format!("{owner}.{}", session.to_hex())
}

/// The owner and the session of a mark; `None` of another file.
fn parse(name: &OsStr) -> Option<(OwnerDigest, SessionKey)> {
    let (owner, session) = name.to_str()?.split_once('.')?;
    let owner = OwnerDigest::from_bytes(*SessionKey::from_hex(owner)?.as_bytes());
    Some((owner, SessionKey::from_hex(session)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_read_from_its_name_and_no_other_file_is_one() {
        let owner = OwnerDigest::of_user("https://foo.logto.app/oidc", "alice");
        let session = SessionKey::from_bytes([7; 32]);
        let name = name(&owner, &session);
        assert_eq!(parse(name.as_ref()), Some((owner, session)));
        let above = format!("{}.../../../{}", &name[..64], &name[65..]);
        let (upper, longer) = (name.to_uppercase(), format!("{name}.tmp"));
        for other in ["", ".", "..", &name[..128], &upper, &longer, &above] {
            assert_eq!(parse(other.as_ref()), None, "{other}");
        }
    }
}
