//! The first words to a server: whether it is the right one.

use redis::{Cmd, Value};

use crate::error::{Failure, Refusal};

use super::connection::Request;
use super::deadline::Deadline;
use super::topology::Topology;
use super::{Server, answer_of, repeat};

/// Fails at once where waiting helps nobody, and warns of a server that forgets sessions.
pub(super) fn greet(server: &Server) -> Result<(), Failure> {
    // A key as those of sessions are, for users who may have no others.
    let key = format!("{}:{{}}", server.settings.prefix);
    let mut first = redis::cmd("PTTL");
    first.arg(&key);
    let deadline = server.deadline();
    let ask = |command: &Cmd| ask(server, &key, &Request::one(command), deadline);
    ask(&first)?;
    match ask(&redis::cmd("INFO")) {
        Ok(answers) => judge(server, &answer_of::<String>(answers).unwrap_or_default()),
        Err(Failure::Refused(refusal)) => {
            log::debug!("Redis at {server:?} tells this user nothing of itself: {refusal}");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

/// Waits for a server that is loading, and not for one that is not there.
fn ask(
    server: &Server,
    key: &str,
    request: &Request,
    deadline: Deadline,
) -> Result<Vec<Value>, Failure> {
    let call = || server.topology.call(&server.dialer, key, request, deadline);
    repeat(deadline, call, |failure| {
        let is_there = matches!(failure, Failure::Refused(_) | Failure::NoNode);
        is_there && server.topology.may_recover(failure)
    })
}

fn judge(server: &Server, info: &str) -> Result<(), Failure> {
    let value = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
    };
    if let Some(policy) = value("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        log::warn!(
            "Redis at {server:?} deletes sessions when its memory is full (maxmemory-policy {policy}); set noeviction"
        );
    }
    if !matches!(server.topology, Topology::Single(_)) {
        return Ok(());
    }
    if value("cluster_enabled") == Some("1") {
        return Err(Failure::IsCluster);
    }
    match value("slave_read_only") {
        Some("1") => Err(Failure::Refused(Refusal::read_only())),
        _ => Ok(()),
    }
}
