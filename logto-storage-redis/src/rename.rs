//! A rename: one step on one server.

use logto_core::StorageError;

use crate::names::SessionKey;
use crate::reply::{Reply, TRIES, contended, unexpected};
use crate::sessions::Sessions;
use crate::{moving, owners, scripts};

/// Gives a session a new id, which is another one.
pub(crate) fn rename(
    sessions: &Sessions,
    from: &SessionKey,
    to: &SessionKey,
) -> Result<(), StorageError> {
    match sessions.server.is_cluster() {
        true => moving::rename(sessions, from, to),
        false => rename_at_once(sessions, from, to),
    }
}

fn rename_at_once(
    sessions: &Sessions,
    from: &SessionKey,
    to: &SessionKey,
) -> Result<(), StorageError> {
    let mut indexed = Vec::new();
    for _ in 0..TRIES {
        let times = sessions.lifetime.times();
        let arguments = [
            times.now.as_bytes(),
            times.oldest.as_bytes(),
            sessions.lifetime.argument.as_bytes(),
            &indexed,
            sessions.lifetime.index_span.as_bytes(),
        ];
        let keys = [from.as_str(), to.as_str()];
        match sessions.server.write(&scripts::RENAME, &keys, &arguments)? {
            Reply::Done => return Ok(()),
            Reply::Index(owner) => {
                owners::index(sessions, to, &owner)?;
                indexed = owner;
            }
            _ => return Err(unexpected()),
        }
    }
    Err(contended())
}
