//! A rename between two slots of a cluster, which no script can make in one step.
//!
//! The old key decides. It is marked (`@rename`), its values are left at the new key as a field of
//! their own (`@in`), and then the old key drops them and says so (`@out`): from that moment the session
//! is under its new id. The new key takes them over, and the old one forgets. Whoever comes across
//! `@in` meanwhile asks the old key whether it was decided, and finishes it if so; who wants to write
//! sees to it that it never will be, if not. Wherever somebody stops, the session is whole under one id.

use logto_core::{PersistKey, StorageError};
use redis::Pipeline;

use crate::names::{Names, SessionKey};
use crate::owners;
use crate::reply::{Reply, TRIES, contended, corrupt, unexpected};
use crate::scripts;
use crate::sessions::Sessions;
use crate::token::{TOKEN, Token};

/// Gives a session a new id.
pub(crate) fn rename(
    sessions: &Sessions,
    from: &SessionKey,
    to: &SessionKey,
) -> Result<(), StorageError> {
    for _ in 0..TRIES {
        let ticket = Token::random()?;
        let values = match begin(sessions, from, &ticket)? {
            Reply::Done => return Ok(()),
            Reply::Begun(values) => values,
            Reply::Pending(pending) => {
                resolve(sessions, from, &pending)?;
                continue;
            }
            Reply::Unfinished(out) => {
                let earlier = Ticket::read(&sessions.names, &out)?;
                complete(sessions, from, &earlier.other, &earlier.token)?;
                continue;
            }
            _ => return Err(unexpected()),
        };
        if let Some(owner) = owner_of(&values) {
            owners::index(sessions, to, owner)?;
        }
        offer(sessions, from, to, &ticket, &values)?;
        if commit(sessions, from, to, &ticket)? {
            if let Err(error) = complete(sessions, from, to, &ticket) {
                // Whoever uses the session next does it.
                log::warn!("the end of a session's rename is left to its next use: {error}");
            }
            return Ok(());
        }
        abort(sessions, to, &ticket)?;
    }
    Err(contended())
}

/// Finishes a rename to this session, or sees to it that it will not be.
pub(crate) fn resolve(
    sessions: &Sessions,
    to: &SessionKey,
    pending: &[u8],
) -> Result<(), StorageError> {
    let Ticket { token, other: from } = Ticket::read(&sessions.names, pending)?;
    let keys = [from.as_str()];
    let arguments = [token.as_bytes()];
    let is_committed: i64 = sessions
        .server
        .write(&scripts::MOVE_JUDGE, &keys, &arguments)?;
    match is_committed {
        1 => complete(sessions, &from, to, &token),
        _ => abort(sessions, to, &token),
    }
}

/// Finishes a rename to this session if it has been decided, and says whether it was.
pub(crate) fn finish_if_committed(
    sessions: &Sessions,
    to: &SessionKey,
    pending: &[u8],
) -> Result<bool, StorageError> {
    let Ticket { token, other: from } = Ticket::read(&sessions.names, pending)?;
    let mut commands = Pipeline::with_capacity(1);
    commands.cmd("HGET").arg(from.as_str()).arg("@out");
    let (out,): (Option<Vec<u8>>,) = sessions.server.read(from.as_str(), &commands)?;
    let is_committed = out.is_some_and(|out| out.starts_with(token.as_bytes()));
    if is_committed {
        complete(sessions, &from, to, &token)?;
    }
    Ok(is_committed)
}

fn begin(sessions: &Sessions, from: &SessionKey, ticket: &Token) -> Result<Reply, StorageError> {
    let times = sessions.lifetime.times();
    let arguments = [
        ticket.as_bytes(),
        times.now.as_bytes(),
        times.oldest.as_bytes(),
    ];
    sessions
        .server
        .write(&scripts::MOVE_BEGIN, &[from.as_str()], &arguments)
}

fn offer(
    sessions: &Sessions,
    from: &SessionKey,
    to: &SessionKey,
    ticket: &Token,
    values: &[Vec<u8>],
) -> Result<(), StorageError> {
    let header = header(ticket, from);
    let lifetime = &sessions.lifetime;
    let span = owner_of(values).map_or("", |_| &lifetime.index_span);
    let mut arguments = vec![
        header.as_bytes(),
        lifetime.argument.as_bytes(),
        span.as_bytes(),
    ];
    arguments.extend(values.iter().map(Vec::as_slice));
    for _ in 0..TRIES {
        let keys = [to.as_str()];
        match sessions
            .server
            .write(&scripts::MOVE_OFFER, &keys, &arguments)?
        {
            Reply::Done => return Ok(()),
            Reply::Pending(other) => resolve(sessions, to, &other)?,
            _ => return Err(unexpected()),
        }
    }
    Err(contended())
}

fn commit(
    sessions: &Sessions,
    from: &SessionKey,
    to: &SessionKey,
    ticket: &Token,
) -> Result<bool, StorageError> {
    let header = header(ticket, to);
    let arguments = [
        ticket.as_bytes(),
        header.as_bytes(),
        sessions.lifetime.argument.as_bytes(),
    ];
    let keys = [from.as_str()];
    let committed: i64 = sessions
        .server
        .write(&scripts::MOVE_COMMIT, &keys, &arguments)?;
    Ok(committed == 1)
}

/// The last two steps of a rename that has been decided.
fn complete(
    sessions: &Sessions,
    from: &SessionKey,
    to: &SessionKey,
    ticket: &Token,
) -> Result<(), StorageError> {
    let now = sessions.lifetime.times().now;
    let arguments = [
        ticket.as_bytes(),
        now.as_bytes(),
        sessions.lifetime.argument.as_bytes(),
    ];
    let keys = [to.as_str()];
    let finished: i64 = sessions
        .server
        .write(&scripts::MOVE_FINISH, &keys, &arguments)?;
    if finished == -1 {
        return Err(damaged());
    }
    let keys = [from.as_str()];
    let _: i64 = sessions
        .server
        .write(&scripts::MOVE_FORGET, &keys, &[ticket.as_bytes()])?;
    Ok(())
}

fn abort(sessions: &Sessions, to: &SessionKey, ticket: &Token) -> Result<(), StorageError> {
    let keys = [to.as_str()];
    let _: i64 = sessions
        .server
        .write(&scripts::MOVE_ABORT, &keys, &[ticket.as_bytes()])?;
    Ok(())
}

fn owner_of(values: &[Vec<u8>]) -> Option<&[u8]> {
    let mut pairs = values.chunks_exact(2);
    let owner = pairs.find(|pair| pair[0] == PersistKey::Owner.as_str().as_bytes())?;
    Some(&owner[1])
}

/// What `@in` and `@out` begin with: which rename it is, and the session at the other end of it.
struct Ticket {
    token: Token,
    other: SessionKey,
}

impl Ticket {
    fn read(names: &Names, field: &[u8]) -> Result<Self, StorageError> {
        let (token, rest) = field.split_at_checked(TOKEN).ok_or_else(damaged)?;
        let name = rest.get(..SessionKey::NAME).ok_or_else(damaged)?;
        Ok(Self {
            token: Token::read(token).ok_or_else(damaged)?,
            other: names.session_named(name).ok_or_else(damaged)?,
        })
    }
}

fn header(ticket: &Token, other: &SessionKey) -> String {
    format!("{}{}", ticket.as_str(), other.name())
}

fn damaged() -> StorageError {
    corrupt("what a rename has left at the session is damaged; only a removal of the session helps")
}
